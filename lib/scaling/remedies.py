"""What would change a decision: everything that is missing, one sentence each; and what a question can show.

The power of a question is measured after the runs, to compare with what the preview promised; an effect
larger than the margin may still reach a verdict. Decides nothing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from scipy.special import stdtrit

from lib.scaling.decision import Decision, number
from lib.scaling.preconditions import LEAST_SEEDS
from lib.scaling.verdicts import Evidence


def change_of_mind(decision: Decision, evidence: Evidence, power: float) -> list[str]:
    """What would change the decision on a curve: first the gate that decided, then all else that is missing.

    Args:
        decision: on the curve.
        evidence: that it rests on.
        power: chance with which a gain of the margin should be found.
    """
    lacking = _of_preconditions(evidence)
    lacking += _of_gate(decision, evidence)
    if decision.verdict == "undecidable":
        lacking += _skill(evidence) + precision(evidence, power)
    if evidence.undeclared_controls:
        lacking.append(
            f"Controls that the study does not declare: {'; '.join(evidence.undeclared_controls)}."
        )
    beyond = (
        f"An effect clearly beyond or clearly within {number(evidence.margin)}: the test set could show it."
    )
    return list(dict.fromkeys(lacking)) or [beyond]


def _of_preconditions(e: Evidence) -> list[str]:
    out = []
    if e.absent:
        out.append(f"Runs at {', '.join(e.absent)}.")
    if e.failed_controls:
        out.append("The controls must pass before anything here can be read.")
    if e.few_seeds:
        wanted = max(LEAST_SEEDS - n for n in e.few_seeds.values())
        more = "one more seed" if wanted == 1 else "two more seeds"
        out.append(f"At least {more} at {', '.join(e.few_seeds)}.")
    if e.few_searches:
        out.append(
            f"Three searches at {', '.join(e.few_searches)} (`searches: 3`), and as many seeds at least."
        )
    if e.collapsed:
        out.append(
            f"Runs at {', '.join(e.collapsed)} that learn something: other training, not a longer test."
        )
    return out


def _of_gate(decision: Decision, e: Evidence) -> list[str]:
    """What the deciding gate needs."""
    margin = number(e.margin)
    if decision.verdict == "scales":
        return [f"Another test period in which the gain falls below {margin}, or a confound along the axis."]
    if decision.verdict == "flat":
        return [f"A gain beyond ±{margin} in another test period, or with better recipes along the axis."]
    if decision.verdict == "worsens":
        recipe = f"A recipe under which {e.last} is no worse than {e.first}"
        return [f"{recipe}, or another test period that shows it."]
    if decision.gate == "unmeasured":
        return ["A longer test set." if e.gain is not None else "Runs that can be compared."]
    if decision.gate == "skill" and e.skilled:
        return [f"Evidence that {e.best} beats {e.baseline}."]
    if decision.gate == "reversal":
        return ["Training in between that does not fall behind, or a reason why size hurts there."]
    if decision.gate == "recalibration" and e.recalibrated is not None:
        return ["A gain that is left after recalibration: knowledge, not a better stated probability."]
    return []


def _skill(e: Evidence) -> list[str]:
    """What stands in the way of any claim but *flat*, whichever gate decided."""
    if e.gain is None:
        return []
    out = []
    if not e.skill:
        out.append("The base rate of the training labels of every run.")
    elif not e.skilled:
        out.append(f"A task, data or a recipe with which some scale point beats {e.baseline}.")
    if e.recalibrated is None:
        out.append("A calibration part of at least 50 samples with five of either class at both ends.")
    return out


def precision(e: Evidence, power: float) -> list[str]:
    """How many times the present dates and seeds would show a gain of the margin."""
    if e.gain is None or e.gain.se_dates is None:
        return []
    degrees = e.gain.degrees_of_freedom
    reach = float(stdtrit(degrees, (1.0 + e.confidence) / 2.0) + stdtrit(degrees, power))
    dates, seeds = (reach * noise / e.margin for noise in (e.gain.se_dates, e.gain.se_seeds))
    if math.hypot(dates, seeds) <= 1.0:
        return []
    # Either noise may take half of the variance that the margin allows, and whatever the other leaves unused.
    times_seeds = 2.0 * seeds**2 if seeds**2 > 0.5 else 1.0
    times_dates = dates**2 / (1.0 - seeds**2 / times_seeds)
    margin = number(e.margin)
    out = []
    if times_dates > 1.0:
        out.append(
            f"About {_times(times_dates)} times as many test dates (walk-forward folds, or a longer test), "
            f"so that a gain of {margin} could be shown."
        )
        if e.horizon > 1:
            out.append(
                f"A horizon of 1 bar: the same dates hold {e.horizon} times as many labels that do not "
                "overlap."
            )
    if times_seeds > 1.0:
        out.append(f"About {_times(times_seeds)} times as many seeds, whose noise hides a gain of {margin}.")
    return out


def _times(value: float) -> str:
    if value >= 1000:
        return "a thousand or more"
    return f"{value:.1f}" if value < 10 else str(math.ceil(value))


def question_power(curves: Sequence[Evidence], nats: Sequence[float], power: float) -> dict[str, Any]:
    """The smallest gain that the weakest curve of a question can show, and what would show the margin.

    Args:
        curves: evidence of each curve.
        nats: what one unit of each curve's loss is worth in nats.
        power: chance to find the gain.

    Returns:
        `detectable_gain, margin` (nats, of the weakest curve), `able` of `curves`, `enough`, `text`,
        `remedies`; `enough` is None where nothing has been measured.
    """
    known = [
        (one.detectable_gain / one.margin, one, unit)
        for one, unit in zip(curves, nats, strict=True)
        if one.detectable_gain is not None
    ]
    if not known:
        text = "What this question can show is not known: no gain has been measured."
        unknown = dict.fromkeys(("detectable_gain", "margin", "enough"))
        return unknown | {"able": 0, "curves": len(curves), "text": text, "remedies": []}
    _, weakest, unit = max(known, key=lambda one: one[0])
    able = sum(ratio <= 1.0 for ratio, _, _ in known)
    enough = able == len(curves)
    shows, margin = weakest.detectable_gain or 0.0, weakest.margin
    where = "" if len(curves) == 1 else f" in the weakest of {len(curves)} curves"
    can = "can answer" if enough else "cannot show its margin"
    text = (
        f"This question {can}: with a chance of {power:.0%} it shows a gain of {number(shows * unit)} nats"
        f"{where}, at a margin of {number(margin * unit)}."
    )
    return {
        "detectable_gain": shows * unit,
        "margin": margin * unit,
        "able": able,
        "curves": len(curves),
        "enough": enough,
        "text": text,
        "remedies": [] if enough else precision(weakest, power),
    }
