"""Past prices relative to a close, computed from the channels of a window, for models that need no more.

Every tier holds these channels (docs/features.md has their formulas).
"""

from __future__ import annotations

import numpy as np

from lib.config.base import threshold_of
from lib.config.experiment import BarrierConfig
from lib.datasets.windows import Samples
from lib.errors import ModelError

RETURN, GAP, SHADOW, LOWER_SHADOW = "log_return_1", "gap", "upper_shadow", "lower_shadow"


def require(channels: tuple[str, ...], names: tuple[str, ...], model: str) -> list[int]:
    """Positions of channels.

    Raises:
        ModelError: the dataset lacks one.
    """
    missing = [name for name in names if name not in channels]
    if missing:
        raise ModelError(
            f"{model} needs the channel(s) {', '.join(missing)}, which this dataset does not hold. Every "
            "tier of the data matrix does; stacked forecasts of a meta-module do not."
        )
    return [channels.index(name) for name in names]


def barrier(task: str) -> float | None:
    """Log distance of a touch task's price; None for other tasks."""
    return float(np.log1p(threshold_of(task))) if task.startswith("threshold_") else None


def windows_of(samples: Samples, channel: int, bars: int) -> np.ndarray:
    """(n, bars) float64: the last bars of one channel in each window. A copy."""
    offsets = np.arange(-bars + 1, 1)
    return samples.matrix[samples.ends[:, None] + offsets, channel].astype(np.float64)


def return_column(samples: Samples) -> np.ndarray:
    """(rows,) float64: log return of every row's bar."""
    [at] = require(samples.channel_names, (RETURN,), "a model of past returns")
    return samples.matrix[:, at].astype(np.float64)


def window_returns(samples: Samples) -> np.ndarray:
    """(n, context_length) float64: log returns of the bars of each window, the latest last."""
    [at] = require(samples.channel_names, (RETURN,), "a model of past returns")
    return windows_of(samples, at, samples.context_length)


def past_return(samples: Samples, bars: int) -> np.ndarray:
    """(n,): ln(C[t] / C[t-bars])."""
    [at] = require(samples.channel_names, (RETURN,), "past returns")
    total: np.ndarray = windows_of(samples, at, bars).sum(axis=1)
    return total


def past_high(samples: Samples, bars: int) -> np.ndarray:
    """(n,): ln(max(H[t-bars+1..t]) / C[t-bars]), the quantity of a threshold task, for the bars just past."""
    highest: np.ndarray = _highs(samples, bars).max(axis=1)
    return highest


def past_barrier(samples: Samples, bars: int, barriers: BarrierConfig) -> np.ndarray:
    """(n,): -1, 0 or 1, the barrier that the bars just past touched first, as `triple_barrier` defines it.

    The prices are those of the labels. The volatility at bar t-bars is weighed alike, but over the returns
    that the window holds (at least two), not over all that came before; what is cut off had a share of
    (1 - 2 / (span + 1)) ** returns. So the barriers differ a little, and with them a few outcomes.
    """
    before = samples.context_length - bars
    [at] = require(samples.channel_names, (RETURN,), "past barriers")
    returns = windows_of(samples, at, samples.context_length)[:, :before]
    reach = _weighted_deviation(returns, barriers.volatility_span) * np.sqrt(bars)
    rise = _first(_highs(samples, bars) >= barriers.upper * reach[:, None])
    fall = _first(_lows(samples, bars) <= -barriers.lower * reach[:, None])
    touched = np.where(fall <= rise, -1, 1)
    return np.where(np.minimum(rise, fall) == bars, 0, touched)


def _first(hits: np.ndarray) -> np.ndarray:
    """(n,): position of the first hit in each row of (n, bars); `bars` if there is none."""
    return np.where(hits.any(axis=1), hits.argmax(axis=1), hits.shape[1])


def _highs(samples: Samples, bars: int) -> np.ndarray:
    """(n, bars): ln(H / C[t-bars]) of the last bars.

    ln(H/C) of a bar is its upper shadow, plus ln(O/C) where it opened above its close; ln(O/C) is the gap
    minus the bar's return.
    """
    columns = require(samples.channel_names, (RETURN, GAP, SHADOW), "past highs")
    returns, gap, shadow = (windows_of(samples, at, bars) for at in columns)
    above_close = shadow + np.maximum(gap - returns, 0.0)
    highs: np.ndarray = np.cumsum(returns, axis=1) + above_close
    return highs


def _lows(samples: Samples, bars: int) -> np.ndarray:
    """(n, bars): ln(L / C[t-bars]) of the last bars, likewise."""
    columns = require(samples.channel_names, (RETURN, GAP, LOWER_SHADOW), "past lows")
    returns, gap, shadow = (windows_of(samples, at, bars) for at in columns)
    below_close = shadow + np.maximum(returns - gap, 0.0)
    lows: np.ndarray = np.cumsum(returns, axis=1) - below_close
    return lows


def _weighted_deviation(returns: np.ndarray, span: int) -> np.ndarray:
    """(n,): exponentially weighted standard deviation of (n, bars) at the last bar, without bias."""
    weights = (1.0 - 2.0 / (span + 1.0)) ** np.arange(returns.shape[1])[::-1]
    weights /= weights.sum()
    mean = returns @ weights
    variance = ((returns - mean[:, None]) ** 2 @ weights) / (1.0 - np.square(weights).sum())
    deviation: np.ndarray = np.sqrt(variance)
    return deviation
