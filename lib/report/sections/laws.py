"""Section of the laws: the exponent of every curve, the law with a floor, its rivals, and the pooled result.

Shows what the evaluation has fitted, with a sentence where a fit means nothing. Fits nothing itself.
"""

from __future__ import annotations

from collections.abc import Sequence

from lib.report.compared import axis_of, barred_words
from lib.report.inputs import ReportInputs
from lib.report.page import Column, Section, Table, numbers, table, texts
from lib.report.svg import Strip
from lib.report.wording import (
    DASH,
    Names,
    count,
    curve_name,
    estimate,
    finite,
    number,
    p_value,
    percent,
    plural,
    prose,
    triple_of,
)
from lib.scaling.axes import Row
from lib.scaling.decision import decimals
from lib.scaling.words import metric_words, of_all


def laws_section(inputs: ReportInputs, names: Names) -> Section | None:
    """Exponents, laws and rival forms of all questions about sizes; None where nothing has a size."""
    sized = [
        question
        for question in inputs.questions
        if (question.get("scale") == "log" or axis_of(question) == "parameters")
        and any(_exponent(curve) for curve in question.get("curves") or [])
    ]
    pooled = [question for question in inputs.questions if question.get("pooled")]
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
    start = ""
    if first := next((q for q in questions if axis_of(q) == "parameters"), None):
        curves = [c for c in first.get("curves") or [] if _exponent(c)]
        values = sorted(float(c["log_log_slope"]["estimate"]) for c in curves)
        below = sum((finite(c["log_log_slope"].get("high")) or 0.0) < 0.0 for c in curves)
        finest = max(map(decimals, values))
        among = " to ".join(dict.fromkeys(number(v, finest) for v in (values[0], values[-1])))
        start = (
            f"Along parameters the log–log slope is {among}, clearly below 0 in "
            f"{of_all(below, len(curves), 'curve')}. "
        )
    return (
        f"{start}A log–log slope of −0.01 means that tenfold size multiplies the loss by 0.977; minus the "
        f"slope is the exponent of a pure power law. Intervals hold {inputs.level} each, over dates and "
        "seeds."
    )


def _identified(question: Row) -> str:
    """Whether E + A·N^−α can be read along one axis, in one sentence."""
    curves = [c for c in question.get("curves") or [] if _exponent(c)]
    start = f"Along {question.get('axis_label') or 'parameters'} the law with a floor, E + A·N^−α,"
    known = sum(bool((c.get("law") or {}).get("identified")) for c in curves)
    if known:
        return f"{start} is identified in {of_all(known, len(curves), 'curve')}."
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
    strip = Strip.around_zero(v for c in curves for v in triple_of(c.get("log_log_slope")))
    along = str(question.get("axis_label") or "parameters")
    fitted = any(c.get("law") for c in curves)
    columns = [
        *texts("Problem and model"),
        Column("Log–log slope: falls ← 0 → rises", axis=strip.axis(strip.ticks(True))),
        *numbers(
            "Log–log slope [interval]", "Slope per tenfold", "Its error, of dates", "Its error, of seeds"
        ),
        *([Column("E + A·N^−α", wide=True)] if fitted else []),
    ]
    rows = [[*_exponent_row(c, strip, names), *([_law(c)] if fitted else [])] for c in curves]
    caption = (
        f"{question.get('question') or ''} Loss against {along}: the slope on log–log axes, the slope of the "
        "loss per tenfold, and how much of the latter's standard error comes from the test dates and how "
        "much from the seeds."
    ).strip()
    fold = f"{question.get('question') or ''} {plural(len(rows), 'exponent')} along {along}".strip()
    return table(caption, columns, rows, fold if position or len(rows) > 12 else None)


def _exponent_row(curve: Row, strip: Strip, names: Names) -> list[str]:
    log, slope = curve.get("log_log_slope"), curve.get("slope") or {}
    return [
        f"{curve_name(curve, names)} · {curve.get('model')}",
        strip.draw(*triple_of(log), "ink"),
        estimate(log),
        estimate(slope),
        number(slope.get("se_dates"), 5),
        number(slope.get("se_seeds"), 5),
    ]


def _law(curve: Row) -> str:
    law = curve.get("law") or {}
    if law.get("identified"):
        signs = (("E", "E"), ("α", "alpha"))
        return "; ".join(f"{sign} = {estimate(law[key], 3)}" for sign, key in signs if law.get(key))
    return "not identified" if law else DASH


def _forms(question: Row, names: Names) -> list[Table]:
    curves = [c for c in question.get("curves") or [] if c.get("forms")]
    if not curves:
        return []
    rows = [_form_row(c, form, names) for c in curves for form in c["forms"]]
    columns = [
        *texts("Problem and model", "Form"),
        *numbers("AICc", "AICc above the best", "Weight", "Left-out error"),
        *texts("Parameters"),
        Column("Note", wide=True),
    ]
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
    return [table(caption, columns, rows, fold)]


def _best(forms: Sequence[Row]) -> str | None:
    known = [f for f in forms if finite(f.get("aicc")) is not None]
    return str(min(known, key=lambda f: float(f["aicc"]))["form"]) if known else None


def _form_row(curve: Row, form: Row, names: Names) -> list[str]:
    found = form.get("parameters") or {}
    return [
        f"{curve_name(curve, names)} · {curve.get('model')}",
        str(form.get("form")),
        number(form.get("aicc"), 1),
        number(form.get("delta_aicc"), 1),
        percent(form.get("weight"), 0),
        number(form.get("loso_rmse"), 5),
        ", ".join(f"{name.replace('alpha', 'α')} {value:.4g}" for name, value in found.items()) or DASH,
        prose(form.get("note")),
    ]


def _pooled(questions: Sequence[Row]) -> Table:
    heads = ("Curves", "Gain [interval]", "Slope per tenfold", "Curves differ by", "p")
    rows = []
    for question, pooled in ((q, found) for q in questions for found in q["pooled"]):
        where = f", {pooled.get('timescale')}" if len(question["pooled"]) > 1 else ""
        rows.append(
            [
                f"{question.get('question') or ''} Along {question.get('axis_label')}{where}".strip(),
                count(pooled.get("curves")),
                estimate(pooled.get("gain")),
                estimate(pooled.get("slope")),
                number(pooled.get("between_curves_sd")),
                p_value(pooled.get("heterogeneity_p")),
            ]
        )
    caption = (
        "All curves of a question together, in nats: gain from the first to the last scale point, curves "
        "resampled together date by date. Curves differ by: standard deviation of their true gains beyond "
        "noise; p: Cochran's Q. A mean over curves that differ answers for none of them alone."
    )
    return table(caption, [Column("Question", wide=True), *numbers(*heads)], rows)
