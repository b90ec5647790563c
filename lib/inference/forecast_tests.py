"""Named tests between forecasts: Diebold–Mariano, DeLong, superior predictive ability, the model confidence
set.

Each works on arrays in order of dates and knows nothing of runs. Intervals of differences and Holm's
correction are in `comparisons`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr, stdtr

from lib.metrics.classification import Floats

MINIMUM_DATES = 20
"""Fewer dates than this are tested for nothing."""
_NO_VARIANCE = 1e-30


@dataclass(frozen=True)
class TestResult:
    """A statistic with its two-sided p-value."""

    __test__ = False

    statistic: float
    p_value: float


def newey_west_lag(series: npt.ArrayLike) -> int:
    """Number of lags for Bartlett's weights that suits the dependence in a series (Newey & West 1994).

    ``floor(1.1447 ((s1/s0)^2 n)^(1/3))`` with ``s0 = R(0) + 2 sum R(j)`` and ``s1 = 2 sum j R(j)`` over the
    first ``floor(4 (n/100)^(2/9))`` autocovariances; 0 for a constant series, at most a quarter of n.

    Args:
        series: (n,) in order of time.
    """
    x = np.asarray(series, dtype=np.float64)
    n = x.size
    centred = x - x.mean()
    first = min(int(4.0 * (n / 100.0) ** (2.0 / 9.0)), n - 1)
    covariance = np.array([centred[lag:] @ centred[: n - lag] for lag in range(first + 1)]) / n
    s0 = float(covariance[0] + 2.0 * covariance[1:].sum())
    s1 = 2.0 * float(np.arange(first + 1) @ covariance)
    if covariance[0] <= _NO_VARIANCE:
        return 0
    if s0 <= 0.0:
        return first
    return min(int(1.1447 * ((s1 / s0) ** 2 * n) ** (1.0 / 3.0)), n // 4)


def diebold_mariano(difference: npt.ArrayLike, horizon: int, lag: int | None = None) -> TestResult | None:
    """Test of equal expected loss from the loss differences of two forecasts by date.

    Diebold & Mariano (1995) with the long-run variance of the mean from autocovariances, and the small-sample
    correction and t distribution with n - 1 degrees of freedom of Harvey, Leybourne & Newbold (1997). Lags up
    to H - 1, over which labels overlap, count in full; dependence that reaches further (losses cluster as
    volatility does, whatever the horizon) counts up to `lag` with Bartlett's linearly falling weights. Where
    the sum is not positive, Bartlett's weights replace it (Newey & West 1987).

    Args:
        difference: (n,) loss of the first minus loss of the second.
        horizon: bars ahead, H.
        lag: last autocovariance that counts; None: `newey_west_lag`, at least H - 1.

    Returns:
        The statistic, negative where the first is better, with its p-value; None with too few dates or
        differences that do not vary.
    """
    d = np.asarray(difference, dtype=np.float64)
    n = d.size
    if n < max(MINIMUM_DATES, 2 * horizon) or not np.all(np.isfinite(d)):
        return None
    last = max(horizon - 1, newey_west_lag(d) if lag is None else lag)
    centred = d - d.mean()
    covariance = np.array([centred[at:] @ centred[: n - at] for at in range(last + 1)]) / n
    if covariance[0] <= _NO_VARIANCE:
        return None
    at = np.arange(1, last + 1)
    weights = np.minimum(1.0, (last + 1 - at) / (last + 2 - horizon))
    variance = float(covariance[0] + 2.0 * weights @ covariance[1:]) / n
    if variance <= 0.0:
        variance = float(covariance[0] + 2.0 * (1.0 - at / (last + 1)) @ covariance[1:]) / n
    correction = (n + 1 - 2 * horizon + horizon * (horizon - 1) / n) / n
    statistic = float(d.mean()) / math.sqrt(variance) * math.sqrt(correction)
    return TestResult(statistic, float(2.0 * stdtr(n - 1, -abs(statistic))))


def placements(target: npt.ArrayLike, score: npt.ArrayLike) -> tuple[Floats, Floats] | None:
    """Share of the other class against which each sample is ranked correctly (ties count one half).

    Returns:
        Those of the positives and of the negatives, each averaging to the AUC; None with one class.
    """
    y = np.asarray(target, dtype=np.float64) > 0.5
    s = np.asarray(score, dtype=np.float64)
    good, bad = np.sort(s[y]), np.sort(s[~y])
    if good.size == 0 or bad.size == 0:
        return None
    below = np.searchsorted(bad, s[y], side="left") + np.searchsorted(bad, s[y], side="right")
    above = (
        2 * good.size - np.searchsorted(good, s[~y], side="left") - np.searchsorted(good, s[~y], side="right")
    )
    return below / (2.0 * bad.size), above / (2.0 * good.size)


def auc_influence(target: npt.ArrayLike, score: npt.ArrayLike) -> Floats | None:
    """Influence of each sample on the AUC, (n,): the mean is 0, and AUC + mean(w · influence) is to first
    order the AUC of a sample reweighted by w. None with one class.

    The linear form of the AUC (DeLong, DeLong & Clarke-Pearson 1988): its variance over independent samples
    is DeLong's, and over dates it is bootstrapped like a mean.
    """
    found = placements(target, score)
    if found is None:
        return None
    y = np.asarray(target, dtype=np.float64) > 0.5
    of_positives, of_negatives = found
    auc, n = float(of_positives.mean()), y.size
    influence = np.empty(n)
    influence[y] = (of_positives - auc) * n / of_positives.size
    influence[~y] = (of_negatives - auc) * n / of_negatives.size
    return influence


def delong(
    target: npt.ArrayLike, first: npt.ArrayLike, second: npt.ArrayLike
) -> tuple[float, float, TestResult] | None:
    """AUC of the first score minus that of the second, its standard error, and the test of no difference.

    DeLong, DeLong & Clarke-Pearson (1988). Arguments are (n,) each. Samples must be independent: use it only
    for one symbol at a horizon of one bar, where labels do not overlap. None with one class, fewer than two
    of either, or equal rankings.
    """
    a, b = placements(target, first), placements(target, second)
    if a is None or b is None or min(a[0].size, a[1].size) < 2:
        return None
    variance = sum(float(np.var(p - q, ddof=1)) / p.size for p, q in zip(a, b, strict=True))
    difference = float(a[0].mean() - b[0].mean())
    if variance <= 0.0:
        return None
    error = math.sqrt(variance)
    return difference, error, TestResult(difference / error, float(2.0 * ndtr(-abs(difference) / error)))


def superior_predictive_ability(
    benchmark: Floats, models: Floats, block: int, draws: int, seed: int
) -> dict[str, float] | None:
    """Whether any model beats the benchmark, corrected for having tried all of them (Hansen 2005).

    Args:
        benchmark: (n,) losses by date.
        models: (n, m) losses by date.
        block: block length of the stationary bootstrap.
        draws: bootstrap draws.
        seed: of the bootstrap.

    Returns:
        `p_lower, p_consistent, p_upper` of the hypothesis that no model is better; None without a model or
        with few dates.
    """
    from arch.bootstrap import SPA

    differs = np.ptp(models - benchmark[:, None], axis=0) > 1e-12 if models.size else np.array([])
    if benchmark.size < MINIMUM_DATES or not differs.any():
        return None
    test = SPA(benchmark, models[:, differs], block_size=block, reps=draws, bootstrap="stationary", seed=seed)
    test.compute()
    return {f"p_{name}": float(test.pvalues[name]) for name in ("lower", "consistent", "upper")}


def confidence_set(
    losses: Mapping[str, Floats], block: int, draws: int, seed: int, confidence: float
) -> list[str] | None:
    """The model confidence set: the models that cannot be distinguished from the best (Hansen, Lunde & Nason
    2011).

    Args:
        losses: (n,) by date for each model.
        block: block length of the stationary bootstrap.
        draws: bootstrap draws.
        seed: of the bootstrap.
        confidence: chance that the truly best model is in the set.

    Returns:
        Names in the order given; None with one model or few dates.
    """
    import pandas as pd
    from arch.bootstrap import MCS

    distinct: dict[bytes, list[str]] = {}
    for name, values in losses.items():
        distinct.setdefault(np.round(values, 12).tobytes(), []).append(name)
    first = [names[0] for names in distinct.values()]
    if len(losses) < 2 or next(iter(losses.values())).size < MINIMUM_DATES:
        return None
    if len(first) == 1:
        return list(losses)
    table = pd.DataFrame({name: losses[name] for name in first})
    found = MCS(table, size=1.0 - confidence, reps=draws, block_size=block, bootstrap="stationary", seed=seed)
    found.compute()
    kept = {twin for names in distinct.values() if names[0] in found.included for twin in names}
    return [name for name in losses if name in kept]
