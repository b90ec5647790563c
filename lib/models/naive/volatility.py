"""The opponent that knows nothing but volatility: a variance forecast from past returns, and a closed form.

A conditional variance (GARCH, or HARCH with daily, weekly and monthly terms) is fitted by the `arch` package
to the training returns of each symbol. Log prices are then taken for a Brownian motion with that variance
over the next H bars, whose chance to touch a level is known exactly. No channel but past returns is read, and
no window sees anything outside itself.

Sources: GARCH, Bollerslev (1986), with the asymmetry of Glosten, Jagannathan & Runkle (1993); HARCH, Müller
et al. (1997), the ARCH form of Corsi's (2009) heterogeneous autoregression; first passage of Brownian motion
with drift, Karatzas & Shreve (1991), Brownian Motion and Stochastic Calculus, section 3.5.C.
"""

from __future__ import annotations

import time
import warnings
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import numpy as np
from pydantic import Field
from scipy.special import ndtr

from lib.config.base import StrictModel, threshold_of
from lib.datasets.windows import Samples
from lib.errors import ModelError
from lib.metrics.losses import mean_loss
from lib.models.base import Model, ModelMetadata, history_row, untrained_result
from lib.models.naive import _channels
from lib.models.registry import register
from lib.models.storage import read_plain, write_plain
from lib.training.context import TrainingContext, TrainingResult

_PERCENT = 100.0
"""`arch` wants returns of ordinary size; parameters are kept for returns in percent."""
_OTHERS = "*"


class VolatilitySettings(StrictModel):
    """Of the conditional variance."""

    process: Literal["garch", "harch"] = "garch"
    asymmetric: bool = True
    """`garch` only: falls raise the variance more than rises do."""
    lags: list[int] = Field([1, 5, 22], min_length=1)
    """`harch` only: bars over which squared returns are averaged."""


@register("naive:volatility")
class Volatility(Model):
    """A few parameters per symbol."""

    metadata = ModelMetadata(
        has_budget=False, input="window", description="GARCH variance, closed-form touch probability"
    )
    Settings: ClassVar[type[StrictModel]] = VolatilitySettings
    parameters: dict[str, dict[str, float]]
    """By symbol; `*` holds the means, for symbols that training did not see."""

    def fit(self, train: Samples, selection: Samples, context: TrainingContext) -> TrainingResult:
        """Fit the variance of each symbol by maximum likelihood.

        Raises:
            ModelError: no returns among the channels, or a likelihood without a sensible maximum.
        """
        begin = time.monotonic()
        self.check_training(train, selection)
        [at] = _channels.require(train.channel_names, (_channels.RETURN,), "naive:volatility")
        self.parameters = {}
        for symbol in dict.fromkeys(train.symbols):
            ends = train.ends[train.symbols == symbol]
            rows = slice(ends.min() - train.context_length + 1, ends.max() + 1)
            self.parameters[str(symbol)] = self._fit_one(train.matrix[rows, at].astype(np.float64))
        fitted = list(self.parameters.values())
        self.parameters[_OTHERS] = {name: float(np.mean([one[name] for one in fitted])) for name in fitted[0]}
        losses = [
            mean_loss(part.target, self.forecast(part), self.problem.binary) for part in (train, selection)
        ]
        seconds = time.monotonic() - begin
        return untrained_result(losses[1], seconds, [history_row(1, losses[0], losses[1], seconds)])

    def forecast(self, samples: Samples) -> np.ndarray:
        """Chance of the event if log prices follow a Brownian motion, or its mean return."""
        variance, drift = self.moments(samples)
        task = self.problem.task
        if not self.problem.binary:
            return np.expm1(drift + variance / 2)
        if task == "direction":
            return ndtr(drift / np.sqrt(variance))
        return touch_probability(float(np.log1p(threshold_of(task))), variance, drift)

    def moments(self, samples: Samples) -> tuple[np.ndarray, np.ndarray]:
        """Variance and drift of the log return over the next H bars, (n,) each."""
        [at] = _channels.require(samples.channel_names, (_channels.RETURN,), "naive:volatility")
        returns = _channels.windows_of(samples, at, self.problem.context_length) * _PERCENT
        own = [self.parameters.get(str(symbol), self.parameters[_OTHERS]) for symbol in samples.symbols]
        given = {name: np.array([one[name] for one in own]) for name in self.parameters[_OTHERS]}
        shocks, horizon = returns - given["mu"][:, None], self.problem.horizon
        step = _garch_variance if "beta" in given else _harch_variance
        return step(shocks, given, horizon) / _PERCENT**2, given["mu"] * horizon / _PERCENT

    def save(self, folder: Path) -> None:
        """Parameters as JSON."""
        write_plain(folder, self, {"parameters": self.parameters})

    @classmethod
    def load(cls, folder: Path) -> Self:
        """From its folder."""
        model, content = read_plain(folder, cls)
        model.parameters = content["parameters"]
        return model

    def _fit_one(self, returns: np.ndarray) -> dict[str, float]:
        from arch import arch_model

        own: VolatilitySettings = self.settings  # type: ignore[assignment]
        garch = own.process == "garch"
        if not garch and max(own.lags) > self.problem.context_length:
            raise ModelError(
                f"naive:volatility: lags {own.lags} need windows of at least {max(own.lags)} bars, not "
                f"{self.problem.context_length}. Set shorter `lags`, or a longer context_length."
            )
        process: dict[str, Any] = (
            {"vol": "GARCH", "p": 1, "o": int(own.asymmetric), "q": 1}
            if garch
            else {"vol": "HARCH", "p": own.lags}
        )
        scaled = returns * _PERCENT
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # its doubts are judged below, by what it found
            found = arch_model(scaled, mean="Constant", dist="t", rescale=False, **process).fit(
                disp="off", show_warning=False
            )
        fitted = {str(name): float(value) for name, value in found.params.items()}
        out = {"mu": fitted["mu"], "omega": fitted["omega"], "variance": float(scaled.var())}
        if garch:
            out |= {"alpha": fitted["alpha[1]"], "gamma": fitted.get("gamma[1]", 0.0)}
            out |= {"beta": fitted["beta[1]"]}
        else:
            out |= {f"alpha_{lag}": fitted[f"alpha[{lag}]"] for lag in own.lags}
        if not all(np.isfinite(value) for value in out.values()) or out["variance"] <= 0:
            raise ModelError(
                f"naive:volatility: {own.process} found no sensible parameters for {len(returns)} returns "
                f"(variance {out['variance']:g}). Look at the data, or set `process:` to the other one."
            )
        return out


def touch_probability(level: float, variance: np.ndarray, drift: np.ndarray) -> np.ndarray:
    """Chance that a Brownian motion reaches a level above its start within a time.

    ``Φ((m - b)/s) + exp(2 m b / s²) Φ((-b - m)/s)`` (Karatzas & Shreve 1991, section 3.5.C; without drift
    twice the chance to end above, the reflection principle).

    Args:
        level: b > 0.
        variance: (n,) s², over the whole time.
        drift: (n,) m, likewise.
    """
    deviation = np.sqrt(variance)
    # The exponent may be large where the second factor is tiny; both together never exceed 1.
    with np.errstate(over="ignore"):
        reflected = np.exp(2 * drift * level / variance) * ndtr(-(level + drift) / deviation)
    chance: np.ndarray = np.clip(ndtr((drift - level) / deviation) + np.nan_to_num(reflected), 0.0, 1.0)
    return chance


def _garch_variance(shocks: np.ndarray, given: dict[str, np.ndarray], horizon: int) -> np.ndarray:
    """(n,): expected sum of the next H squared shocks; the recursion begins at the training variance."""
    variance = given["variance"].copy()
    for shock in shocks.T:
        push = given["alpha"] + given["gamma"] * (shock < 0)
        variance = given["omega"] + push * shock**2 + given["beta"] * variance
    total = variance.copy()
    stays = given["alpha"] + given["gamma"] / 2 + given["beta"]
    for _ in range(1, horizon):
        variance = given["omega"] + stays * variance
        total += variance
    return total


def _harch_variance(shocks: np.ndarray, given: dict[str, np.ndarray], horizon: int) -> np.ndarray:
    """(n,): the same; squared shocks to come are replaced by their expectation."""
    lags = {name: int(name.removeprefix("alpha_")) for name in given if name.startswith("alpha_")}
    squares = shocks[:, -max(lags.values()) :] ** 2
    total = np.zeros(len(shocks))
    for _ in range(horizon):
        variance = given["omega"] + sum(
            given[name] * squares[:, -lag:].mean(axis=1) for name, lag in lags.items()
        )
        squares = np.column_stack([squares[:, 1:], variance])
        total += variance
    return total
