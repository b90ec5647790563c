"""Measures of a series of returns, whatever produced them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr, ndtri

from lib.metrics.classification import Floats

EULER_MASCHERONI = 0.5772156649015329
_NEGLIGIBLE = 1e-15


def sharpe_ratio(returns: npt.ArrayLike) -> float | None:
    """Mean over standard deviation (ddof 1) of returns per bar, not annualised, no riskless rate deducted.

    None with fewer than two returns, or if they do not vary. Sharpe (1966).
    """
    r = np.asarray(returns, dtype=np.float64)
    if r.size < 2 or (deviation := float(r.std(ddof=1))) <= _NEGLIGIBLE:
        return None
    return float(r.mean()) / deviation


def max_drawdown(equity: npt.ArrayLike) -> float:
    """Largest fall from an earlier peak, as a positive fraction; the peak may be the start value 1.

    >>> max_drawdown([1.0, 2.0, 1.5])
    0.25
    """
    e = np.asarray(equity, dtype=np.float64)
    return float(np.max(drawdowns(e))) if e.size else 0.0


def drawdowns(equity: npt.ArrayLike) -> Floats:
    """Fall below the highest value so far (at least the start value 1), as positive fractions; (n,).

    >>> drawdowns([1.0, 2.0, 1.5]).tolist()
    [0.0, 0.0, 0.25]
    """
    e = np.asarray(equity, dtype=np.float64)
    return 1.0 - e / np.maximum(np.maximum.accumulate(e), 1.0) if e.size else e


def moments(returns: npt.ArrayLike) -> tuple[float, float]:
    """Skewness and kurtosis (3 if normal) of returns, by population moments; (0, 3) if constant."""
    r = np.asarray(returns, dtype=np.float64)
    if r.size == 0 or (deviation := float(r.std())) <= _NEGLIGIBLE:
        return 0.0, 3.0
    z = (r - r.mean()) / deviation
    return float(np.mean(z**3)), float(np.mean(z**4))


def probabilistic_sharpe(
    sharpe: float, n: int, skewness: float, kurtosis: float, benchmark: float = 0.0
) -> float | None:
    """Probability that the true Sharpe ratio exceeds `benchmark`, all per bar.

    Bailey & López de Prado (2012), *The Sharpe ratio efficient frontier*:
    ``Phi((SR - SR*) sqrt(n-1) / sqrt(1 - skew SR + (kurt-1)/4 SR^2))``.
    """
    variance = 1.0 - skewness * sharpe + (kurtosis - 1.0) / 4.0 * sharpe**2
    if n < 2 or variance <= 0:
        return None
    return float(ndtr((sharpe - benchmark) * math.sqrt(n - 1) / math.sqrt(variance)))


def expected_best_sharpe(trial_sharpes: Sequence[float], trials: int) -> float | None:
    """Expected highest Sharpe ratio of `trials` strategies without any skill.

    Bailey & López de Prado (2014), *The deflated Sharpe ratio*: the standard deviation of the trials' ratios
    times ``(1-g) Phi^-1(1 - 1/N) + g Phi^-1(1 - 1/(N e))`` with the Euler–Mascheroni constant g.

    Args:
        trial_sharpes: known ratios, all per the same span of time; their variance stands for that of all
            trials.
        trials: number of trials, those without a known ratio included.

    Returns:
        None with fewer than two known ratios; 0 with a single trial.
    """
    if trials <= 1:
        return 0.0
    if len(trial_sharpes) < 2:
        return None
    deviation = float(np.std(trial_sharpes, ddof=1))
    first, second = float(ndtri(1.0 - 1.0 / trials)), float(ndtri(1.0 - 1.0 / (trials * math.e)))
    return deviation * ((1.0 - EULER_MASCHERONI) * first + EULER_MASCHERONI * second)
