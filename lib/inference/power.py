"""The smallest effect that a test set can show, computed from its size before anything is trained.

Pure functions of samples, base rate and horizon; n overlapping labels of H bars count as n / H independent
ones. Once there are predictions, measured noise replaces these assumptions (`Estimate.detectable`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from scipy.special import ndtri

LOGIT_GAP = 0.3
"""Assumed standard deviation of the difference between two models' log-odds, in nats."""
CONFIDENCE = 0.95
POWER = 0.8


@dataclass(frozen=True)
class Detectable:
    """What a test set can show in four of five repetitions (or with another declared power)."""

    effective_n: float
    auc: float | None
    """Smallest AUC that would be found different from 0.5."""
    log_loss: float | None
    """Smallest difference in log loss (nats) between two models that would be found different from 0."""
    relative_mse: float | None
    """Smallest relative fall in squared error between two models that would be found."""


def detectable(
    n: int,
    base_rate: float | None,
    horizon: int,
    confidence: float = CONFIDENCE,
    power: float = POWER,
    logit_gap: float = LOGIT_GAP,
) -> Detectable:
    """The smallest detectable effects of a test set: its AUC, and a difference in loss.

    Args:
        n: test samples of one symbol.
        base_rate: share of class 1; None for regression.
        horizon: bars that labels look ahead; n / horizon labels count as independent.
        confidence: of the two-sided test.
        power: chance to find an effect of this size.
        logit_gap: assumed standard deviation of the difference of two models' log-odds; for regression, of
            the difference of two forecasts in units of the target's standard deviation.
    """
    effective = n / horizon
    if base_rate is None:
        return Detectable(effective, None, None, _relative_mse(effective, confidence, power, logit_gap))
    return Detectable(
        effective,
        detectable_auc(effective, base_rate, confidence, power),
        detectable_log_loss(effective, base_rate, confidence, power, logit_gap),
        None,
    )


def detectable_auc(
    effective_n: float, base_rate: float, confidence: float = CONFIDENCE, power: float = POWER
) -> float | None:
    """Smallest AUC above 0.5 that n independent samples show: A - 0.5 = z_a se(0.5) + z_b se(A).

    Standard errors by Hanley & McNeil (1982). None with one class, or if even an AUC of 1 would not be shown.
    """
    positives, negatives = effective_n * base_rate, effective_n * (1.0 - base_rate)
    if min(positives, negatives) < 2:
        return None
    from scipy.optimize import brentq  # importing takes a second, which planning a study does not need

    z_level, z_power = float(ndtri((1.0 + confidence) / 2.0)), float(ndtri(power))

    def missing(auc: float) -> float:
        reach = z_level * auc_standard_error(0.5, positives, negatives)
        return auc - 0.5 - reach - z_power * auc_standard_error(auc, positives, negatives)

    return float(brentq(missing, 0.5, 1.0)) if missing(1.0) > 0 else None


def auc_standard_error(auc: float, positives: float, negatives: float) -> float:
    """Standard error of an AUC by Hanley & McNeil (1982), with their exponential approximation.

    >>> round(auc_standard_error(0.5, positives=100, negatives=100), 3)
    0.041
    """
    first, second = auc / (2.0 - auc), 2.0 * auc**2 / (1.0 + auc)
    variance = (
        auc * (1.0 - auc) + (positives - 1.0) * (first - auc**2) + (negatives - 1.0) * (second - auc**2)
    )
    return math.sqrt(max(0.0, variance) / (positives * negatives))


def detectable_log_loss(
    effective_n: float,
    base_rate: float,
    confidence: float = CONFIDENCE,
    power: float = POWER,
    logit_gap: float = LOGIT_GAP,
) -> float | None:
    """Smallest difference in mean log loss between two models that n independent samples show, in nats.

    To first order the difference of one sample is (y - p) times the difference of the log-odds, so its
    standard deviation is sqrt(p (1 - p)) times `logit_gap`; the usual formula of sample-size planning
    (Cohen 1988) does the rest.

    >>> round(detectable_log_loss(250, 0.5, confidence=0.95, power=0.8, logit_gap=0.3), 4)
    0.0266
    """
    if effective_n < 2 or not 0 < base_rate < 1:
        return None
    deviation = math.sqrt(base_rate * (1.0 - base_rate)) * logit_gap
    return _reach(effective_n, confidence, power) * deviation


def _relative_mse(effective_n: float, confidence: float, power: float, gap: float) -> float | None:
    """The difference of squared errors of one sample is 2 y (f - g) to first order."""
    return None if effective_n < 2 else 2.0 * gap * _reach(effective_n, confidence, power)


def _reach(effective_n: float, confidence: float, power: float) -> float:
    return float(ndtri((1.0 + confidence) / 2.0) + ndtri(power)) / math.sqrt(effective_n)
