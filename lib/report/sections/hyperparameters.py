"""Section on hyperparameter searches: progress, importances, and the best trial.

Only shows what trials record; draws no conclusion about runs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import polars as pl

from lib.report.inputs import ReportInputs
from lib.report.page import Cells, Panel, Section, Table, TableCell, numbers, table, texts
from lib.report.panels import limited, of_lines, of_rows, panel
from lib.report.sections.search_slices import slices_panel
from lib.report.sections.transfer_table import transfer_table
from lib.report.svg import BUDGET_LEGEND, Chart, kind_of, legend, padded
from lib.report.wording import (
    budget_order,
    count,
    duration,
    finite,
    number,
    parameters,
    percent,
    plural,
    problem_words,
    prose,
)
from lib.scaling.axes import Row

_Points = list[tuple[float, float]]
_BARS = 8
"""Parameters whose importance is drawn, the largest first."""


def search_section(inputs: ReportInputs) -> Section:
    """Of each search: the best value as trials went on, the importances, and the losses by parameter."""
    built = {
        path: _search_panel(path, *found, inputs.importances.get(path) or {})
        for path, found in inputs.hpo.items()
    }
    panels, notes = limited([drawn for drawn in built.values() if drawn])
    notes += [f"{path}: no trial gave a value." for path, drawn in built.items() if not drawn]
    details, more = limited([drawn for path in inputs.hpo for drawn in _details(inputs, path)])
    panels, notes = panels + details, notes + more
    lead = "No hyperparameter search in this study: every run used the declared recipe."
    if inputs.hpo:
        trials = sum(frame.height for _, frame in inputs.hpo.values())
        searches = plural(len(inputs.hpo), "search", "searches")
        lead = f"{plural(trials, 'trial')} in {searches}, chosen by validation loss. All are on the record."
    tables = []
    if transfer := transfer_table(inputs):
        notes = [transfer[0], *notes]
        tables = [transfer[1]]
    entries = [*BUDGET_LEGEND, ("line series ink", "best so far")]
    marks = legend(entries) if panels else None
    return Section("search", "Search for hyperparameters", lead, notes, marks, panels, tables)


def _search_panel(
    path: str, best: Mapping[str, Any], trials: pl.DataFrame, importances: Mapping[str, Any]
) -> Panel | None:
    if not {"number", "value"} <= set(trials.columns):
        return None
    rows = trials.sort("number").to_dicts()
    valued = [(float(r["number"]), v) for r in rows if (v := finite(r["value"])) is not None]
    if not valued:
        return None
    lowest = min(valued, key=lambda point: point[1])
    worst = max(v for _, v in valued)
    others = len(rows) - len(valued)
    title = f"{_name(path)}: best of {plural(len(rows), 'trial')} is {number(lowest[1])}"
    reading = f"Trial {lowest[0]:.0f} was best; the worst that finished reached {number(worst)}."
    if others:
        reading += f" {plural(others, 'trial')} pruned, failed or interrupted (short marks at the foot)."
    if importances.get("reason"):
        reading += f" Importances: {prose(importances['reason'])}."
    chart = _search_chart(rows, valued, _kind(path))
    return panel(title, reading, chart, of_lines(chart, "Trial", count), _found_table(path, best))


def _name(path: str) -> str:
    timescale, task, horizon, *others = path.rstrip("/").split("/")[-6:]
    return " · ".join([problem_words(timescale, task, horizon), *others])


def _kind(path: str) -> str:
    return kind_of(next((part for part in reversed(path.split("/")) if budget_order(part)), None))


def _details(inputs: ReportInputs, path: str) -> list[Panel]:
    """Importances of a search, and its losses against each parameter, where there are enough trials."""
    best, trials = inputs.hpo[path]
    shares = (inputs.importances.get(path) or {}).get("shares") or {}
    found = [
        _importance_panel(_name(path), shares) if shares else None,
        slices_panel(_name(path), _kind(path), best, trials, shares),
    ]
    return [drawn for drawn in found if drawn]


def _importance_panel(name: str, shares: Mapping[str, float]) -> Panel:
    ordered = sorted(shares.items(), key=lambda item: -item[1])
    title = f"{name}: {ordered[0][0]} explains {percent(ordered[0][1], 0)} of the differences between trials"
    shares_text = ", ".join(f"{parameter} {percent(share, 0)}" for parameter, share in ordered[:_BARS])
    reading = f"Share of each parameter in the variance of the losses (fANOVA): {shares_text}."
    behind = of_rows(("Parameter", "Share"), [[name, percent(share)] for name, share in ordered])
    return panel(title, reading, _importance_chart(ordered[:_BARS]), behind)


def _importance_chart(shares: Sequence[tuple[str, float]]) -> Chart:
    longest = max(share for _, share in shares)
    chart = Chart((0.0, longest), (0.0, 1.0), height=24 * len(shares) + 8, left=170)
    chart.x = replace(chart.x, end=chart.x.end - 44)  # room for the number after the longest bar
    for row, (name, share) in enumerate(shares):
        y = 20 + 24 * row
        chart.text(chart.x.start - 8, y, name, "end", "label")
        end = max(chart.x(share), chart.x.start + 1)
        chart.parts.append(
            f'<line class="whisker bar" x1="{chart.x.start}" x2="{end:.1f}" y1="{y - 4}" y2="{y - 4}"/>'
        )
        chart.text(end + 6, y, percent(share, 0))
    return chart


def _search_chart(rows: Sequence[Row], valued: _Points, kind: str) -> Chart:
    numbers = [float(r["number"]) for r in rows if r["number"] is not None]
    chart = Chart((min(numbers) - 0.5, max(numbers) + 0.5), padded([v for _, v in valued], 0.12))
    step = max(1, -(-len(numbers) // 8))
    chart.axes("trial", "validation loss, lower is better", [(n, f"{n:.0f}") for n in numbers[::step]])
    best: _Points = []
    for x, y in valued:
        best.append((x, min(y, best[-1][1]) if best else y))
    chart.step(best, "series ink", "Best so far")
    for r in rows:
        value = finite(r["value"])
        if value is None:
            x, foot = chart.x(float(r["number"])), chart.y.start
            chart.parts.append(
                f'<line class="tally {kind}" x1="{x:.1f}" x2="{x:.1f}" y1="{foot}" y2="{foot - 8}"/>'
            )
        else:
            chart.mark(float(r["number"]), value, kind, f"trial {r['number']}: {number(value)}")
    chart.lines = {"Validation loss": valued, **chart.lines}
    return chart


def _found_table(path: str, best: Mapping[str, Any]) -> Table:
    facts: dict[str, Any] = dict(best.get("parameters") or {})
    facts |= best.get("architecture") or {}
    if best.get("param_count"):
        facts["param_count"] = parameters(best["param_count"])
    if best.get("seconds") is not None:
        facts["time"] = duration(best["seconds"])
    for name in ("median_value", "worst_value"):
        if best.get(name) is not None:
            facts[name] = number(best[name])
    rows: list[Cells] = [
        [
            TableCell(str(key), code=True),
            count(v) if isinstance(v, int) else f"{v:.4g}" if isinstance(v, float) else str(v),
        ]
        for key, v in facts.items()
    ]
    return table(path, [*texts("Parameter"), *numbers("Found")], rows, "What was found")
