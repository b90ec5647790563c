"""The law E + A·N^-alpha fitted to noisy losses by robust least squares, for many resampled sets at once.

For a given exponent the law is linear in E and A, so the search is over the exponent alone: it starts from
every point of a grid and the best start is refined between its neighbours (variable projection, Golub &
Pereyra 1973). Huber's (1964) loss keeps one diverged run from bending the curve. Reads no files and draws no
verdicts.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lib.metrics.classification import Floats

EXPONENTS = (0.02, 3.0)
"""Range of the search; a fit that ends at an edge has not been identified."""
STARTS = 48
_REWEIGHTINGS = 8
_REFINEMENTS = 24
_GOLDEN = (np.sqrt(5.0) - 1.0) / 2.0
HUBER = 1.345
_TINY = 1e-12


@dataclass(frozen=True)
class LawFits:
    """One fit per row of losses; arrays of shape (draws,)."""

    floor: Floats
    """E, the loss that no size can go below."""
    amplitude: Floats
    """A, in loss at N = 1."""
    exponent: Floats
    loss: Floats
    """Sum of Huber's loss."""

    def at(self, sizes: Floats) -> Floats:
        """Loss of each fit at the given sizes (sizes,); shape (draws, sizes)."""
        # In logarithms, because A alone may be astronomically large.
        term = np.exp(-self.exponent[:, None] * np.log(sizes)[None, :] + self._log_amplitude[:, None])
        return self.floor[:, None] + np.sign(self.amplitude)[:, None] * term

    @property
    def _log_amplitude(self) -> Floats:
        return np.asarray(np.log(np.maximum(np.abs(self.amplitude), 1e-300)), dtype=np.float64)


def huber_width(losses: Floats, groups: np.ndarray) -> float:
    """The residual beyond which a run counts as an outlier: 1.345 robust standard deviations (Huber 1964).

    The robust deviation comes from the median absolute residual around the median of each group, in the unit
    of the losses. `losses` and `groups` (the size of each run) are (points,).
    """
    residuals = np.concatenate(
        [losses[groups == g] - np.median(losses[groups == g]) for g in np.unique(groups)]
    )
    own = residuals[np.abs(residuals) > 0]
    spread = float(np.median(np.abs(own))) / 0.6745 if own.size >= 2 else 0.0
    return max(HUBER * spread, 1e-9 * float(np.abs(losses).max()), _TINY)


def fit_law(sizes: Floats, losses: Floats, width: float) -> LawFits:
    """Fit the law to every row of losses.

    Args:
        sizes: (points,) N of each run, at least three different ones.
        losses: (draws, points), or (points,) for a single fit.
        width: residual at which squared error turns into absolute error, in the unit of the losses.

    >>> sizes = np.array([1.0, 10.0, 100.0, 1000.0])
    >>> fit_law(sizes, 0.5 + 2.0 * sizes**-0.5, width=0.1).exponent.round(3)
    array([0.5])
    """
    y = np.atleast_2d(losses)
    log_n = np.log(sizes)
    centre = float(log_n.mean())
    scaled = log_n - centre
    grid = np.geomspace(*EXPONENTS, STARTS)
    starts = np.stack([_linear(scaled, y, np.full(y.shape[0], alpha), width)[2] for alpha in grid])
    best = np.argmin(starts, axis=0)
    low, high = np.log(grid[np.maximum(best - 1, 0)]), np.log(grid[np.minimum(best + 1, STARTS - 1)])
    exponent = np.exp(_golden_section(scaled, y, low, high, width))
    floor, slope, loss = _linear(scaled, y, exponent, width)
    return LawFits(floor, slope * np.exp(exponent * centre), exponent, loss)


def _golden_section(scaled: Floats, y: Floats, low: Floats, high: Floats, width: float) -> Floats:
    """Log exponent of least loss between `low` and `high`, for all rows side by side."""
    for _ in range(_REFINEMENTS):
        left, right = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
        better_left = (
            _linear(scaled, y, np.exp(left), width)[2] <= _linear(scaled, y, np.exp(right), width)[2]
        )
        low, high = np.where(better_left, low, left), np.where(better_left, right, high)
    return (low + high) / 2.0


def _linear(scaled: Floats, y: Floats, exponent: Floats, width: float) -> tuple[Floats, Floats, Floats]:
    """E, A and loss of the robust straight line in N^-alpha, by iteratively reweighted least squares."""
    x = np.exp(-exponent[:, None] * scaled[None, :])
    weight = np.ones_like(y)
    for _ in range(_REWEIGHTINGS):
        total = weight.sum(axis=1)
        mean_x, mean_y = (weight * x).sum(axis=1) / total, (weight * y).sum(axis=1) / total
        dx, dy = x - mean_x[:, None], y - mean_y[:, None]
        slope = (weight * dx * dy).sum(axis=1) / np.maximum((weight * dx * dx).sum(axis=1), 1e-300)
        residual = np.abs(dy - slope[:, None] * dx)
        weight = np.minimum(1.0, width / np.maximum(residual, 1e-300))
    loss = np.where(residual <= width, residual**2 / 2.0, width * (residual - width / 2.0)).sum(axis=1)
    return mean_y - slope * mean_x, slope, loss
