"""What a design can show before it is run: the noise that its gains will have, and what stays visible.

A planned gain is an `Estimate` without a value; its noise comes from past runs, or is assumed. Pure functions
of numbers: knows no plans and no files. Noise is per label that overlaps with no other (a date at a horizon
of one bar), so that a design of any length follows from it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import ndtr, stdtrit

from lib.config.base import is_classification, is_ternary, threshold_of
from lib.inference.bootstrap import block_length, enough_blocks
from lib.inference.comparisons import Estimate, SeedNoise
from lib.inference.power import LOGIT_GAP
from lib.scaling.decision import equivalence_confidence

SEED_DEVIATION = 0.006
"""Assumed standard deviation between seeds of a run's loss on one fold, in nats: 0.002 over nine folds, as in
the worlds of the study's size in which `make bench-statistics` measures the verdict rule."""
RISES = 0.55
"""Assumed share of bars that close higher: SPY's days, 2006 to 2024 (0.60 of five-day spans)."""
DAILY_MOVE = 0.0085
"""Assumed scale of a day's move, such that 2 Phi(-threshold / (move sqrt(days))), the chance that a walk
without drift touches a threshold, meets SPY's touches of 1 % from 2006 to 2024: 0.23 of days, 0.59 of five
days."""


@dataclass(frozen=True)
class Noise:
    """What makes a gain uncertain, in nats."""

    label: float
    """Standard deviation of one independent label's paired difference."""
    seed: float
    """Standard deviation between seeds of a run's loss on one fold."""
    source: str
    """`measured` (this comparison), `measured alike` (others on the same task and horizon) or `assumed`."""


@dataclass(frozen=True)
class Design:
    """The runs and dates that a comparison will rest on."""

    dates: int
    """Test dates of the primary symbol."""
    horizon: int
    folds: int
    """Test parts; 1 without walk-forward folds."""
    seeds: int
    corners: int = 2
    """Runs that are compared, each with its seeds: two ends of an axis, four corners of an interaction."""

    @property
    def labels(self) -> float:
        """Labels that overlap with no other."""
        return self.dates / self.horizon


def assumed_rate(task: str, days: float) -> float | None:
    """Share of class 1 on a broad market where it has not been counted; None for regression.

    Args:
        task: of three classes a half is taken, at which the loss is noisiest.
        days: trading days that a label looks ahead.
    """
    if task.startswith("threshold_"):
        return float(2.0 * ndtr(-threshold_of(task) / (DAILY_MOVE * math.sqrt(days))))
    if is_ternary(task):
        return 0.5
    return RISES if is_classification(task) else None


def assumed_noise(rate: float | None, corners: int = 2) -> Noise:
    """Noise of a gain, or (four corners) of a difference of two gains, of which nothing has been measured.

    To first order the difference of one label's log loss is (y - p) times that of the log-odds; of a squared
    error, in nats of Gaussian likelihood, it is y (f - g) / sigma^2. Both gaps are `LOGIT_GAP`.
    """
    one = LOGIT_GAP if rate is None else LOGIT_GAP * math.sqrt(rate * (1.0 - rate))
    return Noise(one * math.sqrt(corners / 2.0), SEED_DEVIATION, "assumed")


def measured_noise(se_dates: float, se_seeds: float | None, past: Design) -> Noise:
    """Noise of one label and one seed, from the standard errors that a past design had (in nats)."""
    spread = SEED_DEVIATION
    if se_seeds is not None:
        spread = se_seeds * math.sqrt(past.folds * past.seeds / past.corners)
    return Noise(se_dates * math.sqrt(past.labels), spread, "measured")


def planned(design: Design, noise: Noise) -> Estimate:
    """The estimate that a design will give, without its value.

    Its noise of dates is unknown (None) where the test set is too short to be resampled.
    """
    block = block_length([np.zeros(max(1, design.dates))], design.horizon)
    error = noise.label / math.sqrt(design.labels) if enough_blocks(design.dates, block) else None
    spread = noise.seed / math.sqrt(design.folds)
    terms: tuple[SeedNoise, ...] = ()
    if design.seeds > 1:
        terms = (SeedNoise(spread**2 / design.seeds, design.seeds - 1),) * design.corners
    return Estimate(0.0, error, max(1.0, design.dates / block - 1.0), terms, block)


def holm_level(confidence: float, family: int) -> float:
    """Confidence at which Holm judges the first contrast of a family of this size; later ones get less.

    >>> holm_level(0.95, family=5)
    0.99
    """
    return 1.0 - (1.0 - confidence) / max(1, family)


def smallest_gain(design: Design, noise: Noise, confidence: float, family: int, power: float) -> float | None:
    """Smallest true gain that is found with this power, in nats; None if the test set is too short to
    resample."""
    return planned(design, noise).detectable(holm_level(confidence, family), power)


def smallest_flat(design: Design, noise: Noise, points: int, confidence: float, power: float) -> float | None:
    """Smallest margin within which scale points that do not differ at all are found to be flat with this
    power.

    Two one-sided tests of every pair (Schuirmann 1987); the chance that one of k pairs fails is at most the
    sum of their chances, so each gets 1/k of it.
    """
    estimate, pairs = planned(design, noise), max(1, math.comb(points, 2))
    if estimate.standard_error is None:
        return None
    freedom = estimate.degrees_of_freedom
    inner = (1.0 + equivalence_confidence(confidence)) / 2.0
    found = stdtrit(freedom, inner) + stdtrit(freedom, 1.0 - (1.0 - power) / (2.0 * pairs))
    return float(found) * estimate.standard_error


@dataclass(frozen=True)
class Change:
    """One change of a design, and the effect it would then show."""

    text: str
    shows: float
    enough: bool


def changes(
    design: Design, noise: Noise, confidence: float, family: int, power: float, margin: float, curves: int = 1
) -> list[Change]:
    """Changes of which each alone would let a design show its margin; none if it can already, or has no
    noise.

    Args:
        design: as planned.
        noise: of its gain.
        confidence: before any correction.
        family: contrasts that are corrected together.
        power: chance to find an effect. margin: in nats.
        curves: number of the question's curves, which could be pooled.
    """
    shows = smallest_gain(design, noise, confidence, family, power)
    if shows is None or shows <= margin:
        return []
    tried = []
    if design.horizon > 1:
        tried.append(("a horizon of 1 bar", replace(design, horizon=1), noise, family, 1.0))
    if family > 1:
        tried.append((f"alone in its family instead of one of {family}", design, noise, 1, 1.0))
    if curves > 1:
        tried.append(
            (
                f"its {curves} curves pooled, if their noises are independent",
                design,
                noise,
                family,
                curves**-0.5,
            )
        )
    if design.seeds > 1 and planned(design, noise).se_seeds > (planned(design, noise).se_dates or 0.0):
        tried.append(("seeds without noise (many more)", design, replace(noise, seed=0.0), family, 1.0))
    out = []
    for text, other, own, size, factor in tried:
        found = smallest_gain(other, own, confidence, size, power)
        if found is not None:
            out.append(Change(text, found * factor, found * factor <= margin))
    return out


def dates_needed(shows: float, margin: float, dates: int) -> int:
    """Test dates with which a gain of the margin is shown, if new folds are as noisy as those there are."""
    return math.ceil(dates * (shows / margin) ** 2)
