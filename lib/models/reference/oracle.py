"""The oracle, whose law is known: it sees the planted signal of a synthetic market, for some windows.

It tests everything from the dataset to the verdict except a network. In a share of all windows, which its
settings derive from the run key (budget, row, tier, share of the history, ...), it forecasts from the planted
signal; in all others it forecasts the base rate. So its expected loss is that of the base rate less that
share of what the signal is worth (`best_gain` of the synthetic source): a law by construction, for any axis.
What a smaller share sees, a larger one sees too, so scale points are compared on the same windows. Its
forecasts are calibrated: no shrinking and no scaling can replace the signal.

No real network is in its place, because none can be given a market in which capacity is worth a known amount:
two million weights can hold all that 2,500 or 10,000 windows could teach (about two bits each), so whether a
larger network does better there is a question for a study, not an assumption.

It has no weights: the budget is only a label. It is refused on any data but synthetic ones.
"""

from __future__ import annotations

import hashlib
import math
from typing import Annotated, ClassVar, cast

import numpy as np
from pydantic import Field

from lib.config.base import StrictModel
from lib.datasets.planted_controls import PLANTED_CHANNEL
from lib.datasets.windows import Samples
from lib.models.contract import ModelMetadata
from lib.models.linear._solver import Spectrum, logistic_path
from lib.models.naive._channels import LOWER_SHADOW, SHADOW, require
from lib.models.registry import register
from lib.models.rounds import OneRoundModel

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
Words = dict[str, str | int | float | None]


class Effect(StrictModel):
    """The effect of some fields of a run key."""

    when: Words
    """Words of the run that must all match: variant, dataset, timescale, task, horizon, model, budget, seed,
    row, column, tier, condition, fold, train_fraction, context_length."""
    seen: Annotated[float, Field(ge=-1, le=1)] = 0.0
    """Added to the share of windows in which the signal is seen."""
    noise: Annotated[float, Field(ge=0)] = 0.0
    """Added to the run's own error: a loss that has nothing to do with the signal."""
    stretch: Annotated[float, Field(gt=0)] = 1.0
    """Factor of the distance from the base rate: above 1 forecasts are surer than they should be, with the
    same knowledge."""


class OracleSettings(StrictModel):
    """The law."""

    seen: float = Field(0.5, ge=0, le=1)
    """Share of the windows in which the signal is seen, before the effects."""
    effects: list[Effect] = []
    """All that match are added up; effects of single words are independent, one of two words is an
    interaction."""
    noise: float = Field(0.05, ge=0)
    """Standard deviation of a run's own error in log-odds (in standard deviations for returns), by its
    seed."""
    words: Words = {}
    """Of the run; the workflow fills them in."""
    sees_leaks: bool = True
    """Whether a channel that knows the future is used."""

    @property
    def matching(self) -> list[Effect]:
        """The effects that apply to the run's key."""
        return [
            effect
            for effect in self.effects
            if all(str(self.words.get(word)) == str(value) for word, value in effect.when.items())
        ]


@register("reference:oracle")
class Oracle(OneRoundModel):
    """Knows the planted signal in a share of the windows, and nothing in the others."""

    metadata = ModelMetadata(
        has_budget=True, input="last_bar", oracle=True, description="planted signal, seen by a known law"
    )
    stored = ("base", "weights", "scale")
    Settings: ClassVar[type[StrictModel]] = OracleSettings
    base: float
    """Log-odds of the training share of class 1, or the mean return."""
    weights: list[float]
    """Intercept and one weight per piece of evidence: log-odds, or returns."""
    scale: float
    """What `noise` is in units of: 1 for log-odds, the standard deviation of forecast returns."""

    def learn(self, train: Samples) -> None:
        """Estimate how outcomes depend on the signal, once, from all training windows."""
        if self.problem.binary:
            rate = float(np.clip(train.target.mean(), 1e-6, 1 - 1e-6))
            self.base = float(np.log(rate / (1 - rate)))
        else:
            self.base = float(train.target.mean())
        self.weights = self._estimate(train)
        self.scale = 1.0 if self.problem.binary else float(np.std(self._line(train)))

    def forecast(self, samples: Samples) -> np.ndarray:
        """From the signal where it is seen, the base rate elsewhere, each with the run's own small error."""
        from scipy.special import expit

        seen = _draws(samples, "windows") < self.share
        line = np.where(seen, self._line(samples), self.base)
        if PLANTED_CHANNEL in samples.channel_names and self._law.sees_leaks:  # by every size
            line = self._line(samples)
        line = self.base + math.prod(effect.stretch for effect in self._law.matching) * (line - self.base)
        own = _normal(samples, f"{self.seed} {sorted((k, str(v)) for k, v in self._law.words.items())}")
        noise = self._law.noise + sum(effect.noise for effect in self._law.matching)
        line = line + noise * self.scale * own
        return expit(line) if self.problem.binary else line

    @property
    def share(self) -> float:
        """Share of windows in which the signal is seen, by the law for this run's key."""
        added = sum(effect.seen for effect in self._law.matching)
        return float(np.clip(self._law.seen + added, 0.0, 1.0))

    @property
    def _law(self) -> OracleSettings:
        return cast(OracleSettings, self.settings)

    def _estimate(self, train: Samples) -> list[float]:
        evidence, target = _evidence(train), train.target.astype(np.float64)
        if not self.problem.binary:
            table = np.column_stack([np.ones(len(train)), *evidence])
            return [float(value) for value in np.linalg.lstsq(table, target, rcond=None)[0]]
        if len(np.unique(target)) < 2:
            return [self.base, *(0.0 for _ in evidence)]
        spectrum = Spectrum.of(np.column_stack(evidence).astype(np.float32))
        [(weights, intercept)] = logistic_path(spectrum, target[:, None], [1e4], max_iterations=200)
        return [float(intercept[0]), *(float(weight) for weight in weights[:, 0])]

    def _line(self, samples: Samples) -> np.ndarray:
        """(n,): log-odds or return, from all evidence. Term by term, so that a window's is the same alone."""
        line: np.ndarray = np.full(len(samples), self.weights[0])
        for weight, values in zip(self.weights[1:], _evidence(samples), strict=True):
            line = line + weight * values
        return line


def _evidence(samples: Samples) -> list[np.ndarray]:
    """The signal of the last bar and its square, and tomorrow's return if it is a channel; each (n,)."""
    at = require(samples.channel_names, (LOWER_SHADOW, SHADOW), "reference:oracle")
    below, above = samples.matrix[samples.ends][:, at].astype(np.float64).T
    whole = below + above
    signal = np.sqrt(12.0) * (np.divide(below, whole, out=np.full_like(whole, 0.5), where=whole > 0) - 0.5)
    found = [signal, signal**2]
    if PLANTED_CHANNEL in samples.channel_names:
        leak = samples.matrix[samples.ends, samples.channel_names.index(PLANTED_CHANNEL)]
        found.append(100.0 * leak.astype(np.float64))
    return found


def _draws(samples: Samples, salt: str) -> np.ndarray:
    """(n,) uniform on (0, 1), by date and symbol alone: mixed bits of both and a word (Steele et al.
    2014)."""
    symbols, where = np.unique(samples.symbols.astype(str), return_inverse=True)
    seeds = [int.from_bytes(hashlib.sha256(f"{salt} {s}".encode()).digest()[:8], "big") for s in symbols]
    days = samples.dates.astype("datetime64[D]").astype(np.int64).astype(np.uint64)
    with np.errstate(over="ignore"):
        z = np.array(seeds, dtype=np.uint64)[where] + days * _GOLDEN
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = z ^ (z >> np.uint64(31))
    return ((z >> np.uint64(11)).astype(np.float64) + 0.5) / 2.0**53


def _normal(samples: Samples, salt: str) -> np.ndarray:
    from scipy.special import ndtri

    return np.asarray(ndtri(_draws(samples, salt)))
