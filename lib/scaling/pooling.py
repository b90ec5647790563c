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
    cells: int
    slope: Estimate | None
    gain: Estimate
    between_cells_sd: float | None
    """Standard deviation of the true gains (DerSimonian & Laird 1986); 0 if noise explains all of it."""
    heterogeneity_p: float | None
    """p-value of "all curves have the same gain" by Cochran's Q, curves taken as independent."""


def pool(cells: Sequence[Curve]) -> list[Pooled]:
    """Pool the measurable curves of a question; one entry per timescale that has two of them or more."""
    by_timescale: dict[str, list[Curve]] = {}
    for cell in cells:
        if cell.gain is not None and not cell.absent and cell.dates is not None:
            by_timescale.setdefault(str(cell.words["timescale"]), []).append(cell)
    found = [_pooled(name, usable) for name, usable in by_timescale.items() if len(usable) > 1]
    return [pooled for pooled in found if pooled is not None]


def _pooled(timescale: str, cells: Sequence[Curve]) -> Pooled | None:
    horizon = max(cell.horizon for cell in cells)
    gains = _mean_contrast(cells, [gain_weights(cell.levels) for cell in cells], horizon)
    slopes = _mean_contrast(cells, [slope_weights(cell.levels) for cell in cells], horizon)
    return None if gains is None else Pooled(timescale, len(cells), slopes, gains, *_heterogeneity(cells))


def _mean_contrast(cells: Sequence[Curve], weights: Sequence[Floats | None], horizon: int) -> Estimate | None:
    """Mean over curves of a contrast between scale points, in nats, on the union of their dates."""
    if any(weight is None for weight in weights):
        return None
    dates = np.unique(np.concatenate([cell.dates for cell in cells if cell.dates is not None]))
    total = np.zeros(dates.size)
    noise: list[SeedNoise] = []
    for cell, weight in zip(cells, weights, strict=True):
        assert weight is not None
        assert cell.dates is not None
        share = cell.nats_per_loss / len(cells)
        sums = np.sum(
            [w * level.losses.sums.mean(axis=0) for w, level in zip(weight, cell.levels, strict=True)], axis=0
        )
        # Each curve is a mean over its own samples; scaled so that the mean over all dates adds them up.
        total[np.searchsorted(dates, cell.dates)] += (
            share * sums / cell.levels[0].losses.counts.sum() * dates.size
        )
        used = [(share * float(w), level.losses) for w, level in zip(weight, cell.levels, strict=True) if w]
        noise += seed_noise_of_sum(used)
    return estimate_mean(total, np.ones(dates.size), horizon, noise)


def _heterogeneity(cells: Sequence[Curve]) -> tuple[float | None, float | None]:
    values, variances = [], []
    for cell in cells:
        error = cell.gain.standard_error if cell.gain else None
        if cell.gain is None or not error:
            return None, None
        values.append(cell.gain.value * cell.nats_per_loss)
        variances.append((error * cell.nats_per_loss) ** 2)
    value, weight = np.array(values), 1.0 / np.array(variances)
    centre = float(weight @ value / weight.sum())
    q = float(weight @ (value - centre) ** 2)
    scale = float(weight.sum() - (weight @ weight) / weight.sum())
    spread = max(0.0, (q - (value.size - 1)) / scale)
    return spread**0.5, float(chdtrc(value.size - 1, q))
