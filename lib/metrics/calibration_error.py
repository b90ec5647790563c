"""Measures of calibration: how far probabilities match observed frequencies.

Bins hold equal counts rather than equal widths, because the probabilities of market models crowd in a narrow
range. Equal probabilities are never split between bins. Fits nothing and knows nothing of dates.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]

BINS = 10
_WILSON_Z = 1.959963984540054


def bin_of(probability: npt.ArrayLike, bins: int = BINS) -> Ints:
    """Number of the equal-count bin of each probability: 0, 1, … without gaps; shape (n,)."""
    p = np.asarray(probability, dtype=np.float64)
    edges = np.unique(np.quantile(p, np.linspace(0.0, 1.0, bins + 1)))
    raw = np.searchsorted(edges[1:-1], p, side="right") if edges.size > 2 else np.zeros(p.size, dtype=int)
    return np.unique(raw, return_inverse=True)[1].astype(np.int64)


def expected_calibration_error(
    target: npt.ArrayLike, probability: npt.ArrayLike, bins: int = BINS
) -> float | None:
    """Mean distance between stated probability and observed share, ``sum_b n_b/n |share_b - mean p_b|``.

    Naeini, Cooper & Hauskrecht (2015), over bins of equal count. None without samples. Noise alone makes it
    positive; `calibration_error_by_chance` says by how much.
    """
    y, p = np.asarray(target, dtype=np.float64), np.asarray(probability, dtype=np.float64)
    if p.size == 0:
        return None
    number = bin_of(p, bins)
    return float(np.abs(np.bincount(number, weights=y - p)).sum() / p.size)


def calibration_error_by_chance(probability: npt.ArrayLike, bins: int = BINS) -> float | None:
    """Expected calibration error of these probabilities if they were exactly right and days independent.

    In each bin the mean absolute value of a normal deviate with variance ``sum p(1-p)``, sqrt(2/pi) times its
    standard deviation.
    """
    p = np.asarray(probability, dtype=np.float64)
    if p.size == 0:
        return None
    variance = np.bincount(bin_of(p, bins), weights=p * (1.0 - p))
    return float(math.sqrt(2.0 / math.pi) * np.sqrt(variance).sum() / p.size)


def reliability_bins(
    target: npt.ArrayLike, probability: npt.ArrayLike, bins: int = BINS
) -> list[dict[str, float | int]]:
    """Points of the reliability diagram: mean probability against observed share with its count.

    Returns:
        Per bin `bin_low, bin_high` (of the probabilities in it), `mean_probability, observed, observed_low,
        observed_high` (95 % interval of Wilson 1927, days taken as independent) and `count`; a collapsed
        model gives one bin. Empty if a probability is not finite.
    """
    y, p = np.asarray(target, dtype=np.float64), np.asarray(probability, dtype=np.float64)
    if y.size == 0 or not np.all(np.isfinite(p)):
        return []
    number = bin_of(p, bins)
    points: list[dict[str, float | int]] = []
    for at in range(int(number.max()) + 1):
        inside = number == at
        share, count = float(y[inside].mean()), int(inside.sum())
        low, high = wilson(share, count)
        points.append(
            {
                "bin_low": float(p[inside].min()),
                "bin_high": float(p[inside].max()),
                "mean_probability": float(p[inside].mean()),
                "observed": share,
                "observed_low": low,
                "observed_high": high,
                "count": count,
            }
        )
    return points


def wilson(share: float, count: int) -> tuple[float, float]:
    """The 95 % score interval of a share of `count` independent samples (Wilson 1927).

    >>> [round(end, 3) for end in wilson(0.5, 100)]
    [0.404, 0.596]
    """
    z2 = _WILSON_Z**2
    centre = (share + z2 / (2 * count)) / (1 + z2 / count)
    reach = _WILSON_Z / (1 + z2 / count) * math.sqrt(share * (1 - share) / count + z2 / (4 * count**2))
    return max(0.0, centre - reach), min(1.0, centre + reach)
