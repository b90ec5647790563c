"""Section of the scaling curves: test loss against measured parameters, one chart per cell.

Draws what the evaluation has computed; every claim in a title follows from an interval.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from lib.reporting.answers import ends_of, gain_of
from lib.reporting.inputs import ReportInputs
from lib.reporting.page import Cell, Column, Panel, Section, Table
from lib.reporting.svg import BUDGET_LEGEND, Chart, kind_of, legend, padded
from lib.reporting.words import (
    Names,
    count,
    finite,
    interval,
    listed,
    metric_words,
    number,
    of,
    parameters,
    plural,
    prose,
    unit_of,
)

MAX_PANELS = 36
"""Charts per section; beyond, a sentence says how many more there are, and the tables hold their numbers."""
_NO_MODEL = ("line ref", "no model: always the base rate (for returns: always 0)")
Rows = Sequence[Mapping[str, Any]]


def limited(panels: Sequence[Panel]) -> tuple[list[Panel], list[str]]:
    """At most `MAX_PANELS` charts, and a note on the others."""
    rest = len(panels) - MAX_PANELS
    notes = [f"{plural(rest, 'more chart')} of this kind not drawn; the table of runs has the numbers."]
    return list(panels[:MAX_PANELS]), notes if rest > 0 else []


def scaling_section(inputs: ReportInputs, names: Names) -> Section:
    """Test loss against measured parameters, for every cell of every question."""
    cells = [
        cell for question in inputs.scaling.get("questions") or [] for cell in question.get("cells") or []
    ]
    drawn = [cell for cell in cells if _valued(cell)]
    panels, notes = limited([_panel(cell, names) for cell in drawn])
    notes += [
        f"{names.problem(c)}, {c.get('model')}: {prose(c.get('reason'))}" for c in cells if not _valued(c)
    ]
    lead = "No question about size in this study: a scaling curve needs at least two budgets."
    if cells:
        clear = sum((gain_of(cell)[1] or 0.0) > 0 for cell in drawn)
        level = (finite(inputs.scaling.get("confidence")) or 0.95) * 100
        lead = (
            f"The gain from size is clearly above 0 in {clear} of {plural(len(cells), 'cell')}. Points are "
            f"means over seeds on the test set; bars and band are {level:g} % intervals, point by point."
        )
    marks = legend([*BUDGET_LEGEND, _NO_MODEL]) if panels else None
    return Section("scaling", "Loss against size", lead, notes, marks, panels)


def _valued(cell: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    points = cell.get("points") or []
    return [
        p for p in points if finite(p.get("value")) is not None and (finite(p.get("param_count")) or 0) > 0
    ]


def _panel(cell: Mapping[str, Any], names: Names) -> Panel:
    points = _valued(cell)
    metric = str(cell.get("metric", "log_loss"))
    base = next((b for p in points if (b := finite(p.get("base_rate_log_loss"))) is not None), None)
    title = _title(cell, names)
    reading = _reading(cell, points, metric, base)
    return Panel(
        title, _figure(points, metric, base, f"{title}. {reading}"), reading, _table(cell, points, metric)
    )


def _title(cell: Mapping[str, Any], names: Names) -> str:
    name, metric = names.problem(cell), metric_words(str(cell.get("metric", "log_loss")))
    value, low, high = gain_of(cell)
    if value is None or low is None or high is None:
        return f"{name}: the gain from size could not be measured"
    seeds = min((int(p.get("seeds") or 0) for p in cell.get("points") or []), default=0)
    alone = ", with one seed each" if seeds < 2 else ""
    if low > 0:
        return f"{name}: {metric} falls {ends_of(cell)}{alone}"
    if high < 0:
        return f"{name}: {metric} rises {ends_of(cell)}{alone}"
    return f"{name}: no clear change {ends_of(cell)}"


def _reading(cell: Mapping[str, Any], points: Rows, metric: str, base: float | None) -> str:
    slope = cell.get("slope") or {}
    parts = []
    if finite(slope.get("estimate")) is not None:
        span = interval(slope["estimate"], slope.get("low"), slope.get("high"))
        parts.append(f"Slope {span} {slope.get('unit', 'per tenfold parameters')}.")
    if base is not None:
        below = [str(p["budget"]) for p in points if (h := finite(p.get("high"))) is not None and h < base]
        above = [str(p["budget"]) for p in points if (lo := finite(p.get("low"))) is not None and lo > base]
        what = f"{'base rate' if metric == 'log_loss' else 'zero forecast'} ({number(base)})"
        if below:
            parts.append(f"Clearly below the {what}: {listed(below)}.")
        if above:
            parts.append(f"Clearly above the {what}: {listed(above)}.")
        if not below and not above:
            parts.append(f"No size is clearly apart from the {what}.")
    parts.append(f"Verdict: {cell.get('verdict')}. {prose(cell.get('reason'))}")
    return " ".join(parts).strip()


def _figure(points: Rows, metric: str, base: float | None, meaning: str) -> Markup:
    sizes = [float(p["param_count"]) for p in points]
    ends = [v for p in points for k in ("value", "low", "high") if (v := finite(p.get(k))) is not None]
    if base is not None:
        ends.append(base)
    chart = Chart((min(sizes) / 2.2, max(sizes) * 2.2), padded(ends, 0.1), log_x=True)
    chart.axes(
        "parameters, measured (log scale)",
        f"test {metric_words(metric)} ({unit_of(metric)}), lower is better",
        [(size, parameters(size)) for size in sizes],
    )
    spanned = [p for p in points if finite(p.get("low")) is not None and finite(p.get("high")) is not None]
    if len(spanned) > 1:
        low, high = ([(float(p["param_count"]), float(p[end])) for p in spanned] for end in ("low", "high"))
        chart.band(low, high)
    if base is not None:
        chart.level(base)
    chart.line([(p["param_count"], p["value"]) for p in points], "join")
    for p in points:
        kind = kind_of(p.get("budget"))
        if p in spanned:
            chart.whisker(p["param_count"], p["low"], p["high"], kind)
        span = interval(p["value"], p.get("low"), p.get("high"))
        chart.mark(p["param_count"], p["value"], kind, f"{p.get('budget')}: {span}", 5.5)
    return chart.render(meaning)


def _table(cell: Mapping[str, Any], points: Rows, metric: str) -> Table:
    heads = ["Parameters", metric_words(metric).capitalize(), "AUC", "Seeds", "n", "Effective n"]
    columns = [Column("Budget"), *(Column(head, numeric=True) for head in heads)]
    rows = []
    for p in points:
        texts = [
            parameters(p.get("param_count")),
            interval(p.get("value"), p.get("low"), p.get("high")),
            of(p, "auc", 3),
            count(p.get("seeds")),
            count(p.get("n")),
            count(p.get("effective_n")),
        ]
        rows.append([Cell(str(p.get("budget"))), *map(Cell, texts)])
    caption = str(cell.get("model"))
    fits = "; ".join(f"{form.get('form')} {_fit(form)}" for form in cell.get("forms") or [])
    if fits:
        caption += f". Rival forms by AICc (lower fits better): {fits}."
    return Table(caption, columns, rows, "Numbers")


def _fit(form: Mapping[str, Any]) -> str:
    aicc = finite(form.get("aicc"))
    return number(aicc, 1) if aicc is not None else f"({form.get('note') or 'cannot be fitted'})"
