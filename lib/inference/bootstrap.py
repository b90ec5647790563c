"""How uncertain a measure is: the stationary block bootstrap over dates (Politis & Romano 1994).

Neighbouring test days are not independent (labels overlap, volatility clusters), so whole stretches of dates
are drawn; all symbols of a date stay together. A draw is a vector of weights, one per date, so every measure
of a draw is a few array operations. The draws depend only on the number of dates, the block length and the
seed: two models on the same dates get the same draws, and their difference is paired. Reads no files and does
not know what is measured.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri, stdtrit

from lib.metrics.classification import Floats

Ints = npt.NDArray[np.int64]

MINIMUM_BLOCKS = 4.0
"""With fewer blocks than this in the test set there is nothing to resample, and no interval is given: two
blocks would leave one degree of freedom, and an AUC of 0.33 the interval from -0.40 to 1.06."""
_OVERLAP_BLOCKS = 3
_CHUNK_ELEMENTS = 4_000_000
_DEFINED_SHARE = 0.9
"""An interval needs at least this share of the draws to be defined (precision is not where nothing is
claimed)."""


def index_dates(dates: npt.ArrayLike) -> tuple[npt.NDArray[np.datetime64], Ints]:
    """The sorted distinct dates (d,) and, for each sample, the position of its date among them (n,)."""
    unique, index = np.unique(np.asarray(dates, dtype="datetime64[D]"), return_inverse=True)
    return unique, index.astype(np.int64)


def sum_by_date(values: npt.ArrayLike, index: Ints, n_dates: int) -> Floats:
    """Sum of a per-sample quantity (n,) over each date; shape (n_dates,)."""
    sums: Floats = np.bincount(index, weights=np.asarray(values, dtype=np.float64), minlength=n_dates).astype(
        np.float64
    )
    return sums


def optimal_block_length(series: npt.ArrayLike) -> float:
    """Mean block length of the stationary bootstrap that suits the dependence in a series, in dates.

    Politis & White (2004), with the correction of Patton, Politis & White (2009); equal to
    ``arch.bootstrap.optimal_block_length``, which is slow (docs/decisions.md). A constant or very short
    series gives 1.

    Args:
        series: (n,) one value per date, in order of time.
    """
    x = np.asarray(series, dtype=np.float64)
    n = x.size
    if n < 10 or not np.all(np.isfinite(x)) or np.ptp(x) <= 1e-12 * max(1.0, float(np.abs(x).max())):
        return 1.0
    e = x - x.mean()
    run = max(5, int(math.log10(n)))
    m_max = min(math.ceil(math.sqrt(n)) + run, n - 2)
    covariance = np.array([e[lag:] @ e[: n - lag] for lag in range(m_max + 1)]) / n
    # The tails' own variances, as in arch: near the ends of a short series they differ from the whole's.
    tails = np.array([(e[i + 1 :] @ e[i + 1 :]) * (e[: -(i + 1)] @ e[: -(i + 1)]) for i in range(m_max + 1)])
    correlation = np.abs(covariance) * n / np.sqrt(np.maximum(tails, np.finfo(float).tiny))
    negligible = correlation < 2.0 * math.sqrt(math.log10(n) / n)
    quiet = next((i - run for i in range(run, m_max + 1) if negligible[i - run : i].all()), None)
    m = m_max if quiet is None else min(2 * max(quiet, 1), m_max)
    lag = np.arange(1, m + 1)
    taper = np.where(lag / m <= 0.5, 1.0, 2.0 * (1.0 - lag / m))
    g = 2.0 * float(np.sum(taper * lag * covariance[1 : m + 1]))
    long_run = float(covariance[0] + 2.0 * np.sum(taper * covariance[1 : m + 1]))
    limit = math.ceil(min(3.0 * math.sqrt(n), n / 3.0))
    if long_run == 0.0:
        return float(limit)
    return float(min((g**2 / long_run**2) ** (1 / 3) * n ** (1 / 3), limit))


def block_length(series: Iterable[npt.ArrayLike], horizon: int) -> int:
    """Block length in dates for several series: the longest that any of them needs, at least the horizon.

    Labels of H bars overlap for H bars. Blocks of H on average cut through most of that dependence and make
    intervals too narrow (measured: `make bench-statistics`), so for H > 1 blocks are three horizons long
    where the test set has four such blocks, and never shorter than the horizon.
    """
    arrays = [np.asarray(one, dtype=np.float64) for one in series]
    overlap = int(horizon)
    if overlap > 1 and arrays:
        overlap = max(overlap, min(_OVERLAP_BLOCKS * overlap, arrays[0].size // 4))
    return max([overlap, *(math.ceil(optimal_block_length(one)) for one in arrays)])


def enough_blocks(n_dates: int, block: int) -> bool:
    """Whether a test set is long enough to resample in blocks of this length (dates)."""
    return n_dates >= MINIMUM_BLOCKS * block


@lru_cache(maxsize=8)
def stationary_weights(n_dates: int, block: int, draws: int, seed: int) -> Floats:
    """How often each date occurs in each draw of the stationary bootstrap; shape (draws, n_dates).

    Blocks start anywhere, have geometric lengths with mean `block`, and wrap around the end (Politis & Romano
    1994). The array is cached and read-only. Draws depend on the four arguments alone.
    """
    generator = np.random.default_rng([seed, n_dates])
    starts_block = generator.random((draws, n_dates)) < 1.0 / block
    starts_block[:, 0] = True
    start = generator.integers(0, n_dates, size=(draws, n_dates))
    position = np.arange(n_dates)
    begun_at = np.maximum.accumulate(np.where(starts_block, position, 0), axis=1)
    chosen = (np.take_along_axis(start, begun_at, axis=1) + position - begun_at) % n_dates
    flat = chosen + np.arange(draws)[:, None] * n_dates
    counts = np.bincount(flat.ravel(), minlength=draws * n_dates)
    weights = counts.reshape(draws, n_dates).astype(np.float64)
    weights.flags.writeable = False
    return weights


def mean_standard_error(series: npt.ArrayLike, block: int) -> float:
    """Exact standard error of a mean under the stationary bootstrap, as from infinitely many draws.

    Politis & Romano (1994), lemma 1: the variance of the bootstrap mean is
    ``(1/n) [R(0) + 2 sum_i b_i R(i)]`` with the sample autocovariances R and
    ``b_i = (1 - i/n)(1-p)^i + (i/n)(1-p)^(n-i)``, p = 1 / block. It needs no draws and has no noise of its
    own. The `lost_share` of the variance, which centring on the sample removes, is restored.

    Args:
        series: (n,) one value per date, in order of time.
        block: mean block length in dates.
    """
    x = np.asarray(series, dtype=np.float64)
    n = x.size
    transform = np.fft.rfft(x - x.mean(), 2 * n)
    covariance = np.fft.irfft(transform * np.conj(transform), 2 * n)[:n] / n
    variance = float(covariance[0] + 2.0 * _lag_weights(n, block) @ covariance[1:]) / n
    return math.sqrt(max(0.0, variance) / (1.0 - lost_share(n, block)))


@lru_cache(maxsize=256)
def _lag_weights(n: int, block: int) -> Floats:
    lag, stay = np.arange(1, n), 1.0 - 1.0 / block
    weights: Floats = (1.0 - lag / n) * stay**lag + lag / n * stay ** (n - lag)
    weights.flags.writeable = False
    return weights


@lru_cache(maxsize=256)
def lost_share(n_dates: int, block: int) -> float:
    """Share of the variance of a mean that a bootstrap of n dates misses because it centres on the sample.

    Of independent values the expected autocovariances are ``-(1 - i/n)/n`` instead of 0, so the expected
    bootstrap variance falls short by ``(1/n) [1 + 2 sum_i b_i (1 - i/n)]``; dependence changes it little.
    """
    lag = np.arange(1, n_dates)
    share = float(1.0 + 2.0 * _lag_weights(n_dates, block) @ (1.0 - lag / n_dates)) / n_dates
    return min(share, 0.75)


def widening(n_dates: int, block: int, confidence: float) -> float:
    """Factor by which bootstrap draws are stretched around the estimate before their quantiles are read.

    It restores the lost share of the variance and turns normal quantiles into those of t with (blocks - 1)
    degrees of freedom: a test set of few blocks estimates its own noise badly.
    """
    upper = (1.0 + confidence) / 2.0
    freedom = max(1.0, n_dates / block - 1.0)
    return float(stdtrit(freedom, upper) / ndtri(upper)) / math.sqrt(1.0 - lost_share(n_dates, block))


def mean_draws(sums: Floats, counts: Floats, weights: Floats) -> Floats:
    """Mean of a per-sample quantity in every draw, (draws,), from its sums and counts by date, (dates,)
    each."""
    return (weights @ sums) / (weights @ counts)


def share_draws(part: Floats, whole: Floats) -> Floats:
    """Drawn counts of a part as shares of those of the whole, (draws,); NaN where the whole is 0."""
    return part / np.where(whole > 0, whole, np.nan)


def r2_draws(target: Floats, prediction: Floats, index: Ints, weights: Floats) -> Floats:
    """Coefficient of determination in every draw, (draws,); NaN where the drawn targets do not vary."""
    n_dates = weights.shape[1]
    parts = [np.ones_like(target), target, target**2, (prediction - target) ** 2]
    count, first, second, error = (weights @ sum_by_date(part, index, n_dates) for part in parts)
    spread = second - first**2 / count
    return 1.0 - error / np.where(spread > 0, spread, np.nan)


def average_precision_draws(
    target: npt.ArrayLike, score: npt.ArrayLike, index: Ints, weights: Floats
) -> Floats:
    """Area under the precision–recall curve in every draw, ``sum (R_k - R_{k-1}) P_k``.

    Equal scores form one step. Shape (draws,); NaN in draws of one class.

    Args:
        target: (n,) zeros and ones.
        score: (n,) finite scores.
        index: (n,) position of each sample's date.
        weights: (draws, n_dates).
    """
    scores = np.asarray(score, dtype=np.float64)
    order = np.argsort(-scores, kind="stable")
    positive = np.asarray(target, dtype=np.float64)[order] > 0.5
    last_of_group = np.append(np.flatnonzero(np.diff(scores[order])), scores.size - 1)
    date = index[order]
    out = np.empty(weights.shape[0])
    step = max(1, _CHUNK_ELEMENTS // max(1, scores.size))
    for begin in range(0, weights.shape[0], step):
        drawn = weights[begin : begin + step].take(date, axis=1)
        hits = np.cumsum(drawn * positive, axis=1)[:, last_of_group]
        named = np.cumsum(drawn, axis=1)[:, last_of_group]
        gained = np.diff(hits, axis=1, prepend=0.0)
        area = np.einsum("ij,ij->i", gained, hits / np.maximum(named, 1.0))
        both = (hits[:, -1] > 0) & (hits[:, -1] < named[:, -1])
        out[begin : begin + step] = np.where(both, area / np.where(both, hits[:, -1], 1.0), np.nan)
    return out


def percentile_interval(
    draws: Floats, confidence: float, stretch: float = 1.0
) -> tuple[float | None, float | None]:
    """Ends of the middle `confidence` of the draws; (None, None) if over a tenth of them are undefined.

    `stretch` pulls the draws away from their median first (see `widening`).
    """
    defined = draws[np.isfinite(draws)]
    if defined.size == 0 or defined.size < _DEFINED_SHARE * draws.size:
        return None, None
    tail = (1.0 - confidence) / 2.0
    low, middle, high = np.quantile(defined, [tail, 0.5, 1.0 - tail])
    return float(middle + stretch * (low - middle)), float(middle + stretch * (high - middle))


@dataclass(frozen=True)
class BlockBootstrap:
    """Draws of the dates of a test set, and how their intervals are read."""

    weights: Floats
    """(draws, dates), as from `stationary_weights`."""
    confidence: float
    stretch: float
    """See `widening`."""

    def interval(self, draws: Floats) -> tuple[float | None, float | None]:
        """Interval of a measure from its value in every draw, (draws,)."""
        return percentile_interval(draws, self.confidence, self.stretch)


def block_bootstrap(
    n_dates: int, block: int, draws: int, seed: int, confidence: float
) -> BlockBootstrap | None:
    """Draws of a test set in blocks of this mean length (dates); None if it is too short for them."""
    if not enough_blocks(n_dates, block):
        return None
    weights = stationary_weights(n_dates, block, draws, seed)
    return BlockBootstrap(weights, confidence, widening(n_dates, block, confidence))
