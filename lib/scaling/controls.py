"""Whether the study's controls came out as they must.

null: nothing can be learned, so forecasts must be at chance and no size may gain. leak: tomorrow's return is
planted as a channel, so the alarm "too good to be true" must go off. positive: a signal of known strength, of
which most must be found at every size. law: forecasts whose loss is known to fall with size, or known not to,
so the verdict must be exactly that. A study whose controls fail decides nothing, and one that lacks some
decides less: both are listed here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any

from lib.inference.comparisons import Estimate
from lib.scaling.preconditions import LEAST_SEEDS
from lib.scaling.words import model_words

NULL_LEVEL = 0.999
"""Joint confidence of a study's null controls: a sound workflow fails in one study of a thousand."""
TAINTS_ALL = ("null_control", "law_control")
"""If one of these fails, intervals or verdicts are wrong, whatever model they are about."""
REQUIRED_SHARE = 0.7
_ROUNDING = 1e-9


@dataclass(frozen=True)
class ControlResult:
    """Outcome of one control, with a sentence that says why."""

    passed: bool
    reason: str
    auc: float | None = None
    low: float | None = None
    high: float | None = None
    required_auc: float | None = None


def null_level(tests: int) -> float:
    """Confidence of each of `tests` intervals at which all hold jointly at 99.9 % (Bonferroni)."""
    return 1.0 - (1.0 - NULL_LEVEL) / max(1, tests)


def null_control(
    auc: Estimate | None, level: float, false_gain: tuple[float, float] | None = None
) -> ControlResult:
    """The null control fails if its test AUC lies further from 0.5 than shifted labels put it.

    A failure is no sign of a channel that knows the future: with shifted labels no future can leak. Either
    labels of the test part reached the training, or size changes the loss by other means than learning, or
    its interval is wrong.

    Args:
        auc: test AUC over all folds, averaged over seeds, with its spread over circular shifts; None if it
            could not be measured.
        level: confidence of the interval, from `null_level`.
        false_gain: gain and its lower limit at the same level, if a larger model seemed better by at least
            the margin where nothing can be learned; that fails the control too.
    """
    if auc is None:
        return ControlResult(False, "The test AUC could not be measured.")
    low, high = auc.interval(level)
    if low is None or high is None:
        reason = "The test set is too short for an interval, so the control shows nothing."
        return ControlResult(False, reason, auc.value)
    span = f"AUC {auc.value:.3f} [{low:.3f}, {high:.3f}]"
    if low > 0.5 + _ROUNDING or high < 0.5 - _ROUNDING:
        side = "above" if low > 0.5 else "below"
        reason = (
            f"{span} lies {side} 0.5 by more than chance although nothing can be learned: look for labels of "
            "the test part in training."
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
        return ControlResult(False, "The test AUC could not be measured.")
    low, high = auc.interval(NULL_LEVEL)
    if planted_auc is None:
        reason = "The best reachable AUC of this market is not known, so the control shows nothing."
        return ControlResult(False, reason, auc.value, low, high)
    required = 0.5 + REQUIRED_SHARE * (planted_auc - 0.5)
    passed = auc.value >= required - _ROUNDING
    verb = "reaches" if passed else "misses"
    reason = f"AUC {auc.value:.3f} {verb} the required {required:.3f} (best reachable {planted_auc:.3f})."
    return ControlResult(passed, reason, auc.value, low, high, required)


def chance_to_pass(planted_auc: float, n: int) -> float:
    """Probability that a forecast which finds the whole planted signal passes the positive control.

    The test AUC is taken as normal, with the largest standard deviation that n samples, half of them of class
    1, allow at chance, sqrt((n + 1) / (3 n²)) (Hanley & McNeil 1982); at an AUC above 0.5 it is smaller.
    """
    from scipy.special import ndtr

    deviation = math.sqrt((n + 1) / 3.0) / n
    return float(ndtr((1.0 - REQUIRED_SHARE) * (planted_auc - 0.5) / deviation))


def leak_control(alarms: Mapping[int, bool], auc: Estimate | None) -> ControlResult:
    """The leak control passes if the alarm went off in every run.

    Args:
        alarms: by seed, whether the alarm "too good to be true" went off.
        auc: test AUC, averaged over seeds; shown, not judged.
    """
    low, high = auc.interval(NULL_LEVEL) if auc else (None, None)
    value = auc.value if auc else None
    silent = [str(seed) for seed, alarm in alarms.items() if not alarm]
    if silent or not alarms:
        which = f" (seed {', '.join(silent)})" if silent else ""
        reason = (
            f"The alarm did not go off though tomorrow's return was a channel{which}: "
            "a leak would pass unseen."
        )
        return ControlResult(False, reason, value, low, high)
    return ControlResult(True, "The alarm went off, as it must: a leak would be seen.", value, low, high)


def law_control(expected: str, verdict: str, why: str) -> ControlResult:
    """The law control passes if the verdict is the one for which its market and model were made.

    Args:
        expected: the verdict.
        verdict: that of the rule.
        why: its sentence.
    """
    if verdict == expected:
        return ControlResult(True, f"The verdict is {verdict}, as it must be.")
    return ControlResult(False, f"The verdict is {verdict} where {expected} was planted: {why}")


def control_name(entry: Mapping[str, Any]) -> str:
    """`control_null of patchtst 2M`; no size where all are judged together."""
    return f"{entry['experiment']} of {model_words(entry['model'], entry['budget'])}"


def failed_controls(entries: Sequence[Mapping[str, Any]], model: str) -> list[str]:
    """The failed controls that concern a model, by name: every null and law control, its own others.

    A wrong interval or verdict invalidates everything; a planted signal that another model missed says
    nothing about this one.
    """
    return [
        control_name(entry)
        for entry in entries
        if not entry["passed"] and (entry["role"] in TAINTS_ALL or entry["model"] == model)
    ]


def undeclared_controls(
    entries: Sequence[Mapping[str, Any]], model: str, budgets: Sequence[str] = ()
) -> list[str]:
    """The controls that a study lacks for verdicts about a model, in words.

    Args:
        entries: outcomes of the controls that are declared.
        model: that the verdicts are about.
        budgets: the sizes that are compared, if any.
    """
    found: dict[str, set[str]] = {}
    compared = False
    for entry in entries:
        own = entry["model"] == model
        compared = compared or (own and bool(entry["compares_sizes"]))
        words = {str(entry["budget"])} if own else set()
        found[entry["role"]] = found.get(entry["role"], set()) | words
    verdicts = {str(entry.get("expects")) for entry in entries if entry["role"] == "law_control"}
    return lacking_controls(model, budgets, found, compared, verdicts)


def lacking_controls(
    model: str, budgets: Sequence[str], found: Mapping[str, Set[str]], compared: bool, verdicts: Set[str]
) -> list[str]:
    """The missing controls that weaken verdicts about a model, in words; empty if none is missing.

    Args:
        model: that the verdicts are about.
        budgets: the sizes that are compared; fewer than two compare none.
        found: by role of each kind of control that is declared, its budgets with this model.
        compared: whether a null control compares sizes of this model.
        verdicts: what the law controls expect.
    """
    sizes = list(budgets) if len(budgets) > 1 else []
    lacking = []
    if "null_control" not in found:
        lacking.append("no null control")
    elif sizes and not compared:
        lacking.append(f"no null control of {model} in several sizes and {LEAST_SEEDS} seeds")
    for role, word in (("leak_control", "leak"), ("positive_control", "positive")):
        own = found.get(role, set())
        if not own:
            lacking.append(f"no {word} control of {model}")
        elif missing := [budget for budget in sizes if budget not in own]:
            lacking.append(f"no {word} control of {model} at {', '.join(missing)}")
    if sizes and (unseen := [verdict for verdict in ("scales", "flat") if verdict not in verdicts]):
        lacking.append(f"no law control that expects {' or '.join(unseen)}")
    return lacking
