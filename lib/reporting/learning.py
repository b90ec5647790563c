"""Sections of how the models were trained: loss curves, and the search for hyperparameters.

Only shows what histories and trials record; judges no run by it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl
from markupsafe import Markup

from lib.reporting.curves import limited
from lib.reporting.inputs import ReportInputs
from lib.reporting.page import Cell, Column, Panel, Section, Table
from lib.reporting.svg import BUDGET_LEGEND, Chart, kind_of, legend, padded
from lib.reporting.words import (
    Names,
    budget_order,
    count,
    duration,
    finite,
    listed,
    metric_of,
    metric_words,
    model_words,
    number,
    parameters,
    percent,
    plural,
    prose,
)

_POINTS = 80
_Points = list[tuple[float, float]]


def curves_section(inputs: ReportInputs, names: Names) -> Section:
    """Training and validation loss against optimiser steps, one chart per problem and model."""
    groups: dict[tuple[str, str], list[tuple[Mapping[str, Any], pl.DataFrame]]] = {}
    for row in inputs.runs.to_dicts():
        history = inputs.histories.get(str(row.get("path")))
        if history is not None and history.height > 1 and "validation_loss" in history.columns:
            groups.setdefault((names.problem(row), str(row.get("model"))), []).append((row, history))
    built = [_curves_panel(name, model, runs) for (name, model), runs in groups.items()]
    panels, notes = limited([panel for panel in built if panel])
    lead = "No loss curves in this study: no finished run was trained in more than one step."
    if panels:
        lead = "Early stopping keeps the epoch with the lowest validation loss, marked on each curve."
    entries = [*BUDGET_LEGEND, ("base", "opponent"), ("line series ink", "validation"),
               ("line series dashed ink", "training")]  # fmt: skip
    return Section("curves", "How training went", lead, notes, legend(entries) if panels else None, panels)


def _points(history: pl.DataFrame, column: str) -> _Points:
    """Steps and losses, thinned so that a long run weighs no more than a short one."""
    if column not in history.columns:
        return []
    steps = history["step"] if "step" in history.columns else pl.Series(range(1, history.height + 1))
    pairs = zip(steps.to_list(), history[column].to_list(), strict=True)
    found = [(float(s), v) for s, x in pairs if s is not None and (v := finite(x)) is not None]
    stride = -(-len(found) // _POINTS)
    if stride < 2:
        return found
    lowest = min(range(len(found)), key=lambda i: found[i][1])
    return [p for i, p in enumerate(found) if i % stride == 0 or i in (lowest, len(found) - 1)]


def _curves_panel(
    name: str, model: str, runs: Sequence[tuple[Mapping[str, Any], pl.DataFrame]]
) -> Panel | None:
    runs = sorted(runs, key=lambda pair: budget_order(pair[0].get("budget")))
    lines = [(row, _points(h, "validation_loss"), _points(h, "train_loss")) for row, h in runs]
    lines = [line for line in lines if line[1]]
    if not lines:
        return None
    title, reading = _curves_words(name, model, runs)
    return Panel(title, _curves_figure(lines, f"{title}. {reading}"), reading)


def _curves_words(
    name: str, model: str, runs: Sequence[tuple[Mapping[str, Any], pl.DataFrame]]
) -> tuple[str, str]:
    unfinished: list[str] = []
    bests: list[str] = []
    several = len({row.get("seed") for row, _ in runs}) > 1
    for row, history in runs:
        total = int(finite(row.get("epochs")) or history.height)
        best = int(finite(row.get("best_epoch")) or _lowest(history))
        label = str(row.get("budget")) if row.get("budget") not in (None, "none") else model
        label += f" seed {row.get('seed')}" if several else ""
        bests.append(f"{label} {count(best)} of {count(total)}")
        if best >= total:
            unfinished.append(label)
    where = f"{name}, {model}"
    if not unfinished:
        title = f"{where}: validation loss turned before training ended"
    elif len(unfinished) == len(bests) or len(unfinished) > 4:
        title = f"{where}: still improving when training ended"
    else:
        title = f"{where}: still improving at the end for {listed(unfinished)}"
    what = "round" if _rounds(runs[0][0]) else "epoch"
    return title, f"Best {what}: {', '.join(bests[:12])}."


def _lowest(history: pl.DataFrame) -> int:
    """Number, from 1, of the row with the lowest validation loss."""
    losses = [v if (v := finite(x)) is not None else float("inf") for x in history["validation_loss"]]
    return losses.index(min(losses)) + 1


def _rounds(row: Mapping[str, Any]) -> bool:
    return row.get("family") == "boosting"


def _curves_figure(lines: Sequence[tuple[Mapping[str, Any], _Points, _Points]], meaning: str) -> Markup:
    steps = [x for _, validation, training in lines for x, _ in validation + training]
    losses = sorted(y for _, validation, training in lines for _, y in validation + training)
    top = losses[min(len(losses) - 1, int(len(losses) * 0.98))]  # a first wild step must not flatten the rest
    metric = metric_words(metric_of(str(lines[0][0].get("task"))))
    if metric == "squared error" and lines[0][0].get("family") == "transformer":
        metric += " over the training targets' variance"  # it learns standardised returns
    chart = Chart((0.0, max(steps) * 1.03), padded([losses[0], top], 0.1))
    chart.axes("boosting rounds" if _rounds(lines[0][0]) else "optimiser steps", f"{metric}, lower is better")
    for row, validation, training in lines:
        kind = kind_of(row.get("budget"))
        for points, style in ((training, "series dashed"), (validation, "series")):
            inside = [(x, min(y, chart.y.high)) for x, y in points]
            if len(inside) > 1:
                chart.line(inside, f"{style} {kind}")
        x, y = min(validation, key=lambda point: point[1])
        tip = f"{model_words(row.get('model'), row.get('budget'))}: lowest {number(y)} at step {x:.0f}"
        chart.mark(x, min(y, chart.y.high), kind, tip)
    return chart.render(meaning)


def search_section(inputs: ReportInputs) -> Section:
    """The best value found by each search as trials went on."""
    built = [
        (_search_panel(path, *found, inputs.importances.get(path)), path)
        for path, found in inputs.hpo.items()
    ]
    panels, notes = limited([panel for panel, _ in built if panel])
    notes += [f"{path}: no trial gave a value." for panel, path in built if not panel]
    lead = "No hyperparameter search in this study: every run used the declared recipe."
    if inputs.hpo:
        trials = sum(frame.height for _, frame in inputs.hpo.values())
        searches = plural(len(inputs.hpo), "search", "searches")
        lead = f"{plural(trials, 'trial')} in {searches}, chosen by validation loss. All are on the record."
    entries = [*BUDGET_LEGEND, ("line series ink", "best so far")]
    return Section(
        "search", "Search for hyperparameters", lead, notes, legend(entries) if panels else None, panels
    )


def _search_panel(
    path: str, best: Mapping[str, Any], trials: pl.DataFrame, importances: Mapping[str, Any] | None
) -> Panel | None:
    if not {"number", "value"} <= set(trials.columns):
        return None
    rows = trials.sort("number").to_dicts()
    valued = [(float(r["number"]), v) for r in rows if (v := finite(r["value"])) is not None]
    if not valued:
        return None
    budget = next((part for part in reversed(path.split("/")) if budget_order(part)), None)
    lowest = min(valued, key=lambda point: point[1])
    worst = max(v for _, v in valued)
    others = len(rows) - len(valued)
    words = [part for part in path.rstrip("/").split("/") if part]
    name = " · ".join(words[-4:])
    title = f"{name}: best of {plural(len(rows), 'trial')} is {number(lowest[1])}"
    reading = f"Trial {lowest[0]:.0f} was best; the worst that finished reached {number(worst)}."
    if others:
        reading += f" {plural(others, 'trial')} pruned, failed or interrupted (short marks at the foot)."
    figure = _search_figure(rows, valued, kind_of(budget), f"{title}. {reading}")
    shares = (importances or {}).get("shares") or {}
    if shares:
        told = ", ".join(f"{name} {percent(share, 0)}" for name, share in list(shares.items())[:5])
        reading += f" Of the variance of the losses, {told} (fANOVA)."
    elif (importances or {}).get("reason"):
        reading += f" Importances: {prose((importances or {})['reason'])}."
    return Panel(title, figure, reading, _found_table(path, best))


def _search_figure(rows: Sequence[Mapping[str, Any]], valued: _Points, kind: str, meaning: str) -> Markup:
    numbers = [float(r["number"]) for r in rows if r["number"] is not None]
    chart = Chart((min(numbers) - 0.5, max(numbers) + 0.5), padded([v for _, v in valued], 0.12))
    step = max(1, -(-len(numbers) // 8))
    chart.axes("trial", "validation loss, lower is better", [(n, f"{n:.0f}") for n in numbers[::step]])
    best: _Points = []
    for x, y in valued:
        best.append((x, min(y, best[-1][1]) if best else y))
    chart.step(best, "series ink")
    for r in rows:
        value = finite(r["value"])
        if value is None:
            x, foot = chart.x(float(r["number"])), chart.y.start
            chart.parts.append(
                f'<line class="tally {kind}" x1="{x:.1f}" x2="{x:.1f}" y1="{foot}" y2="{foot - 8}"/>'
            )
        else:
            chart.mark(float(r["number"]), value, kind, f"trial {r['number']}: {number(value)}")
    return chart.render(meaning)


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
    rows = [
        [
            Cell(str(key), code=True),
            Cell(count(v) if isinstance(v, int) else f"{v:.4g}" if isinstance(v, float) else str(v)),
        ]
        for key, v in facts.items()
    ]
    return Table(path, [Column("Parameter"), Column("Found", numeric=True)], rows, "What was found")
