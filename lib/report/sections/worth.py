"""What a curve is worth: whether its prediction came true, whether more compute pays, whether a linear model
is behind it. Words for what the evaluation has measured; measures only how long the runs took.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from lib.report.compared import Compared, axis_of, point_of
from lib.report.wording import (
    DASH,
    Names,
    Triple,
    curve_name,
    duration,
    finite,
    interval,
    number,
    triple_holm,
    triple_of,
)
from lib.scaling.axes import Row
from lib.scaling.words import of_all, sentence


def foretold(curve: Row) -> str:
    """The prediction for the largest scale point and its outcome; empty where there was none."""
    return str((curve.get("prediction") or {}).get("text") or "")


def kept_word(curve: Row) -> str:
    """`inside`, `outside`, or why neither."""
    prediction = curve.get("prediction") or {}
    if not prediction:
        return DASH
    if not prediction.get("on_record"):
        return "not on record"
    return {True: "inside", False: "outside"}.get(prediction.get("inside"), "no interval")  # type: ignore[arg-type]


def predicted_words(curves: Sequence[Row], decisive: Row | None, names: Names) -> list[str]:
    """The prediction of the curve that decides the answer, and the number of curves whose prediction came
    true."""
    predicted = [curve for curve in curves if foretold(curve)]
    if not predicted:
        return []
    own = decisive if decisive is not None and foretold(decisive) else predicted[0]
    if len(predicted) == 1:
        return [foretold(own)]
    known = [kept for curve in predicted if (kept := curve["prediction"].get("inside")) is not None]
    count = of_all(len(known), len(predicted), "curve")
    kept = f"; the outcome was inside in {of_all(sum(known), len(known), 'curve')}" if known else ""
    return [
        f"{curve_name(own, names)}: {foretold(own)}",
        f"{sentence(count)} had a prediction with an interval on record{kept}.",
    ]


def lift_of(curve: Row, point: Row, compared: Compared) -> Triple:
    """How far a scale point's loss is below that of the linear model on the same dates, by Holm's interval;
    positive is better. Unknown where no linear model was run on them."""
    row = compared.against_others(curve, point_of(point))
    value, low, high = triple_holm(row, "over_linear") if row is not None else (None, None, None)
    return (None if value is None else -value, None if high is None else -high, None if low is None else -low)


def _best(curve: Row, compared: Compared) -> tuple[str, Triple] | None:
    """The scale point furthest ahead of the linear model."""
    found = [(str(p.get("point")), lift_of(curve, p, compared)) for p in curve.get("points") or []]
    known = [(at, span) for at, span in found if span[0] is not None]
    return max(known, key=lambda one: one[1][0] or 0.0, default=None)


def best_lift(curve: Row, compared: Compared) -> str:
    """Lead of the best scale point over the linear model."""
    best = _best(curve, compared)
    return interval(*best[1]) if best else DASH


def beside_linear(curve: Row, compared: Compared) -> str:
    """Whether a linear model is beaten: a law of worse models has no use."""
    best = _best(curve, compared)
    if best is None:
        return "No linear model was run on these samples."
    at, (value, low, _) = best
    if low is not None and low > 0:
        return f"{at} beats the linear model by {interval(*best[1])}."
    if value is not None and value <= 0:
        return (
            f"No scale point is ahead of the linear model ({at} by {interval(*best[1])}): "
            "this law is of no use."
        )
    return f"No scale point clearly beats the linear model ({at} by {interval(*best[1])})."


def worth_words(curve: Row, margin: float | None, compared: Compared) -> list[str]:
    """One sentence on whether a tenfold larger model is worth its compute, and one on whether a linear model
    is beaten."""
    if axis_of(curve) != "parameters":
        return []
    return [text for text in (_worth(curve, margin, compared), beside_linear(curve, compared)) if text]


_NOTHING_SHOWN = ("absent", "unmeasured", "seeds", "collapsed")
"""Gates behind which neither a gain nor its absence is shown."""


def _worth(curve: Row, margin: float | None, compared: Compared) -> str:
    change, low, high = triple_of(curve.get("slope"))
    if change is None or margin is None:
        return ""
    undecided = curve.get("verdict") == "undecidable"
    if curve.get("gate") == "controls":
        answer = "unknown while a control fails"
    elif undecided and curve.get("gate") in _NOTHING_SHOWN:
        answer = "these runs cannot tell"
    elif curve.get("moot"):
        answer = "no, since no size beats the base rate"
    elif high is not None and -high >= margin and curve.get("verdict") == "scales":
        answer = "yes"
    elif low is not None and -low < margin:
        answer = "no"
    else:
        answer = "these runs cannot tell"
    return (
        f"Worth more compute? {answer[:1].upper()}{answer[1:]}: tenfold parameters change the loss by "
        f"{interval(change, low, high)} (less is better; margin {number(margin, 3)}){_cost(curve, compared)}."
    )


def _cost(curve: Row, compared: Compared) -> str:
    """What a tenfold of parameters has cost in time, and would cost once more."""
    points = compared.points(curve)
    sizes = {str(p.get("point")): finite(p.get("size")) for p in curve.get("points") or []}
    spent = {
        at: sum(float(row.get("total_seconds") or 0.0) for row in rows if row.get("status") == "done")
        for at, rows in points.items()
        if sizes.get(at)
    }
    if len(spent) < 2:
        return ""
    first, *_, last = spent
    apart = math.log10(float(sizes[last] or 1.0) / float(sizes[first] or 1.0))
    if not spent[first] or not spent[last] or apart <= 0:
        return ""
    factor = (spent[last] / spent[first]) ** (1.0 / apart)
    return (
        f" and take {factor:.3g} times the time; the runs of {last} took {duration(spent[last])}, those of "
        f"the next tenfold would take {duration(spent[last] * factor)}"
    )
