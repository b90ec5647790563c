"""Plain wording of verdicts and gates, the same everywhere in the report. Judges nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lib.report.wording import first_lower

_WORDS = {
    # axis: what is more of, and in plain words that it helps, that it does not matter, that it hurts
    "parameters": (
        "Larger models", "Yes, larger is better.", "No, size does not matter.", "No, larger is worse."),
    "features": (
        "More input channels", "Yes, more channels are better.", "No, more channels do not matter.",
        "No, more channels are worse."),
    "data": (
        "More training data", "Yes, more data are better.", "No, more data do not matter.",
        "No, more data are worse."),
    "context": (
        "Longer windows", "Yes, longer windows are better.", "No, their length does not matter.",
        "No, longer windows are worse."),
    "quality": (
        "Further kinds of data", "Yes, further data help.", "No, further data do not matter.",
        "No, further data hurt."),
    "assets": (
        "More assets", "Yes, more assets help.", "No, more assets do not matter.", "No, more assets hurt."),
}  # fmt: skip
_GATES = {
    "absent": "runs are missing", "unmeasured": "not measured", "controls": "a control failed",
    "seeds": "too few seeds", "collapsed": "nothing learned", "skill": "no skill shown",
    "gain": "gain not clear", "margin": "below the margin", "reversal": "reversed in between",
    "recalibration": "gone once recalibrated", "equivalence": "not flat in between",
}  # fmt: skip
"""Why a curve has no answer, by the gate that decided."""
EXPLORATORY = (
    "Exploratory: corrected for its own curves only. A hint for another study, no finding of this one."
)


def verdict_words(curve: Mapping[str, Any]) -> str:
    """`scales`, `moot`, or `undecidable: too few seeds`."""
    verdict = str(curve.get("verdict", ""))
    if curve.get("moot"):
        return "moot: no skill"
    gate = _GATES.get(str(curve.get("gate"))) if verdict == "undecidable" else None
    return f"{verdict}: {gate}" if gate else verdict


def answer_words(axis: str, question: Mapping[str, Any]) -> tuple[str, str]:
    """The answer in a few words, and in a sentence."""
    more, yes, no, worse = _WORDS.get(axis, _WORDS["parameters"])
    verdict = question.get("verdict")
    if verdict == "scales":
        return yes, f"{more} forecast better, by at least the margin declared beforehand."
    if verdict == "flat":
        return no, f"{more}: any effect is smaller than the margin declared beforehand."
    if verdict == "worsens":
        return worse, f"{more} forecast worse, by at least the margin declared beforehand."
    whether = first_lower(more)
    if question.get("moot"):
        return (
            "Moot: no skill.",
            f"Nothing here beats the base rate, so it is idle to ask whether {whether} do.",
        )
    return "Undecided.", f"These runs cannot tell whether {whether} forecast better."


def more_of(axis: str) -> str:
    """What there is more of along an axis."""
    return _WORDS.get(axis, _WORDS["parameters"])[0]
