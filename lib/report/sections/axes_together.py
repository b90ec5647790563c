"""Sections on axes together: interactions, and whether data or size is the limit.

Draws differences in differences, laws and diagnoses that the evaluation has computed.
"""

from __future__ import annotations

from collections.abc import Sequence

from lib.report.inputs import ReportInputs
from lib.report.page import Column, Panel, Section, Table, numbers, table, texts
from lib.report.panels import limited, of_rows, panel
from lib.report.svg import BUDGET_LEGEND, Chart, kind_of, legend, padded
from lib.report.wording import (
    Names,
    count,
    estimate,
    finite,
    interval,
    number,
    parameters,
    percent,
    plural,
    prose,
)
from lib.scaling.axes import Row
from lib.scaling.words import metric_words, of_all

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
        f"Two axes help each other in {of_all(helping, len(rows), 'pair')}: the gain along one grows with "
        f"the other, by at least the margin. They get in each other's way in {hurting or 'none'}. Parallel "
        "lines mean neither."
    )
    columns = [
        *texts("Pair"),
        *numbers("Effect [interval]", "Margin"),
        *texts("Verdict"),
        Column("Why", wide=True),
    ]
    body = [_row(r, names) for r in rows]
    fold = plural(len(rows), "pair") if len(rows) > _FOLD_BEYOND else None
    pairs = table("Differences in differences, with simultaneous intervals.", columns, body, fold)
    marks = legend(BUDGET_LEGEND)
    return Section("interactions", "How the axes work together", lead, notes, marks, panels, [pairs])


def _axes(row: Row) -> list[str]:
    return [str(label) for label in row.get("axis_labels") or row.get("axes") or ("first", "second")]


def _pair(row: Row, names: Names) -> str:
    """The two axes and the problem they were measured in."""
    axes = " × ".join(_axes(row))
    axes = f"{axes[:1].upper()}{axes[1:]}"
    return f"{axes}: {names.problem(row['key'])}" if row.get("key") else axes


def _said(row: Row) -> str:
    """The verdict in words."""
    verdict = str(row.get("verdict"))
    return "moot: no skill" if row.get("moot") else _WORDS.get(verdict, verdict)


def _row(row: Row, names: Names) -> list[str]:
    effect = row.get("effect") or {}
    low, high = effect.get("low_holm", effect.get("low")), effect.get("high_holm", effect.get("high"))
    return [
        _pair(row, names),
        interval(effect.get("estimate"), low, high),
        number(row.get("margin"), 3),
        _said(row),
        prose(row.get("reason")),
    ]


def _panel(row: Row, names: Names) -> Panel:
    reading = f"Difference in differences {estimate(row.get('effect'))}. {prose(row.get('reason'))}"
    grid = [g for g in row["grid"] if finite(g.get("value")) is not None]
    rows = [[*map(str, g["points"]), interval(g["value"], g.get("low"), g.get("high"))] for g in grid]
    loss = f"Test {metric_words(str(row.get('metric', 'log_loss')))}"
    behind = of_rows([*(axis.capitalize() for axis in _axes(row)), loss], rows)
    return panel(f"{_pair(row, names)}: {_said(row)}", reading, _chart(row, grid), behind)


def _chart(row: Row, grid: Sequence[Row]) -> Chart:
    firsts, seconds = (list(dict.fromkeys(str(g["points"][axis]) for g in grid)) for axis in (0, 1))
    ends = [v for g in grid for k in ("value", "low", "high") if (v := finite(g.get(k))) is not None]
    chart = Chart((-0.4, len(seconds) - 0.4), padded(ends, 0.12))
    metric = metric_words(str(row.get("metric", "log_loss")))
    chart.axes(_axes(row)[1], f"test {metric}, lower is better", list(enumerate(seconds)))
    for position, first in enumerate(firsts):
        kind = kind_of(first)
        shift = (position - (len(firsts) - 1) / 2) * 0.12  # so that intervals do not hide each other
        line = [(seconds.index(str(g["points"][1])) + shift, g) for g in grid if str(g["points"][0]) == first]
        chart.line([(x, float(g["value"])) for x, g in line], f"series thin {kind}")
        for x, g in line:
            if finite(g.get("low")) is not None and finite(g.get("high")) is not None:
                chart.whisker(x, g["low"], g["high"], kind)
            at = ", ".join(map(str, g["points"]))
            tip = f"{at}: {interval(g['value'], g.get('low'), g.get('high'))}"
            chart.mark(x, float(g["value"]), kind, tip)
    return chart


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
        f"Data are what is short in {of_all(short, len(found), 'grid')} of sizes and shares of the data."
        if found
        else "No runs on parts of the training data: whether data are what is short was not measured."
    )
    return Section("diagnosis", "Is it the data that are short?", lead, bullets, tables=tables)


def _diagnosed(one: Row) -> Table:
    heads = (
        "Data",
        "Training samples",
        "Parameters",
        "Test loss",
        "Validation − train",
        "Best step",
        "Seeds",
    )
    rows = [
        [
            str(row.get("budget")),
            percent(row.get("train_fraction"), 1),
            count(row.get("n_train")),
            parameters(row.get("param_count")),
            number(row.get("loss")),
            number(row.get("gap")),
            number(row.get("best_step"), 1),
            count(row.get("seeds")),
        ]
        for row in one.get("rows") or []
    ]
    caption = f"{one.get('label') or ''}: {one.get('reading')}. {prose(one.get('reason'))}"
    return table(caption, [*texts("Budget"), *numbers(*heads)], rows)


def _law(law: Row) -> str:
    if not law.get("identified"):
        return prose(law.get("note") or "the joint law cannot be identified.")
    spans = [f"{name} = {estimate(law[name], 3)}" for name in ("E", "alpha", "beta") if law.get(name)]
    return f"E + A·N^−alpha + B·D^−beta with {', '.join(spans)}. {prose(law.get('note'))}"
