"""The answers at the top of the page: the verdict of each question in plain words, the numbers that decide
it, and what would change it. Takes verdicts from the evaluation unchanged.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

from lib.report.compared import (
    Compared,
    axis_of,
    deciding_gain,
    ends_of,
    fewest_seeds,
    gain_of,
    named_runs,
    seeds_by_size,
    seeds_words,
    unfinished,
)
from lib.report.inputs import ReportInputs
from lib.report.page import Column, ReportCheck, Table, VerdictLine, numbers, table, texts
from lib.report.sections.worth import best_lift, kept_word, predicted_words, worth_words
from lib.report.svg import Strip
from lib.report.verdict_wording import EXPLORATORY, answer_words, more_of, verdict_words
from lib.report.wording import (
    DASH,
    Names,
    count,
    curve_name,
    estimate,
    finite,
    first_lower,
    interval,
    number,
    plural,
    prose,
    triple_of,
)
from lib.scaling.axes import Row
from lib.scaling.words import metric_words, model_words

_FOLD_BEYOND = 12
_STEPS = 12
"""Most steps that are shown per answer, of the question and its curves: enough for every kind
(`lib.scaling.remedies`), unless curves differ in their scale points as well."""
_TIMES = re.compile(r"About (.+?) times(?= as many)")
_AMOUNT = "{amount}"


def verdicts(inputs: ReportInputs, names: Names) -> list[VerdictLine]:
    """One verdict per question, in the order of the study."""
    compared, several = Compared(inputs), len(inputs.questions) > 1
    return [_verdict(question, compared, names, several) for question in inputs.questions]


def _verdict(question: Row, compared: Compared, names: Names, one_of: bool) -> VerdictLine:
    verdict, axis = str(question.get("verdict", "undecidable")), axis_of(question)
    answer, sentence = answer_words(axis, question)
    curves = list(question.get("curves") or [])
    decisive = _decisive(verdict, curves, question.get("margin"))
    margin = _margin(decisive or {}, question.get("margin"))
    reason = str(question.get("reason") or "")
    own = str((decisive or {}).get("reason") or "")
    if decisive and own.lower() not in reason.lower():
        reason = f"{reason} {names.problem(decisive)}: {first_lower(own)}"
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


def _margin(curve: Row, fallback: Any) -> float | None:
    margin = finite(curve.get("margin"))
    return finite(fallback) if margin is None else margin


def _decisive(verdict: str, curves: Sequence[Row], margin: Any) -> Row | None:
    """The curve that decides the answer: the smallest gain if all must scale, the smallest loss if all must
    worsen, the interval that reaches furthest if all must be flat, and the largest gain among the undecided
    curves where the answer is open."""

    def gain(curve: Row) -> float:
        return (deciding_gain(curve)[0] or 0.0) / (_margin(curve, margin) or 1.0)

    def reach(curve: Row) -> float:
        return max(abs(end or 0.0) for end in deciding_gain(curve)[1:]) / (_margin(curve, margin) or 1.0)

    measured = [curve for curve in curves if gain_of(curve)[0] is not None]
    if not measured:
        return None
    if verdict == "scales":
        return min(measured, key=gain)
    if verdict == "worsens":
        return max(measured, key=gain)
    if verdict == "flat":
        return max(measured, key=reach)
    undecided = [curve for curve in measured if curve.get("verdict") == "undecidable"]
    return max(undecided or measured, key=gain)


_WHICH = {
    "scales": "the smallest of all",
    "flat": "the one that reaches furthest from 0",
    "worsens": "the least negative of all",
    "undecidable": "the largest of those that stay open",
}
"""Which of several gains is shown, by the verdict of the question."""


def _label(verdict: str, curve: Row | None, n: int, names: Names) -> str:
    if curve is None:
        return "No gain could be measured."
    metric = metric_words(str(curve.get("metric", "log_loss")))
    which = f" ({_WHICH.get(verdict, _WHICH['undecidable'])})" if n > 1 else ""
    return f"{names.problem(curve)}: gain in {metric} {ends_of(curve)}{which}"


def _table(curves: Sequence[Row], question: Row, compared: Compared, names: Names, one_of: bool) -> Table:
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
    rows = [
        [
            f"{names.problem(curve)} · {model_words(curve.get('model', ''), curve.get('budget'))}",
            verdict_words(curve),
            strip.draw(value, low, high, "ink"),
            interval(*deciding_gain(curve)),
            *([] if same else [number(margin, 3)]),
            interval(*triple_of(curve.get("recalibrated"), "_holm")),
            _best_skill(curve),
            best_lift(curve, compared),
            *([kept_word(curve)] if foreseen else []),
            number(curve.get("detectable_gain")),
            str(fewest_seeds(curve)),
            *([_confirmed(curve)] if beside else []),
        ]
        for curve, margin, (value, low, high) in zip(curves, margins, scaled, strict=True)
    ]
    labels = [(0.0, "0")]
    if same and far < 4:
        labels = [(-1.0, f"−{margins[0]:g}"), (1.0, f"+{margins[0]:g}")]
    columns = [
        *texts("Problem and model", "Verdict"),
        Column("Gain: worse ← 0 → better", axis=strip.axis(labels)),
        *numbers("Gain [interval]", *([] if same else ["Margin"])),
        Column("Recalibrated", numeric=True, detail=True),
        Column("Best over the base rate", numeric=True, detail=True),
        Column("Best over the linear model", numeric=True, detail=True),
        *([Column("Prediction for the largest", detail=True)] if foreseen else []),
        Column("Detectable", numeric=True, detail=True),
        Column("Seeds", numeric=True, detail=True),
        *(texts("The study's own test") if beside else []),
    ]
    folded = f"Gains of {plural(len(rows), 'curve')}" if one_of or len(rows) > _FOLD_BEYOND else None
    return table(f"{_CAPTION} {_BESIDE}" if beside else _CAPTION, columns, rows, folded)


def _best_skill(curve: Row) -> str:
    """How far the best scale point is ahead of the base rate."""
    known = [one for one in curve.get("skill") or [] if finite(one.get("estimate")) is not None]
    best = max(known, key=lambda one: float(one["estimate"]), default=None)
    return interval(*triple_of(best, "_holm"))


def _confirmed(curve: Row) -> str:
    """The confirmation on the study's own split."""
    found = curve.get("confirmation") or {}
    if found.get("state") != "open":
        return str(found.get("state") or DASH)
    return f"{estimate(found.get('gain'))}: {found.get('agreement')}"


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


def _change(question: Row, curves: Sequence[Row], compared: Compared, names: Names) -> list[str]:
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
        steps.append(f"{'; '.join(where[:2])}{others}: {first_lower(step)}" if some else step)
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


def checks(inputs: ReportInputs) -> list[ReportCheck]:
    """Whether the study is complete: runs, controls, seeds, test-set access."""
    rows, done, controls = inputs.rows, inputs.done, inputs.controls
    passed = sum(bool(c.get("passed")) for c in controls)
    seeds = seeds_by_size(inputs)
    severities = [row.get("severity") for row in inputs.findings.to_dicts()]
    wrong, noticed = severities.count("error"), severities.count("warning")
    suspects = list(inputs.scaling.get("too_good") or [])
    return [
        ReportCheck(
            "Runs done", f"{len(done)} of {len(rows)}", "pass" if rows and len(done) == len(rows) else "fail"
        ),
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
        ReportCheck("Test-set accesses", count(inputs.scaling.get("test_access"))),
    ]


def _suspects(paths: Sequence[str]) -> str:
    """The runs whose alarm went off, the first by name."""
    first = "/".join(paths[0].split("/")[-8:])  # the run's key
    return first if len(paths) == 1 else f"{first} and {len(paths) - 1} more"
