"""Past prices as the channels of a window tell them, relative to a close. For models that need no more.

Every tier holds the three channels that this takes (their formulas stand in docs/features.md).
"""

from __future__ import annotations

import numpy as np

from lib.config.base import threshold_of
from lib.datasets.windows import Samples
from lib.errors import ModelError

RETURN, GAP, SHADOW = "log_return_1", "gap", "upper_shadow"


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
    """Log distance of the price that a touch task asks about; None for other tasks."""
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
    """(n,): ln(max(H[t-bars+1..t]) / C[t-bars]), what a threshold task asks about, for the bars just past.

    ln(H/C) of a bar is its upper shadow, plus ln(O/C) where it opened above its close; ln(O/C) is the gap
    minus the bar's return.
    """
    columns = require(samples.channel_names, (RETURN, GAP, SHADOW), "past highs")
    returns, gap, shadow = (windows_of(samples, at, bars) for at in columns)
    above_close = shadow + np.maximum(gap - returns, 0.0)
    highest: np.ndarray = (np.cumsum(returns, axis=1) + above_close).max(axis=1)
    return highest
