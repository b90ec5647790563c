"""Power of a question, measured after the runs, to compare with what the preview promised.

Judges nothing; an effect larger than the margin may still reach a verdict.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lib.scaling.decision import number
from lib.scaling.remedies import precision
from lib.scaling.verdicts import Evidence


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
        return {
            "detectable_gain": None, "margin": None, "able": 0, "curves": len(curves), "enough": None,
            "text": text, "remedies": [],
        }  # fmt: skip
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
