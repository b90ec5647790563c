"""Comparing models on the same dates: paired differences, their noise, and Holm's correction.

An estimate keeps two kinds of noise apart: which dates the test set happens to hold (block bootstrap, the
same draws for everything compared) and which seed a network happens to have (spread between seeds). Reads no
files and knows nothing of model sizes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtr, stdtrit

from lib.inference.bootstrap import block_length, enough_blocks, mean_standard_error
from lib.metrics.classification import Floats

_ROUNDING = 1e-6
"""Of a loss by date, relative to the mean loss: forecasts are kept in single precision."""


@dataclass(frozen=True)
class SeedNoise:
    """One term of the variance between seeds: squared weight x variance of the mean, and its degrees of
    freedom."""

    variance: float
    degrees_of_freedom: int


@dataclass(frozen=True)
class Estimate:
    """A number with the noise of its dates and of its seeds.

    `se_dates` is None where the test set is too short to be resampled. `seed_noise` is empty where no spread
    between seeds is known (one seed, or a measure without seeds); the interval then covers dates only.
    """

    value: float
    se_dates: float | None
    date_degrees: float
    seed_noise: tuple[SeedNoise, ...] = ()
    block: int = 1
    least: float | None = None
    """What the number cannot fall below (an AUC, a loss); None: a difference, which has no bounds."""
    most: float | None = None
    """What it cannot exceed."""

    @property
    def se_seeds(self) -> float:
        """Standard error from the choice of seeds; 0 if unknown."""
        return math.sqrt(sum(term.variance for term in self.seed_noise))

    @property
    def standard_error(self) -> float | None:
        """Standard error from dates and seeds together; None if that of dates is unknown."""
        return None if self.se_dates is None else math.hypot(self.se_dates, self.se_seeds)

    @property
    def degrees_of_freedom(self) -> float:
        """Degrees of freedom of the t distribution (Welch 1947, Satterthwaite 1946); dates count by
        blocks."""
        dates = (self.se_dates or 0.0) ** 2
        numerator = sum((dates, *(term.variance for term in self.seed_noise))) ** 2
        denominator = dates**2 / self.date_degrees
        denominator += sum(term.variance**2 / term.degrees_of_freedom for term in self.seed_noise)
        return max(1.0, numerator / denominator) if denominator > 0 else self.date_degrees

    def interval(self, confidence: float) -> tuple[float | None, float | None]:
        """Two-sided interval, value ± t x standard error, within the number's bounds; (None, None) if the
        noise of dates is unknown."""
        if self.standard_error is None:
            return None, None
        reach = float(stdtrit(self.degrees_of_freedom, (1.0 + confidence) / 2.0)) * self.standard_error
        low, high = self.value - reach, self.value + reach
        return (
            low if self.least is None else max(low, self.least),
            high if self.most is None else min(high, self.most),
        )

    def p_value(self) -> float:
        """Two-sided p-value of the true value being 0; 1 if the noise is unknown."""
        error = self.standard_error
        if error is None:
            return 1.0
        if error == 0.0:
            return 1.0 if self.value == 0.0 else 0.0
        return float(2.0 * stdtr(self.degrees_of_freedom, -abs(self.value) / error))

    def detectable(self, confidence: float, power: float = 0.8) -> float | None:
        """Smallest true value that is found different from 0 with this power: (t_a + t_b) x se.

        The usual formula of sample-size planning (Cohen 1988) with t instead of normal quantiles. None if the
        noise is unknown.
        """
        if self.standard_error is None:
            return None
        df = self.degrees_of_freedom
        return float(stdtrit(df, (1.0 + confidence) / 2.0) + stdtrit(df, power)) * self.standard_error


@dataclass(frozen=True)
class DateLosses:
    """Losses of several runs on the same samples, summed by date.

    `sums`: (runs, dates); `counts`: (dates,) samples of each date; `searches`: the search that found each
    run's recipe, None where nothing was searched; () if unknown.
    """

    sums: Floats
    counts: Floats
    searches: tuple[str | None, ...] = ()

    @property
    def means(self) -> Floats:
        """Mean loss of each run over all samples; (runs,)."""
        return self.sums.sum(axis=1) / self.counts.sum()

    @classmethod
    def chained(cls, parts: Sequence[DateLosses]) -> DateLosses:
        """Folds of the same runs one after the other, as one stretch of dates."""
        return cls(
            np.concatenate([part.sums for part in parts], axis=1),
            np.concatenate([part.counts for part in parts]),
            joined_searches([part.searches for part in parts]),
        )


def estimate_mean(
    sums: Floats, counts: Floats, horizon: int, seed_noise: Sequence[SeedNoise] = ()
) -> Estimate:
    """Mean per sample of a quantity given by date, in its unit; its own series decides the block length.

    The noise of dates is that of the stationary bootstrap in its exact form (`mean_standard_error`);
    intervals use the t quantile with (blocks - 1) degrees of freedom.

    Args:
        sums: (dates,) sums of the quantity; of the differences for a paired comparison.
        counts: (dates,) samples of each date.
        horizon: least block length in bars.
        seed_noise: noise between seeds, carried along.
    """
    n = counts.size
    value = float(sums.sum() / counts.sum())
    block = block_length([sums / counts], horizon)
    degrees = max(1.0, n / block - 1.0)
    error = None
    if enough_blocks(n, block):
        # A ratio of sums to first order: its deviation is the mean of (sum - value * count).
        error = mean_standard_error((sums - value * counts) / counts.mean(), block)
    return Estimate(value, error, degrees, tuple(seed_noise), block)


Searches = Sequence[str | None]


def replicates(values: Floats, searches: Searches = ()) -> tuple[Floats, Floats]:
    """Values of independent repetitions (k,), and the share of the runs that each stands for (k,).

    Runs that were trained with the recipe of one search share its luck, so they are one repetition: their
    mean. Where all share one, or nothing was searched, each run is a repetition.
    """
    names = list(dict.fromkeys(searches))
    if len(names) < 2 or None in names:
        return values, np.full(values.size, 1.0 / max(1, values.size))
    own = [np.array([search == name for search in searches]) for name in names]
    return np.array([values[mine].mean() for mine in own]), np.array([mine.mean() for mine in own])


def seed_noise_of_mean(values: Floats, weight: float = 1.0, searches: Searches = ()) -> SeedNoise | None:
    """Noise of `weight x mean(values)` between repetitions (`replicates`); None with a single one, when it is
    unknown."""
    means, shares = replicates(values, searches)
    if means.size < 2:
        return None
    return SeedNoise(weight**2 * float(means.var(ddof=1)) * float(shares @ shares), means.size - 1)


def joined_searches(folds: Sequence[Searches]) -> tuple[str | None, ...]:
    """For each seed, its search over all folds, or its searches joined."""
    every = [list(dict.fromkeys(search for search in own if search)) for own in zip(*folds, strict=True)]
    return tuple(" + ".join(own) or None for own in every)


def seed_noise_of_sum(terms: Sequence[tuple[float, DateLosses]]) -> list[SeedNoise]:
    """Noise between repetitions of a weighted sum of mean losses, from (weight, losses) pairs.

    Where all were trained with recipes of the same searches (a transfer), the luck of a search is common to
    them: the sum is taken search by search, and what is common cancels. Otherwise the noises add up.
    """
    first, *others = (list(losses.searches) for _, losses in terms)
    common = set(first)
    if others and len(common) > 1 and None not in common and all(set(own) == common for own in others):
        names = list(dict.fromkeys(first))
        by_search = np.zeros(len(names))
        shares = np.zeros(len(names))
        for weight, losses in terms:
            for at, name in enumerate(names):
                mine = np.array([search == name for search in losses.searches])
                by_search[at] += weight * losses.means[mine].mean()
                shares[at] = max(shares[at], mine.mean())
        return [SeedNoise(float(by_search.var(ddof=1)) * float(shares @ shares), len(names) - 1)]
    noise = [seed_noise_of_mean(losses.means, weight, losses.searches) for weight, losses in terms]
    return [term for term in noise if term is not None]


def same_forecast(a: DateLosses, b: DateLosses) -> bool:
    """Whether all runs of both have the same losses, up to the rounding of single precision."""
    both = np.concatenate([a.sums, b.sums])
    return bool(np.ptp(both, axis=0).max() <= _ROUNDING * float(np.abs(both).mean()))


def compare_losses(a: DateLosses, b: DateLosses, horizon: int) -> Estimate:
    """Mean loss of `a` minus mean loss of `b`, both averaged over their seeds, paired by date.

    Negative: `a` is better. Both must hold the same samples; the unit is that of the losses. Losses that
    differ by less than the rounding of single precision, in which forecasts are stored, are equal: their
    difference is 0, without noise. `horizon` is the least block length in bars.
    """
    difference = a.sums.mean(axis=0) - b.sums.mean(axis=0)
    if same_forecast(a, b):
        return estimate_mean(np.zeros_like(difference), a.counts, horizon)
    return estimate_mean(difference, a.counts, horizon, seed_noise_of_sum([(1.0, a), (-1.0, b)]))


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's (1979) step-down adjusted p-values, in the order given.

    The k-th smallest of m is multiplied by m - k + 1, never below its predecessor and never above 1. It keeps
    the chance of any false finding in the family at the declared level, however the tests depend on each
    other.

    >>> holm([0.01, 0.04])
    [0.02, 0.04]
    """
    m = len(p_values)
    adjusted = [0.0] * m
    largest = 0.0
    for rank, position in enumerate(sorted(range(m), key=lambda i: p_values[i])):
        largest = max(largest, min(1.0, (m - rank) * p_values[position]))
        adjusted[position] = largest
    return adjusted


def holm_confidences(p_values: Sequence[float], confidence: float) -> list[float]:
    """Confidence of each test's own interval at which it excludes 0 exactly if Holm (1979) rejects.

    The k-th smallest p-value is judged at level alpha / (m - k + 1); from the first that is not rejected on,
    all are judged at the level of that one.

    >>> holm_confidences([0.01, 0.04], confidence=0.95)
    [0.975, 0.95]
    """
    m, alpha = len(p_values), 1.0 - confidence
    levels = [0.0] * m
    kept: float | None = None
    for rank, position in enumerate(sorted(range(m), key=lambda i: p_values[i])):
        level = alpha / (m - rank)
        if kept is None and p_values[position] > level:
            kept = level
        levels[position] = 1.0 - (level if kept is None else kept)
    return levels
