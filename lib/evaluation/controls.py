"""Whether the study's controls came out as they must.

The null control holds nothing to be learned and must come out at chance; the positive control holds a planted
signal of known strength and most of it must be found. A study whose controls fail decides nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

from lib.evaluation.comparisons import Estimate

NULL_LEVEL = 0.999
REQUIRED_SHARE = 0.7
_ROUNDING = 1e-9


@dataclass(frozen=True)
class ControlResult:
    """Outcome of one control, with a sentence that says why."""

    passed: bool
    reason: str
    auc: float | None
    low: float | None
    high: float | None
    required_auc: float | None = None


def null_control(auc: Estimate | None, false_gain: tuple[float, float] | None = None) -> ControlResult:
    """The null control fails if the 99.9 % interval of its test AUC excludes 0.5.

    Args:
        auc: test AUC, averaged over seeds; None if it could not be measured.
        false_gain: gain and its lower 99.9 % limit, if a larger model seemed better by at least the margin
            where nothing can be learned; that fails the control too.
    """
    if auc is None:
        return ControlResult(False, "The test AUC could not be measured.", None, None, None)
    low, high = auc.interval(NULL_LEVEL)
    if low is None or high is None:
        reason = "The test set is too short for an interval, so the control shows nothing."
        return ControlResult(False, reason, auc.value, None, None)
    span = f"AUC {auc.value:.3f} [{low:.3f}, {high:.3f}]"
    if low > 0.5 + _ROUNDING or high < 0.5 - _ROUNDING:
        side = "above" if low > 0.5 else "below"
        reason = (
            f"{span} lies {side} 0.5 although nothing can be learned: information leaks or the test is wrong."
        )
        return ControlResult(False, reason, auc.value, low, high)
    if false_gain is not None:
        reason = (
            f"The loss seems to fall by {false_gain[0]:.2g} with size (at least {false_gain[1]:.2g}) "
            "although nothing can be learned: size changes the loss by other means than learning."
        )
        return ControlResult(False, reason, auc.value, low, high)
    return ControlResult(True, f"{span} includes 0.5, as it must.", auc.value, low, high)


def positive_control(auc: Estimate | None, planted_auc: float | None) -> ControlResult:
    """The positive control passes if at least 70 % of the planted AUC above 0.5 is found.

    Args:
        auc: test AUC, averaged over seeds; None if it could not be measured.
        planted_auc: the best AUC that the synthetic market allows.
    """
    if auc is None:
        return ControlResult(False, "The test AUC could not be measured.", None, None, None)
    low, high = auc.interval(NULL_LEVEL)
    if planted_auc is None:
        reason = "The best reachable AUC of this market is not known, so the control shows nothing."
        return ControlResult(False, reason, auc.value, low, high)
    required = 0.5 + REQUIRED_SHARE * (planted_auc - 0.5)
    passed = auc.value >= required - _ROUNDING
    verb = "reaches" if passed else "misses"
    reason = f"AUC {auc.value:.3f} {verb} the required {required:.3f} (best reachable {planted_auc:.3f})."
    return ControlResult(passed, reason, auc.value, low, high, required)
