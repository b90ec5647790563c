"""Extrapolation: what the law fitted on smaller scale points predicts for the next larger one, on the same
dates.

Before the largest scale point is trained only the smaller ones are known. The law predicts how its mean loss
differs from theirs on shared dates, so noise that all points have in common cancels; noise of each single
point, the new one included, stays. Reads no files, and compares no prediction with its outcome.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from lib.config.workflow import EvaluationConfig
from lib.metrics.classification import Floats
from lib.scaling.scale_points import (
    ScalePoint,
    date_draws,
    seed_deviates,
    seed_deviates_of_another,
    slope_weights,
)
from lib.scaling.scaling_law import LAW_DRAWS, resampled_fits, tails_of, why_not_identified

DRAWS = 2000
_FLOOR_POINTS = 3
"""Scale points from which E + A N^-alpha has a value for a further one."""


@dataclass(frozen=True)
class Foretold:
    """A predicted mean loss; `low` and `high` are None where the test set is too short to be resampled."""

    estimate: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Extrapolation:
    """The prediction for a scale point that has not been trained yet."""

    form: str
    """`log-linear` or `saturating` (E + A N^-alpha)."""
    law: Foretold
    flat: Foretold
    """The rival: no law, the mean of the smaller scale points."""
    note: str
    """Why this form was taken."""


def extrapolate(
    points: Sequence[ScalePoint], size: float, seeds: int, horizon: int, cfg: EvaluationConfig
) -> Extrapolation:
    """Predict the mean loss of a further scale point on the dates of the given ones.

    The line in log size (or the law with a floor, where three or more points identify it) is fitted to draws
    of the points' means. Of the noise of dates, deviations of the points from their common mean count: by the
    stationary bootstrap for the given points, and with their average variance for the new one. Its seeds are
    assumed to differ as those of the others do.

    Args:
        points: at least two of different sizes, on the same samples.
        size: of the further scale point.
        seeds: that it will have.
        horizon: least block length in bars.
        cfg: confidence and seed.

    Raises:
        ValueError: fewer than two different sizes.
    """
    weights = slope_weights(points)
    if weights is None:
        raise ValueError("a line needs two scale points of different sizes")
    known, centre = len(points), np.array([point.mean for point in points])
    x = np.log10([float(point.size or 0.0) for point in points])
    line = 1.0 / known + (math.log10(size) - x.mean()) * weights
    tails = tails_of(cfg.confidence)
    note = _rests_on(known, any(point.seeds > 1 for point in points))
    even = np.full(known, 1.0 / known)
    drawn = date_draws(points, horizon, cfg, DRAWS)
    if drawn is None:
        note += " The test set is too short to be resampled: there is no interval."
        at_size, flat = (Foretold(float(w @ centre), None, None) for w in (line, even))
        return Extrapolation("log-linear", at_size, flat, note)
    away = drawn - centre
    own = away - away.mean(axis=1, keepdims=True)
    paired = centre + own + seed_deviates(points, DRAWS, cfg.seed)
    new = _of_the_new_point(own, cfg.seed) + seed_deviates_of_another(points, seeds, DRAWS, cfg.seed)
    found = Extrapolation(
        "log-linear",
        _foretold(float(line @ centre), paired @ line + new, tails),
        _foretold(float(centre.mean()), paired @ even + new, tails),
        note,
    )
    return found if known < _FLOOR_POINTS else _with_floor(found, points, size, paired, new, tails)


def _rests_on(known: int, spread: bool) -> str:
    if known < _FLOOR_POINTS:
        note = "Two sizes leave the line no degree of freedom: this prediction is its only test."
    else:
        note = f"The line rests on {known} sizes."
    return note if spread else f"{note} With one seed each the noise of seeds is not in the interval."


def _of_the_new_point(own: Floats, seed: int) -> Floats:
    """Deviates of a further scale point from the mean of the others, over dates; (draws,).

    For K independent points of variance s^2 the squared deviations from their mean add up to (K - 1) s^2, and
    a further point has the variance (1 + 1/K) s^2 around that mean.
    """
    draws, known = own.shape
    variance = float(own.var(axis=0).sum()) / (known - 1) * (1.0 + 1.0 / known)
    return np.asarray(np.random.default_rng([seed, 83]).normal(size=draws) * math.sqrt(variance))


def _with_floor(
    line: Extrapolation, points: Sequence[ScalePoint], size: float, paired: Floats, new: Floats,
    tails: tuple[float, float],
) -> Extrapolation:  # fmt: skip
    best, fits = resampled_fits(points, paired[:LAW_DRAWS])
    why = why_not_identified(best, fits, tails)
    if why is not None:
        return replace(line, note=f"{line.note} E + A N^-alpha is not identified by them.")
    at = np.array([size])
    law = _foretold(float(best.at(at)[0, 0]), fits.at(at)[:, 0] + new[:LAW_DRAWS], tails)
    return replace(line, form="saturating", law=law, note=line.note.replace("The line", "The law"))


def _foretold(estimate: float, draws: Floats, tails: tuple[float, float]) -> Foretold:
    low, high = np.quantile(draws, tails)
    return Foretold(estimate, float(low), float(high))
