"""Pooling: one slope and one gain for all curves of a question, timescale by timescale.

Curves that share test dates are resampled together, date by date, so their dependence is kept; regression is
converted to nats first. Blocks are counted in bars, so bars of different length are not mixed: weekly labels
of 5 bars overlap for 25 daily ones. The spread between curves shows whether they differ.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import chdtrc

from lib.inference.comparisons import Estimate, SeedNoise, estimate_mean, seed_noise_of_sum
from lib.metrics.classification import Floats
from lib.scaling.curves import Curve
from lib.scaling.scale_points import gain_weights, slope_weights


@dataclass(frozen=True)
class Pooled:
    """The mean over curves, and how much they differ beyond their noise."""

    timescale: str
    curves: int
    slope: Estimate | None
    gain: Estimate
    between_curves_sd: float | None
    """Standard deviation of the true gains (DerSimonian & Laird 1986); 0 if noise explains all of it."""
    heterogeneity_p: float | None
    """p-value of "all curves have the same gain" by Cochran's Q, curves taken as independent."""


def pool(curves: Sequence[Curve]) -> list[Pooled]:
    """Pool the measurable curves of a question; one entry per timescale that has two of them or more."""
    by_timescale: dict[str, list[Curve]] = {}
    for curve in curves:
        if curve.gain is not None and not curve.absent and curve.dates is not None:
            by_timescale.setdefault(str(curve.key["timescale"]), []).append(curve)
    found = [_pooled(name, usable) for name, usable in by_timescale.items() if len(usable) > 1]
    return [pooled for pooled in found if pooled is not None]


def _pooled(timescale: str, curves: Sequence[Curve]) -> Pooled | None:
    horizon = max(curve.horizon for curve in curves)
    gains = _mean_contrast(curves, [gain_weights(curve.points) for curve in curves], horizon)
    slopes = _mean_contrast(curves, [slope_weights(curve.points) for curve in curves], horizon)
    return None if gains is None else Pooled(timescale, len(curves), slopes, gains, *_heterogeneity(curves))


def _mean_contrast(
    curves: Sequence[Curve], weights: Sequence[Floats | None], horizon: int
) -> Estimate | None:
    """Mean over curves of a contrast between scale points, in nats, on the union of their dates."""
    if any(weight is None for weight in weights):
        return None
    dates = np.unique(np.concatenate([curve.dates for curve in curves if curve.dates is not None]))
    total = np.zeros(dates.size)
    noise: list[SeedNoise] = []
    for curve, weight in zip(curves, weights, strict=True):
        assert weight is not None
        assert curve.dates is not None
        share = curve.nats_per_loss / len(curves)
        sums = np.sum(
            [w * point.losses.sums.mean(axis=0) for w, point in zip(weight, curve.points, strict=True)],
            axis=0,
        )
        # Each curve is a mean over its own samples; scaled so that the mean over all dates adds them up.
        total[np.searchsorted(dates, curve.dates)] += (
            share * sums / curve.points[0].losses.counts.sum() * dates.size
        )
        used = [(share * float(w), point.losses) for w, point in zip(weight, curve.points, strict=True) if w]
        noise += seed_noise_of_sum(used)
    return estimate_mean(total, np.ones(dates.size), horizon, noise)


def _heterogeneity(curves: Sequence[Curve]) -> tuple[float | None, float | None]:
    values, variances = [], []
    for curve in curves:
        error = curve.gain.standard_error if curve.gain else None
        if curve.gain is None or not error:
            return None, None
        values.append(curve.gain.value * curve.nats_per_loss)
        variances.append((error * curve.nats_per_loss) ** 2)
    value, weight = np.array(values), 1.0 / np.array(variances)
    centre = float(weight @ value / weight.sum())
    q = float(weight @ (value - centre) ** 2)
    scale = float(weight.sum() - (weight @ weight) / weight.sum())
    spread = max(0.0, (q - (value.size - 1)) / scale)
    return spread**0.5, float(chdtrc(value.size - 1, q))
