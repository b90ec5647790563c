"""The volatility baseline: volatility of past returns, with a closed form for touches.

``har``: the heterogeneous autoregression of Corsi (2009, J. Financial Econometrics 7), log variance of the
next H bars on that of the last 1, 5 and 22. ``garch``: GARCH(1,1) of Bollerslev (1986), fitted by the package
`arch`. The chance that a price without drift touches a barrier b within H bars is 2·Φ(−b / (σ√H)) (reflection
principle); prices jump and σ is uncertain, so a logistic map of two numbers, fitted on training, corrects it.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import numpy as np

from lib.config.base import StrictModel
from lib.datasets.windows import Samples
from lib.errors import ModelError
from lib.models.contract import ModelMetadata
from lib.models.naive._channels import barrier, return_column, window_returns
from lib.models.registry import register
from lib.models.rounds import OneRoundModel

_SPANS = (1, 5, 22)
_SMALLEST = 1e-10
"""Variance below which a stretch counts as without any movement (its logarithm must exist)."""


class VolatilitySettings(StrictModel):
    """How volatility is forecast."""

    kind: Literal["har", "garch"] = "har"


@register("naive:volatility")
class Volatility(OneRoundModel):
    """Volatility first, then what follows from it."""

    metadata = ModelMetadata(has_budget=False, input="window", description="volatility and a closed form")
    stored = ("dynamics", "map")
    Settings: ClassVar[type[StrictModel]] = VolatilitySettings
    dynamics: list[float]
    """har: intercept and three slopes of the log variance; garch: omega, alpha, beta."""
    map: list[float]
    """Intercept and slope on the log odds of the closed form (on log volatility for other tasks)."""

    def learn(self, train: Samples) -> None:
        """Fit the volatility, then the map.

        Raises:
            ModelError: the window is shorter than the longest span.
        """
        if train.context_length < _SPANS[-1]:
            raise ModelError(
                f"naive:volatility needs windows of {_SPANS[-1]} bars, got {train.context_length}."
            )
        har = self.settings.kind == "har"  # type: ignore[attr-defined]
        self.dynamics = _fit_har(train) if har else _fit_garch(train)
        self.map = self._fit_map(train)

    def forecast(self, samples: Samples) -> np.ndarray:
        """The corrected chance of a touch; elsewhere a line in log volatility."""
        line = self.map[0] + self.map[1] * self._evidence(samples)
        return 1.0 / (1.0 + np.exp(-line)) if self.problem.binary else line

    def deviation(self, samples: Samples) -> np.ndarray:
        """(n,): forecast standard deviation of the log return over the horizon."""
        if self.settings.kind == "har":  # type: ignore[attr-defined]
            variance = np.exp(_har_terms(window_returns(samples)) @ np.array(self.dynamics)) * samples.horizon
        else:
            variance = _garch_variance(window_returns(samples), samples.horizon, *self.dynamics)
        return np.sqrt(np.maximum(variance, _SMALLEST))

    def _evidence(self, samples: Samples) -> np.ndarray:
        from scipy.special import logit, ndtr

        level = barrier(samples.task)
        deviation = self.deviation(samples)
        if level is None:
            return np.log(deviation)
        return logit(np.clip(2 * ndtr(-level / deviation), 1e-6, 1 - 1e-6))

    def _fit_map(self, train: Samples) -> list[float]:
        evidence = self._evidence(train)
        if not self.problem.binary:
            slope, intercept = np.polyfit(evidence, train.target.astype(np.float64), 1)
            return [float(intercept), float(slope)]
        if len(np.unique(train.target)) < 2:
            rate = float(np.clip(train.target.mean(), 1e-6, 1 - 1e-6))
            return [float(np.log(rate / (1 - rate))), 0.0]
        from sklearn.linear_model import LogisticRegression

        found = LogisticRegression(C=1e6).fit(evidence[:, None], train.target)
        return [float(found.intercept_[0]), float(found.coef_[0, 0])]


def _har_terms(returns: np.ndarray) -> np.ndarray:
    """(n, 4): 1 and the log mean squares of the last 1, 5 and 22 returns."""
    squares = [np.mean(returns[:, -span:] ** 2, axis=1) for span in _SPANS]
    return np.column_stack([np.ones(len(returns)), *(np.log(np.maximum(s, _SMALLEST)) for s in squares)])


def _fit_har(train: Samples) -> list[float]:
    """Least squares on the log variance of each training window's own label period."""
    column, steps = return_column(train), np.arange(1, train.horizon + 1)
    inside = train.ends + train.horizon < len(column)
    realised = np.mean(column[train.ends[inside, None] + steps] ** 2, axis=1)
    terms = _har_terms(window_returns(train))[inside]
    slopes = np.linalg.lstsq(terms, np.log(np.maximum(realised, _SMALLEST)), rcond=None)[0]
    # The exponential of a mean logarithm is too low; one factor makes the mean variance right.
    slopes[0] += np.log(realised.mean() / np.exp(terms @ slopes).mean())
    return [float(value) for value in slopes]


def _fit_garch(train: Samples) -> list[float]:
    """Mean over symbols of omega, alpha and beta, each fitted to the bars that training windows end on."""
    from arch import arch_model

    column, found = return_column(train), []
    for symbol in dict.fromkeys(train.symbols):
        returns = column[train.ends[train.symbols == symbol]] * 100  # in percent: `arch` wants such sizes
        fit: Any = arch_model(returns, mean="Zero", vol="GARCH", p=1, q=1, rescale=False).fit(
            disp="off", show_warning=False
        )
        omega, alpha, beta = (float(fit.params[name]) for name in ("omega", "alpha[1]", "beta[1]"))
        found.append((omega / 1e4, alpha, beta))
    return [float(value) for value in np.mean(found, axis=0)]


def _garch_variance(returns: np.ndarray, horizon: int, omega: float, alpha: float, beta: float) -> np.ndarray:
    """(n,): variance of the next `horizon` bars together, filtered through each window."""
    persistence = min(alpha + beta, 0.9999)
    mean = omega / (1 - persistence)
    variance: np.ndarray = np.full(len(returns), mean)
    for bar in range(returns.shape[1]):
        variance = omega + alpha * returns[:, bar] ** 2 + beta * variance
    steps = np.arange(horizon)
    return horizon * mean + (variance - mean) * np.sum(persistence**steps)
