"""Sections on axes together: interactions, and whether data or size is the limit.

Draws differences in differences, laws and diagnoses that the evaluation has computed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from lib.report.behind import of_rows
from lib.report.inputs import ReportInputs
from lib.report.page import Column, Panel, Section, Table, TableCell
from lib.report.sections.curve_charts import limited
from lib.report.svg import BUDGET_LEGEND, Chart, kind_of, legend, padded
from lib.report.wording import (
    Names,
    count,
    finite,
    interval,
    metric_words,
    number,
    parameters,
    percent,
    plural,
    prose,
)

_FOLD_BEYOND = 6
_WORDS = {
    "scales": "they help each other",
    "worsens": "they get in each other's way",
    "flat": "no interaction beyond the margin",
    "undecidable": "undecided",
}


def effects_sections(inputs: ReportInputs, names: Names) -> list[Section]:
    """The sections for which this study has results."""
    found = (_interactions(inputs, names), _diagnosis(inputs))
    return [section for section in found if section is not None]


def _interactions(inputs: ReportInputs, names: Names) -> Section | None:
    rows = list(inputs.scaling.get("interactions") or [])
    if not rows:
        return None
    panels, notes = limited([_panel(row, names) for row in rows if row.get("grid")])
    helping, hurting = (sum(row.get("verdict") == v for row in rows) for v in ("scales", "worsens"))
    lead = (
        f"Two axes help each other in {helping} of {plural(len(rows), 'pair')}: the gain along one grows "
        f"with the other, by at least the margin. They get in each other's way in {hurting}. Parallel lines "
        "mean neither."
    )
    marks = legend(BUDGET_LEGEND)
    body = [_row(r, names) for r in rows]
    fold = plural(len(rows), "pair") if len(rows) > _FOLD_BEYOND else None
    table = Table("Differences in differences, with simultaneous intervals.", _COLUMNS, body, fold)
    return Section("interactions", "How the axes work together", lead, notes, marks, panels, [table])


_COLUMNS = [
    Column("Pair"),
    Column("Effect [interval]", numeric=True),
    Column("Margin", numeric=True),
    Column("Verdict"),
    Column("Why", wide=True),
]


def _pair(row: Mapping[str, Any], names: Names) -> str:
    """The two axes and the problem they were measured in."""
    axes = " × ".join(map(str, row.get("axis_labels") or row.get("axes") or []))
    axes = f"{axes[:1].upper()}{axes[1:]}"
    return f"{axes}: {names.problem(row['key'])}" if row.get("key") else axes


def _said(row: Mapping[str, Any]) -> str:
    """The verdict in words."""
    verdict = str(row.get("verdict"))
    return "moot: no skill" if row.get("moot") else _WORDS.get(verdict, verdict)


def _row(row: Mapping[str, Any], names: Names) -> list[TableCell]:
    effect = row.get("effect") or {}
    low, high = effect.get("low_holm", effect.get("low")), effect.get("high_holm", effect.get("high"))
    return [
        TableCell(_pair(row, names)),
        TableCell(interval(effect.get("estimate"), low, high), sort=finite(effect.get("estimate"))),
        TableCell(number(row.get("margin"), 3)),
        TableCell(_said(row)),
        TableCell(prose(row.get("reason"))),
    ]


def _panel(row: Mapping[str, Any], names: Names) -> Panel:
    effect = row.get("effect") or {}
    name = _pair(row, names)
    finding = _said(row)
    title = f"{name}: {finding}"
    span = interval(effect.get("estimate"), effect.get("low"), effect.get("high"))
    reading = f"Difference in differences {span}. {prose(row.get('reason'))}"
    first, second = [str(label) for label in row.get("axis_labels") or row.get("axes") or ("first", "second")]
    rows = [
        [*map(str, g["points"]), interval(g.get("value"), g.get("low"), g.get("high"))]
        for g in row["grid"]
        if finite(g.get("value")) is not None
    ]
    loss = f"Test {metric_words(str(row.get('metric', 'log_loss')))}"
    table = of_rows((first.capitalize(), second.capitalize(), loss), rows)
    return Panel(title, _figure(row, f"{title}. {reading}"), reading, table)


def _figure(row: Mapping[str, Any], meaning: str) -> Markup:
    grid = [g for g in row["grid"] if finite(g.get("value")) is not None]
    labels = [str(label) for label in row.get("axis_labels") or row.get("axes") or ("", "")]
    firsts, seconds = (list(dict.fromkeys(str(g["points"][axis]) for g in grid)) for axis in (0, 1))
    ends = [v for g in grid for k in ("value", "low", "high") if (v := finite(g.get(k))) is not None]
    chart = Chart((-0.4, len(seconds) - 0.4), padded(ends, 0.12))
    metric = metric_words(str(row.get("metric", "log_loss")))
    chart.axes(labels[1], f"test {metric}, lower is better", list(enumerate(seconds)))
    for position, first in enumerate(firsts):
        kind = kind_of(first)
        shift = (position - (len(firsts) - 1) / 2) * 0.12  # so that intervals do not hide each other
        line = [(seconds.index(str(g["points"][1])) + shift, g) for g in grid if str(g["points"][0]) == first]
        chart.line([(x, float(g["value"])) for x, g in line], f"series thin {kind}")
        for x, g in line:
            if finite(g.get("low")) is not None and finite(g.get("high")) is not None:
                chart.whisker(x, g["low"], g["high"], kind)
            chart.mark(x, float(g["value"]), kind, _tip(g))
    return chart.render(meaning)


def _tip(point: Mapping[str, Any]) -> str:
    at = ", ".join(map(str, point["points"]))
    return f"{at}: {interval(point['value'], point.get('low'), point.get('high'))}"


def _diagnosis(inputs: ReportInputs) -> Section | None:
    found = list(inputs.scaling.get("diagnosis") or [])
    laws = list(inputs.scaling.get("joint_law") or [])
    if not found and not laws:
        return None
    tables = [_diagnosed(one) for one in found]
    bullets = [f"{law.get('label') or 'Joint law'}: {_law(law)}" for law in laws]
    readings = [str(one.get("reading")) for one in found]
    short = readings.count("data-limited")
    lead = (
        f"In {short} of {plural(len(found), 'grid')} of sizes and shares of the data, data are what is short."
        if found
        else "No runs on parts of the training data: whether data are what is short was not measured."
    )
    return Section("diagnosis", "Is it the data that are short?", lead, bullets, tables=tables)


def _diagnosed(one: Mapping[str, Any]) -> Table:
    heads = (
        "Data",
        "Training samples",
        "Parameters",
        "Test loss",
        "Validation − train",
        "Best step",
        "Seeds",
    )
    rows: list[Sequence[TableCell]] = [
        [
            TableCell(str(row.get("budget"))),
            TableCell(percent(row.get("train_fraction"), 1)),
            TableCell(count(row.get("n_train"))),
            TableCell(parameters(row.get("param_count"))),
            TableCell(number(row.get("loss"))),
            TableCell(number(row.get("gap"))),
            TableCell(number(row.get("best_step"), 1)),
            TableCell(count(row.get("seeds"))),
        ]
        for row in one.get("rows") or []
    ]
    caption = f"{one.get('label') or ''}: {one.get('reading')}. {prose(one.get('reason'))}"
    return Table(caption, [Column("Budget"), *(Column(head, numeric=True) for head in heads)], rows)


def _law(law: Mapping[str, Any]) -> str:
    if not law.get("identified"):
        return prose(law.get("note") or "the joint law cannot be identified.")
    spans = [
        f"{name} = {interval(v.get('estimate'), v.get('low'), v.get('high'), 3)}"
        for name in ("E", "alpha", "beta")
        if (v := law.get(name))
    ]
    return f"E + A·N^−alpha + B·D^−beta with {', '.join(spans)}. {prose(law.get('note'))}"
