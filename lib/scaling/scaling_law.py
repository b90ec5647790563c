"""How loss depends on size along one curve: slope, gain, the law with a floor, the saturation point.

Three sizes cannot identify ``E + A N^-alpha``; the slope of the loss on log10 N can be estimated, so the
slope is judged. `rival_forms` compares other forms, `verdicts` judges.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations, pairwise

import numpy as np

from lib.config.workflow import EvaluationConfig
from lib.inference.comparisons import Estimate
from lib.inference.power_law import EXPONENTS, LawFits, fit_law, huber_width
from lib.metrics.classification import Floats
from lib.scaling.scale_points import ScalePoint, contrast, gain_weights, point_draws, slope_weights

LAW_DRAWS = 600
CURVE_POINTS = 50
_LAW_SIZES = 4
"""Different sizes from which the law with a floor has a degree of freedom left."""
EDGE = 1.05
"""Within this factor of an edge of the search an exponent counts as at the edge."""
EDGE_SHARE = 0.025
"""Of the draws; if more end at an edge, the exponent is not identified."""


@dataclass(frozen=True)
class Interval:
    """An estimate with its percentile interval."""

    estimate: float
    low: float
    high: float


@dataclass(frozen=True)
class Law:
    """E + A N^-alpha with intervals over dates and seeds; `identified` says whether alpha means anything."""

    identified: bool
    note: str
    floor: Interval
    amplitude: Interval
    exponent: Interval
    curve: list[tuple[float, float, float, float]]


def slope(points: Sequence[ScalePoint], horizon: int) -> Estimate | None:
    """Least-squares slope of the loss on log10 size: loss per tenfold size; negative is better.

    None unless there are two different sizes.
    """
    weights = slope_weights(points)
    return None if weights is None else contrast(points, weights, horizon)


def log_log_slope(points: Sequence[ScalePoint], horizon: int) -> Estimate | None:
    """Least-squares slope of log loss on log size: minus the exponent of a pure power law A N^-alpha.

    The logarithm is taken to first order around each point's mean loss, so that the noise of dates and seeds
    carries over (delta method).
    """
    weights = slope_weights(points)
    means = [point.mean for point in points]
    if weights is None or min(means) <= 0.0:
        return None
    weights = weights / math.log(10.0)
    found = contrast(points, weights / np.array(means), horizon)
    return replace(found, value=float(weights @ np.log(means)))


def gain(points: Sequence[ScalePoint], horizon: int) -> Estimate | None:
    """Loss of the first scale point minus loss of the last, in the unit of the loss; positive is better. None
    with one point."""
    weights = gain_weights(points)
    return None if weights is None else contrast(points, weights, horizon)


def pairs(points: Sequence[ScalePoint], horizon: int) -> list[tuple[str, str, Estimate]]:
    """Gain from each scale point to each later one."""
    out = []
    for before, after in combinations(range(len(points)), 2):
        weights = np.zeros(len(points))
        weights[before], weights[after] = 1.0, -1.0
        out.append((points[before].label, points[after].label, contrast(points, weights, horizon)))
    return out


def steps(points: Sequence[ScalePoint], horizon: int) -> list[tuple[str, str, Estimate]]:
    """Gain of each scale point over the one before it."""
    return [step for two in pairwise(points) for step in pairs(two, horizon)]


def straight_band(
    points: Sequence[ScalePoint], draws: Floats | None, confidence: float
) -> list[tuple[float, float, float | None, float | None]]:
    """The straight line in log10 size through the scale points, with its pointwise interval from draws."""
    weights = slope_weights(points)
    if weights is None:
        return []
    sizes = np.array([float(point.size or 0.0) for point in points])
    x, means = np.log10(sizes), np.array([point.mean for point in points])
    grid = np.linspace(x.min(), x.max(), CURVE_POINTS)
    line = means.mean() + (grid - x.mean()) * float(weights @ means)
    if draws is None:
        return [(float(g), float(v), None, None) for g, v in zip(10**grid, line, strict=True)]
    lines = draws.mean(axis=1)[:, None] + (grid - x.mean())[None, :] * (draws @ weights)[:, None]
    low, high = np.quantile(lines, tails_of(confidence), axis=0)
    rows = zip(10**grid, line, low, high, strict=True)
    return [(float(g), float(v), float(lower), float(upper)) for g, v, lower, upper in rows]


def fit_law_with_floor(
    points: Sequence[ScalePoint], horizon: int, cfg: EvaluationConfig, confidence: float | None = None
) -> Law | None:
    """E + A N^-alpha over all runs, with intervals from seeds and blocks of dates.

    Args:
        points: with sizes, on the same samples.
        horizon: least block length in bars.
        cfg: seed and confidence.
        confidence: of the intervals, if not that of `cfg`.

    Returns:
        None with fewer than four different sizes (no degree of freedom would be left) or too few dates.
        The exponent is identified if its interval keeps clear of both edges of the search, that of A lies
        above 0 (larger is better), and E is no loss below 0.
    """
    if len({point.size for point in points}) < _LAW_SIZES or any(point.size is None for point in points):
        return None
    drawn = point_draws(points, horizon, cfg, LAW_DRAWS)
    if drawn is None:
        return None
    best, fits = resampled_fits(points, drawn)
    tails = tails_of(confidence or cfg.confidence)
    note = why_not_identified(best, fits, tails)
    sizes = np.array([float(point.size or 0.0) for point in points])
    grid = np.geomspace(sizes.min(), sizes.max(), CURVE_POINTS)
    low, high = np.quantile(fits.at(grid), tails, axis=0)
    curve = [tuple(map(float, at)) for at in zip(grid, best.at(grid)[0], low, high, strict=True)]
    return Law(
        note is None,
        "The exponent is identified." if note is None else note,
        _interval(best.floor, fits.floor, tails),
        _interval(best.amplitude, fits.amplitude, tails),
        _interval(best.exponent, fits.exponent, tails),
        curve,  # type: ignore[arg-type]
    )


def resampled_fits(points: Sequence[ScalePoint], drawn: Floats) -> tuple[LawFits, LawFits]:
    """E + A N^-alpha fitted to the runs of scale points, and to the same runs shifted by draws of the points'
    means.

    Args:
        points: with sizes.
        drawn: (draws, points) as from `point_draws`.
    """
    point_of = np.repeat(np.arange(len(points)), [point.seeds for point in points])
    sizes = np.array([float(point.size or 0.0) for point in points])[point_of]
    runs = np.concatenate([point.losses.means for point in points])
    width = huber_width(runs, point_of)
    centre = np.array([point.mean for point in points])
    return fit_law(sizes, runs, width), fit_law(sizes, runs + (drawn - centre)[:, point_of], width)


def why_not_identified(best: LawFits, fits: LawFits, tails: tuple[float, float]) -> str | None:
    """Why the exponent of fits to resampled data is not identified; None if it is."""
    at_edge = np.mean((fits.exponent < EXPONENTS[0] * EDGE) | (fits.exponent > EXPONENTS[1] / EDGE))
    amplitude, floor = _interval(best.amplitude, fits.amplitude, tails), float(best.floor[0])
    if at_edge > EDGE_SHARE:
        why = "the fits of resampled data run to the edge of the search"
    elif amplitude.high < 0:
        why = "the loss rises with size (A lies below 0)"
    elif amplitude.low <= 0:
        why = "the interval of A includes 0"
    elif floor < 0:
        why = f"the fit goes on to a loss below 0 (E = {floor:.2g})"
    else:
        return None
    return f"The exponent is not identified: {why}. Read the slope, not the exponent."


def _interval(best: Floats, draws: Floats, tails: tuple[float, float]) -> Interval:
    low, high = np.quantile(draws, tails)
    return Interval(float(best[0]), float(low), float(high))


def tails_of(confidence: float) -> tuple[float, float]:
    """The two quantiles between which a share of the draws lies."""
    return (1.0 - confidence) / 2.0, (1.0 + confidence) / 2.0


@dataclass(frozen=True)
class Saturation:
    """The smallest scale point within the margin of the best, and how often each point is that in the
    draws."""

    point: str
    size: float | None
    shares: dict[str, float]


def saturation(points: Sequence[ScalePoint], draws: Floats | None, margin: float) -> Saturation | None:
    """Scale point from which on no gain reaches the margin; None if the test set cannot be resampled."""
    if draws is None or len(points) < 2:
        return None
    means = np.array([point.mean for point in points])
    first = int(np.argmax(means <= means.min() + margin))
    drawn = np.argmax(draws <= draws.min(axis=1, keepdims=True) + margin, axis=1)
    shares = np.bincount(drawn, minlength=len(points)) / draws.shape[0]
    named = {point.label: float(share) for point, share in zip(points, shares, strict=True)}
    return Saturation(points[first].label, points[first].size, named)
