"""Scale points of an axis with their losses, contrasts between them, and draws of their mean losses.

All points are measured on the same dates, which are resampled jointly; seeds add their own noise. Fits and
judges nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lib.config.workflow import EvaluationConfig
from lib.inference.bootstrap import block_bootstrap, block_length
from lib.inference.comparisons import DateLosses, Estimate, estimate_mean, replicates, seed_noise_of_sum
from lib.metrics.classification import Floats

_OWN_VARIANCE_FROM = 4
"""With fewer repetitions than this a point uses the variance pooled over all points."""


@dataclass(frozen=True)
class ScalePoint:
    """One scale point: its size (None where the axis has none) and the losses of its runs (runs = seeds)."""

    label: str
    size: float | None
    losses: DateLosses

    @property
    def seeds(self) -> int:
        """Number of seeds."""
        return int(self.losses.sums.shape[0])

    @property
    def mean(self) -> float:
        """Mean loss over seeds and samples."""
        return float(self.losses.means.mean())


def contrast(points: Sequence[ScalePoint], weights: Floats, horizon: int) -> Estimate:
    """A weighted sum of the points' mean losses, with dates resampled jointly and seeds apart.

    Args:
        points: on the same samples.
        weights: (points,) one weight per point.
        horizon: least block length in bars.
    """
    used = [(float(w), point) for w, point in zip(weights, points, strict=True) if w != 0.0]
    sums = np.sum([w * point.losses.sums.mean(axis=0) for w, point in used], axis=0)
    noise = seed_noise_of_sum([(w, point.losses) for w, point in used])
    return estimate_mean(sums, points[0].losses.counts, horizon, noise)


def slope_weights(points: Sequence[ScalePoint]) -> Floats | None:
    """Weights of the least-squares slope on log10 size; None unless there are two different sizes."""
    if len(points) < 2 or any(point.size is None for point in points):
        return None
    x = np.log10([float(point.size or 0.0) for point in points])
    centred = x - x.mean()
    spread = float(centred @ centred)
    return centred / spread if spread > 0.0 else None


def gain_weights(points: Sequence[ScalePoint]) -> Floats | None:
    """Weights of the loss of the first point minus that of the last; None with one point or equal sizes."""
    if len(points) < 2 or (points[0].size is not None and points[0].size == points[-1].size):
        return None
    weights = np.zeros(len(points))
    weights[0], weights[-1] = 1.0, -1.0
    return weights


def joint_block(points: Sequence[ScalePoint], horizon: int) -> int:
    """Block length in dates for all points together: the longest that their differences from their mean
    need."""
    by_date = np.array([point.losses.sums.mean(axis=0) / point.losses.counts for point in points])
    return block_length(by_date - by_date.mean(axis=0), horizon)


def point_draws(
    points: Sequence[ScalePoint], horizon: int, cfg: EvaluationConfig, draws: int
) -> Floats | None:
    """Draws of the points' mean losses; (draws, points), None if the test set is too short.

    Dates by the stationary bootstrap, the same draws for all points. Seeds by a normal deviate with the
    variance of the mean over seeds, divided by the root of a chi-square over its degrees of freedom (a t
    deviate), because resampling three to five seeds would understate their noise. Points with fewer than four
    seeds use the variance pooled over points.
    """
    drawn = date_draws(points, horizon, cfg, draws)
    return None if drawn is None else drawn + seed_deviates(points, draws, cfg.seed)


def date_draws(
    points: Sequence[ScalePoint], horizon: int, cfg: EvaluationConfig, draws: int
) -> Floats | None:
    """Like `point_draws`, with the noise of dates alone."""
    counts = points[0].losses.counts
    dates = block_bootstrap(counts.size, joint_block(points, horizon), draws, cfg.seed, cfg.confidence)
    if dates is None:
        return None
    sums = np.array([point.losses.sums.mean(axis=0) for point in points])
    drawn: Floats = (dates.weights @ sums.T) / (dates.weights @ counts)[:, None]
    centre = np.array([point.mean for point in points])
    return centre + (drawn - centre) * dates.stretch


def seed_deviates(points: Sequence[ScalePoint], draws: int, seed: int) -> Floats:
    """Deviates of the points' means from the choice of seeds and searches; (draws, points), 0 if unknown."""
    generator = np.random.default_rng([seed, 71])
    known = [replicates(point.losses.means, point.losses.searches) for point in points]
    spread = [means for means, _ in known if means.size > 1]
    out = np.zeros((draws, len(points)))
    if not spread:
        return out
    pooled_df = sum(means.size - 1 for means in spread)
    pooled = sum(float(means.var(ddof=1)) * (means.size - 1) for means in spread) / pooled_df
    shared = np.sqrt(generator.chisquare(pooled_df, draws) / pooled_df)
    for at, (means, shares) in enumerate(known):
        own = means.size >= _OWN_VARIANCE_FROM
        df = means.size - 1
        variance = float(means.var(ddof=1)) if own else pooled
        scale = np.sqrt(generator.chisquare(df, draws) / df) if own else shared
        out[:, at] = generator.normal(size=draws) * np.sqrt(variance * float(shares @ shares)) / scale
    return out


def seed_deviates_of_another(points: Sequence[ScalePoint], seeds: int, draws: int, seed: int) -> Floats:
    """Deviates of a further point's mean from the choice of its seeds, which differ as those of the others
    do; (draws,), 0 where nothing is known."""
    spread = [point for point in points if point.seeds > 1]
    if not spread:
        return np.zeros(draws)
    generator = np.random.default_rng([seed, 73])
    degrees = sum(point.seeds - 1 for point in spread)
    pooled = sum(float(point.losses.means.var(ddof=1)) * (point.seeds - 1) for point in spread) / degrees
    scale = np.sqrt(generator.chisquare(degrees, draws) / degrees)
    return np.asarray(generator.normal(size=draws) * np.sqrt(pooled / seeds) / scale)
