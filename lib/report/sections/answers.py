"""The answers at the top of the page: the verdict of each question in plain words, the numbers that decide
it, and what would change it. Takes verdicts from the evaluation unchanged.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from lib.report.compared import Compared, named_runs, seeds_by_size, seeds_words, unfinished
from lib.report.inputs import ReportInputs
from lib.report.page import Column, ReportCheck, Table, TableCell, VerdictLine
from lib.report.sections.worth import best_lift, kept_word, predicted_words, worth_words
from lib.report.svg import Strip
from lib.report.verdict_wording import EXPLORATORY, answer_words, more_of, verdict_words
from lib.report.wording import (
    Names,
    count,
    curve_name,
    finite,
    interval,
    metric_words,
    model_words,
    number,
    plural,
    prose,
)

_FOLD_BEYOND = 12
_STEPS = 12
"""Most steps that are shown per answer, of the question and its curves: enough for every kind
(`lib.scaling.remedies`), unless curves differ in their scale points as well."""
_TIMES = re.compile(r"About (.+?) times(?= as many)")
_AMOUNT = "{amount}"


def verdicts(inputs: ReportInputs, names: Names) -> list[VerdictLine]:
    """One verdict per question, in the order of the study."""
    compared, questions = Compared(inputs), list(inputs.scaling.get("questions") or [])
    return [_verdict(question, compared, names, len(questions) > 1) for question in questions]


def gain_of(curve: Mapping[str, Any]) -> tuple[float | None, float | None, float | None]:
    """Gain in loss from the smallest to the largest size, with the interval that the verdict is based on."""
    gain = curve.get("gain") or {}
    low, high = (finite(gain.get(f"{end}_holm")) for end in ("low", "high"))
    if low is None or high is None:
        low, high = finite(gain.get("low")), finite(gain.get("high"))
    return finite(gain.get("estimate")), low, high


def deciding_gain(curve: Mapping[str, Any]) -> tuple[float | None, float | None, float | None]:
    """Like `gain_of`; of a flat curve with the interval that judges equivalence."""
    pairs = (curve.get("equivalence") or {}).get("pairs") or []
    if curve.get("verdict") != "flat" or not pairs:
        return gain_of(curve)
    ends = next(pair for pair in pairs if (pair["from"], pair["to"]) == (pairs[0]["from"], pairs[-1]["to"]))
    return finite(ends["estimate"]), finite(ends["low"]), finite(ends["high"])


def ends_of(curve: Mapping[str, Any]) -> str:
    """`from 2M to 200M`: the measured scale points."""
    points = curve.get("points") or []
    return f"from {point_of(points[0])} to {point_of(points[-1])}" if points else "from smallest to largest"


def point_of(point: Mapping[str, Any]) -> str:
    """Name of a point on its axis: a budget, a number of channels, a share of the data, a row or column."""
    return str(point.get("budget") or point.get("point"))


def _verdict(question: Mapping[str, Any], compared: Compared, names: Names, one_of: bool) -> VerdictLine:
    verdict = str(question.get("verdict", "undecidable"))
    axis = str(question.get("axis") or "parameters")
    answer, sentence = answer_words(axis, question)
    curves = list(question.get("curves") or [])
    decisive = _decisive(verdict, curves, question.get("margin"))
    margin = _margin(decisive or {}, question.get("margin"))
    reason = str(question.get("reason") or "")
    own = str((decisive or {}).get("reason") or "")
    if decisive and own.lower() not in reason.lower():
        reason = f"{reason} {names.problem(decisive)}: {own[:1].lower()}{own[1:]}"
    return VerdictLine(
        question=str(question.get("question") or question.get("experiment") or ""),
        verdict=verdict,
        axis=more_of(axis),
        answer=answer,
        sentence=sentence,
        label=_label(verdict, decisive, len(curves), names),
        number=interval(*deciding_gain(decisive)) if decisive else "",
        after="" if margin is None else f"a gain of {number(margin, 3)} would matter",
        change=_change(question, curves, compared, names),
        table=_table(curves, question, compared, names, one_of) if curves else None,
        reason=prose(reason),
        predicted=predicted_words(curves, decisive, names),
        worth=" ".join(worth_words(decisive, margin, compared)) if decisive else "",
        kind=EXPLORATORY if question.get("analysis") == "exploratory" else "",
    )


def _margin(curve: Mapping[str, Any], fallback: Any) -> float | None:
    margin = finite(curve.get("margin"))
    return finite(fallback) if margin is None else margin


def _decisive(verdict: str, curves: Sequence[Mapping[str, Any]], margin: Any) -> Mapping[str, Any] | None:
    """The curve that decides the answer: the smallest gain if all must scale, the smallest loss if all must
    worsen, the interval that reaches furthest if all must be flat, and the largest gain among the undecided
    curves where the answer is open."""

    def in_margins(curve: Mapping[str, Any]) -> tuple[float, float]:
        unit = _margin(curve, margin) or 1.0
        value, low, high = deciding_gain(curve)
        return (value or 0.0) / unit, max(abs(low or 0.0), abs(high or 0.0)) / unit

    measured = [curve for curve in curves if gain_of(curve)[0] is not None]
    if not measured:
        return None
    if verdict == "scales":
        return min(measured, key=lambda curve: in_margins(curve)[0])
    if verdict == "worsens":
        return max(measured, key=lambda curve: in_margins(curve)[0])
    if verdict == "flat":
        return max(measured, key=lambda curve: in_margins(curve)[1])
    undecided = [curve for curve in measured if curve.get("verdict") == "undecidable"]
    return max(undecided or measured, key=lambda curve: in_margins(curve)[0])


_WHICH = {
    "scales": "the smallest of all",
    "flat": "the one that reaches furthest from 0",
    "worsens": "the least negative of all",
    "undecidable": "the largest of those that stay open",
}
"""Which of several gains is shown, by the verdict of the question."""


def _label(verdict: str, curve: Mapping[str, Any] | None, n: int, names: Names) -> str:
    if curve is None:
        return "No gain could be measured."
    metric = metric_words(str(curve.get("metric", "log_loss")))
    which = f" ({_WHICH.get(verdict, _WHICH['undecidable'])})" if n > 1 else ""
    return f"{names.problem(curve)}: gain in {metric} {ends_of(curve)}{which}"


def _table(
    curves: Sequence[Mapping[str, Any]],
    question: Mapping[str, Any],
    compared: Compared,
    names: Names,
    one_of: bool,
) -> Table:
    """Gains in units of their margin, so that curves of different measures share one axis."""
    margins = [_margin(curve, question.get("margin")) or 1.0 for curve in curves]
    scaled = [
        [None if v is None else v / margin for v in deciding_gain(curve)]
        for curve, margin in zip(curves, margins, strict=True)
    ]
    far = min(20.0, 1.05 * max([2.0, *(abs(v) for row in scaled for v in row if v is not None)]))
    strip = Strip(-far, far, references=(0.0,), band=(-1.0, 1.0))
    same = len(set(margins)) == 1
    beside = any(curve.get("confirmation") for curve in curves)
    foreseen = any(curve.get("prediction") for curve in curves)
    rows = []
    for curve, margin, (value, low, high) in zip(curves, margins, scaled, strict=True):
        seeds = min((int(p.get("seeds") or 0) for p in curve.get("points") or []), default=0)
        rows.append(
            [
                TableCell(
                    f"{names.problem(curve)} · {model_words(curve.get('model', ''), curve.get('budget'))}"
                ),
                TableCell(verdict_words(curve)),
                TableCell("", drawing=strip.draw(value, low, high, "ink")),
                TableCell(interval(*deciding_gain(curve)), sort=value),
                *([] if same else [TableCell(number(margin, 3))]),
                TableCell(_holm_span(curve.get("recalibrated") or {})),
                TableCell(_best_skill(curve)),
                TableCell(best_lift(curve, compared)),
                *([TableCell(kept_word(curve))] if foreseen else []),
                TableCell(number(curve.get("detectable_gain"))),
                TableCell(str(seeds)),
                *([_confirmed(curve)] if beside else []),
            ]
        )
    labels = [(0.0, "0")]
    if same and far < 4:
        labels = [(-1.0, f"−{margins[0]:g}"), (1.0, f"+{margins[0]:g}")]
    columns = [
        Column("Problem and model"),
        Column("Verdict"),
        Column("Gain: worse ← 0 → better", axis=strip.axis(labels)),
        Column("Gain [interval]", numeric=True),
        *([] if same else [Column("Margin", numeric=True)]),
        Column("Recalibrated", numeric=True, detail=True),
        Column("Best over the base rate", numeric=True, detail=True),
        Column("Best over the linear model", numeric=True, detail=True),
        *([Column("Prediction for the largest", detail=True)] if foreseen else []),
        Column("Detectable", numeric=True, detail=True),
        Column("Seeds", numeric=True, detail=True),
        *([Column("The study's own test")] if beside else []),
    ]
    folded = f"Gains of {plural(len(rows), 'curve')}" if one_of or len(rows) > _FOLD_BEYOND else None
    return Table(f"{_CAPTION} {_BESIDE}" if beside else _CAPTION, columns, rows, folded)


def _holm_span(found: Mapping[str, Any]) -> str:
    return interval(found.get("estimate"), found.get("low_holm"), found.get("high_holm"))


def _best_skill(curve: Mapping[str, Any]) -> str:
    """How far the best scale point is ahead of the base rate."""
    known = [one for one in curve.get("skill") or [] if finite(one.get("estimate")) is not None]
    return _holm_span(max(known, key=lambda one: float(one["estimate"]), default={}))


def _confirmed(curve: Mapping[str, Any]) -> TableCell:
    """The confirmation on the study's own split."""
    found = curve.get("confirmation") or {}
    if found.get("state") != "open":
        return TableCell(str(found.get("state") or "–"))
    gain = found.get("gain") or {}
    span = interval(gain.get("estimate"), gain.get("low"), gain.get("high"))
    return TableCell(f"{span}: {found.get('agreement')}", sort=finite(gain.get("estimate")))


_BESIDE = (
    "Gains and verdicts are those of all walk-forward folds together; the study's own test, which no fold "
    "contains, stands beside them and decides nothing (closed: not trained for, see evaluation.confirmation; "
    "closed again: opened before, and its result is not shown)."
)
_CAPTION = (
    "Gain in test loss from the first to the last scale point. The shaded band is the margin, declared "
    "beforehand. An interval right of 0, its mark beyond the band, scales if no step in between goes back, "
    "the best scale point beats the base rate (its lead is above 0) and the recalibrated gain is above 0, "
    "too; left of 0 it worsens. Flat: every two scale points within the band, by two one-sided tests each. "
    "Detectable: the smallest gain that this test set could have shown."
)


def _change(
    question: Mapping[str, Any], curves: Sequence[Mapping[str, Any]], compared: Compared, names: Names
) -> list[str]:
    """What would change the answer: remedies of the question and its curves from the evaluation, and the
    unfinished runs."""
    amounts: dict[str, list[str]] = {}
    whose: dict[str, list[str]] = {
        _kind(str(step), amounts): [] for step in question.get("change_mind") or []
    }
    for curve in curves:
        for step in curve.get("change_mind") or []:
            whose.setdefault(_kind(str(step), amounts), []).append(curve_name(curve, names))
    steps = []
    for kind, where in list(whose.items())[:_STEPS]:
        step = kind.replace(_AMOUNT, _range(amounts.get(kind, [])))
        some = 0 < len(where) < len(curves)
        others = f" and {len(where) - 2} more" if len(where) > 2 else ""
        steps.append(f"{'; '.join(where[:2])}{others}: {_lower(step)}" if some else step)
    if len(whose) > _STEPS:
        steps.append(f"Further steps for other curves stand in scaling.json ({len(whose) - _STEPS}).")
    if lacking := unfinished(compared, curves):
        steps.append(f"Finish {named_runs(lacking)}.")
    return [prose(step) for step in steps] or ["Runs of this question."]


def _kind(step: str, amounts: dict[str, list[str]]) -> str:
    """A step without its amount, which is noted: curves may need different amounts of the same."""
    found = _TIMES.match(step)
    if found is None:
        return step
    kind = f"About {_AMOUNT} times{step[found.end() :]}"
    amounts.setdefault(kind, []).append(found[1])
    return kind


def _range(amounts: Sequence[str]) -> str:
    """`2.1`, or `2.1 to 7.4`; a value that is no number counts as the largest."""
    ordered = sorted(set(amounts), key=lambda one: float(one) if one.replace(".", "").isdigit() else math.inf)
    return " to ".join(ordered[:1] + ordered[-1:] if len(ordered) > 1 else ordered)


def _lower(text: str) -> str:
    return f"{text[:1].lower()}{text[1:]}"


def checks(inputs: ReportInputs) -> list[ReportCheck]:
    """Whether the study is complete: runs, controls, seeds, test-set access."""
    rows = inputs.runs.to_dicts()
    done = [row for row in rows if row.get("status") == "done"]
    controls = list(inputs.scaling.get("controls") or [])
    passed = sum(bool(c.get("passed")) for c in controls)
    seeds = seeds_by_size(inputs)
    errors = inputs.findings.to_dicts() if inputs.findings.height else []
    wrong = sum(row.get("severity") == "error" for row in errors)
    noticed = sum(row.get("severity") == "warning" for row in errors)
    accesses = inputs.scaling.get("test_access")
    whole = bool(rows) and len(done) == len(rows)
    suspects = list(inputs.scaling.get("too_good") or [])
    return [
        ReportCheck("Runs done", f"{len(done)} of {len(rows)}", "pass" if whole else "fail"),
        ReportCheck(
            "Controls passed",
            f"{passed} of {len(controls)}" if controls else "none declared",
            "pass" if controls and passed == len(controls) else "fail",
        ),
        *([ReportCheck("Too good to be true", _suspects(suspects), "fail")] if suspects else []),
        ReportCheck("Seeds per size", seeds_words(seeds), "" if seeds and seeds[0] > 1 else "fail"),
        ReportCheck(
            "Data", f"{plural(wrong, 'error')}, {plural(noticed, 'warning')}", "fail" if wrong else ""
        ),
        ReportCheck("Test-set access", count(accesses)),
    ]


def _suspects(paths: Sequence[str]) -> str:
    """The runs whose alarm went off, the first by name."""
    first = "/".join(paths[0].split("/")[-8:])  # the run's key
    return first if len(paths) == 1 else f"{first} and {len(paths) - 1} more"
