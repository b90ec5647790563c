"""Section of the laws: the exponent of every curve, the law with a floor, its rivals, and the pooled result.

Shows what the evaluation has fitted, with a sentence where a fit means nothing. Fits nothing itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lib.report.compared import barred_words
from lib.report.inputs import ReportInputs
from lib.report.page import Column, Section, Table, TableCell
from lib.report.svg import Strip
from lib.report.wording import (
    DASH,
    Names,
    count,
    curve_name,
    finite,
    interval,
    metric_words,
    number,
    p_value,
    percent,
    plural,
    prose,
)
from lib.scaling.decision import decimals

Row = Mapping[str, Any]


def laws_section(inputs: ReportInputs, names: Names) -> Section | None:
    """Exponents, laws and rival forms of all questions about sizes; None where nothing has a size."""
    questions = list(inputs.scaling.get("questions") or [])
    sized = [
        q for q in questions if q.get("scale") == "log" or str(q.get("axis", "parameters")) == "parameters"
    ]
    sized = [q for q in sized if any(_exponent(c) for c in q.get("curves") or [])]
    pooled = [q for q in questions if q.get("pooled")]
    if not sized and not pooled:
        return None
    tables: list[Table] = []
    for position, question in enumerate(sized):
        tables += [_exponents(question, names, position), *_forms(question, names)]
    if pooled:
        tables.insert(0, _pooled(pooled))
    notes = list(dict.fromkeys(_identified(question) for question in sized))
    if barred := barred_words(inputs):
        notes.insert(0, f"Controls failed, {barred}. The fits below are shown, not believed.")
    return Section("laws", "Is there a law?", _lead(sized, inputs), notes, tables=tables)


def _exponent(curve: Row) -> bool:
    return finite((curve.get("log_log_slope") or {}).get("estimate")) is not None


def _lead(questions: Sequence[Row], inputs: ReportInputs) -> str:
    level = (finite(inputs.scaling.get("confidence")) or 0.95) * 100
    first = next((q for q in questions if q.get("axis") in (None, "parameters")), None)
    start = ""
    if first:
        curves = [c for c in first.get("curves") or [] if _exponent(c)]
        spans = [c["log_log_slope"] for c in curves]
        values = sorted(float(s["estimate"]) for s in spans)
        below = sum((h := finite(s.get("high"))) is not None and h < 0 for s in spans)
        finest = max(map(decimals, values))
        among = " to ".join(dict.fromkeys(number(v, finest) for v in (values[0], values[-1])))
        start = (
            f"Along parameters the log–log slope is {among}, clearly below 0 in {below} of "
            f"{plural(len(curves), 'curve')}. "
        )
    return (
        f"{start}A log–log slope of −0.01 means that tenfold size multiplies the loss by 0.977; minus the "
        f"slope is the exponent of a pure power law. Intervals hold {level:g} % each, over dates and seeds."
    )


def _identified(question: Row) -> str:
    """Whether E + A·N^−α can be read along one axis, in one sentence."""
    curves = [c for c in question.get("curves") or [] if _exponent(c)]
    start = f"Along {question.get('axis_label') or 'parameters'} the law with a floor, E + A·N^−α,"
    known = sum(bool((c.get("law") or {}).get("identified")) for c in curves)
    if known:
        return f"{start} is identified in {known} of {plural(len(curves), 'curve')}."
    if any(c.get("law") for c in curves):
        return (
            f"{start} is identified in no curve: resampled test sets send its exponent to the edge of what "
            "is searched, or its amplitude changes sign. The slope is what can be read."
        )
    most = max((len(c.get("points") or []) for c in curves), default=0)
    return (
        f"{start} has three parameters: {plural(most, 'size')} leave no degree of freedom to fit and test "
        "it, so neither a floor nor its exponent is given. The slope is what can be read."
    )


def _exponents(question: Row, names: Names, position: int) -> Table:
    curves = list(question.get("curves") or [])
    ends = [v for c in curves for k in ("estimate", "low", "high")
            if (v := finite((c.get("log_log_slope") or {}).get(k))) is not None]  # fmt: skip
    far = max([1e-6, *map(abs, ends)]) * 1.05
    strip = Strip(-far, far, (0.0,))
    along = str(question.get("axis_label") or "parameters")
    columns = [
        Column("Problem and model"),
        Column("Log–log slope: falls ← 0 → rises", axis=strip.axis(strip.ticks(True))),
        Column("Log–log slope [interval]", numeric=True),
        Column("Slope per tenfold", numeric=True),
        Column("Error: dates", numeric=True),
        Column("seeds", numeric=True),
    ]
    rows = [_exponent_row(c, strip, names) for c in curves]
    if any(c.get("law") for c in curves):
        columns.append(Column("E + A·N^−α", wide=True))
        rows = [[*row, TableCell(_law(c))] for row, c in zip(rows, curves, strict=True)]
    caption = (
        f"{question.get('question') or ''} Loss against {along}: the slope on log–log axes, the slope of the "
        "loss per tenfold, and how much of the latter's standard error comes from the test dates and how "
        "much from the seeds."
    ).strip()
    fold = f"{question.get('question') or ''} {plural(len(rows), 'exponent')} along {along}".strip()
    return Table(caption, columns, rows, fold if position or len(rows) > 12 else None)


def _exponent_row(curve: Row, strip: Strip, names: Names) -> list[TableCell]:
    log, slope = curve.get("log_log_slope") or {}, curve.get("slope") or {}
    value, low, high = (finite(log.get(key)) for key in ("estimate", "low", "high"))
    return [
        TableCell(f"{curve_name(curve, names)} · {curve.get('model')}"),
        TableCell("", drawing=strip.draw(value, low, high, "ink")),
        TableCell(interval(value, low, high), sort=value),
        TableCell(_span(slope), sort=finite(slope.get("estimate"))),
        TableCell(number(slope.get("se_dates"), 5)),
        TableCell(number(slope.get("se_seeds"), 5)),
    ]  # fmt: skip


def _span(found: Row) -> str:
    return interval(found.get("estimate"), found.get("low"), found.get("high"))


def _law(curve: Row) -> str:
    law = curve.get("law") or {}
    if law.get("identified"):
        spans = [f"{sign} = {interval(v.get('estimate'), v.get('low'), v.get('high'), 3)}"
                 for sign, key in (("E", "E"), ("α", "alpha")) if (v := law.get(key))]  # fmt: skip
        return "; ".join(spans)
    return "not identified" if law else DASH


def _forms(question: Row, names: Names) -> list[Table]:
    curves = [c for c in question.get("curves") or [] if c.get("forms")]
    if not curves:
        return []
    rows = [_form_row(c, form, names) for c in curves for form in c["forms"]]
    columns = [
        Column("Problem and model"), Column("Form"),
        *(Column(h, numeric=True) for h in ("AICc", "above the best", "Weight", "Left-out error")),
        Column("Parameters"), Column("Note", wide=True),
    ]  # fmt: skip
    loss = metric_words(str(curves[0].get("metric", "log_loss")))
    caption = (
        "Rival forms over the runs. AICc: lower fits better, beside its distance from the best and Akaike's "
        f"weight. Left-out error: root mean squared error in {loss} for a size that was left out of the fit, "
        "one at a time."
    )
    best = [_best(c["forms"]) for c in curves]
    wins = {form: best.count(form) for form in dict.fromkeys(str(f["form"]) for f in curves[0]["forms"])}
    best_counts = ", ".join(f"{name} {n}" for name, n in wins.items() if n)
    along = str(question.get("axis_label") or "parameters")
    fold = f"{question.get('question') or ''} Rival forms along {along}: ".lstrip()
    fold += f"best by AICc {best_counts}" if best_counts else "none can be compared"
    return [Table(caption, columns, rows, fold)]


def _best(forms: Sequence[Row]) -> str | None:
    known = [f for f in forms if finite(f.get("aicc")) is not None]
    return str(min(known, key=lambda f: float(f["aicc"]))["form"]) if known else None


def _form_row(curve: Row, form: Row, names: Names) -> list[TableCell]:
    found = form.get("parameters") or {}
    return [
        TableCell(f"{curve_name(curve, names)} · {curve.get('model')}"),
        TableCell(str(form.get("form"))),
        TableCell(number(form.get("aicc"), 1)),
        TableCell(number(form.get("delta_aicc"), 1)),
        TableCell(percent(form.get("weight"), 0)),
        TableCell(number(form.get("loso_rmse"), 5)),
        TableCell(
            ", ".join(f"{name.replace('alpha', 'α')} {value:.4g}" for name, value in found.items()) or DASH
        ),
        TableCell(prose(form.get("note"))),
    ]


def _pooled(questions: Sequence[Row]) -> Table:
    columns = [
        Column("Question", wide=True), Column("Curves", numeric=True),
        Column("Gain [interval]", numeric=True), Column("Slope per tenfold", numeric=True),
        Column("Curves differ by", numeric=True), Column("p", numeric=True),
    ]  # fmt: skip
    rows = []
    for question, pooled in ((q, found) for q in questions for found in q["pooled"]):
        where = f", {pooled.get('timescale')}" if len(question["pooled"]) > 1 else ""
        gain, slope = pooled.get("gain") or {}, pooled.get("slope") or {}
        rows.append(
            [
                TableCell(
                    f"{question.get('question') or ''} Along {question.get('axis_label')}{where}".strip()
                ),
                TableCell(count(pooled.get("curves"))),
                TableCell(_span(gain)),
                TableCell(_span(slope)),
                TableCell(number(pooled.get("between_curves_sd"))),
                TableCell(p_value(pooled.get("heterogeneity_p"))),
            ]
        )
    caption = (
        "All curves of a question together, in nats: gain from the first to the last scale point, curves "
        "resampled together date by date. Curves differ by: standard deviation of their true gains beyond "
        "noise; p: Cochran's Q. A mean over curves that differ answers for none of them alone."
    )
    return Table(caption, columns, rows)
