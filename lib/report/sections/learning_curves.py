"""Section on training: loss curves.

Only shows what histories record; draws no conclusion about runs.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from lib.config.base import primary_metric
from lib.report.inputs import ReportInputs, has_size
from lib.report.page import Panel, Section
from lib.report.panels import limited, of_lines, panel
from lib.report.svg import BUDGET_LEGEND, Chart, kind_of, legend, padded
from lib.report.wording import Names, budget_order, count, finite, listed, number
from lib.scaling.axes import Row
from lib.scaling.words import metric_words, model_words

_POINTS = 80
_Points = list[tuple[float, float]]
_Trained = Sequence[tuple[Row, pl.DataFrame]]
"""Runs with their histories."""


def curves_section(inputs: ReportInputs, names: Names) -> Section:
    """Training and validation loss against optimiser steps, one chart per problem and model."""
    groups: dict[tuple[str, str], list[tuple[Row, pl.DataFrame]]] = {}
    for row in inputs.rows:
        history = inputs.histories.get(str(row.get("path")))
        if history is not None and history.height > 1 and "selection_loss" in history.columns:
            groups.setdefault((names.problem(row), str(row.get("model"))), []).append((row, history))
    built = [_curves_panel(name, model, runs) for (name, model), runs in groups.items()]
    panels, notes = limited([drawn for drawn in built if drawn])
    lead = "No loss curves in this study: no finished run was trained in more than one step."
    if panels:
        lead = "Training keeps the weights with the lowest selection loss (marked), intercept re-fitted."
    entries = [*BUDGET_LEGEND, ("base", "baseline"), ("line series ink", "selection"),
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


def _curves_panel(name: str, model: str, runs: _Trained) -> Panel | None:
    runs = sorted(runs, key=lambda pair: budget_order(pair[0].get("budget")))
    lines = [(row, _points(h, "selection_loss"), _points(h, "train_loss")) for row, h in runs]
    lines = [line for line in lines if line[1]]
    if not lines:
        return None
    title, reading = _curves_words(name, model, runs)
    steps = "boosting rounds" if _rounds(lines[0][0]) else "optimiser steps"
    chart = _curves_chart(lines, steps)
    return panel(title, reading, chart, of_lines(chart, steps.capitalize(), count), switch="xy")


def _curves_words(name: str, model: str, runs: _Trained) -> tuple[str, str]:
    unfinished: list[str] = []
    bests: list[str] = []
    several = len({row.get("seed") for row, _ in runs}) > 1
    for row, history in runs:
        total = int(finite(row.get("steps")) or history["step"].max())  # type: ignore[arg-type]
        best = int(finite(row.get("best_step")) or _lowest(history))
        label = str(row["budget"]) if has_size(row) else model
        label += f" seed {row.get('seed')}" if several else ""
        bests.append(f"{label} {count(best)} of {count(total)}")
        if best >= total:
            unfinished.append(label)
    where = f"{name}, {model}"
    if not unfinished:
        title = f"{where}: selection loss turned before training ended"
    elif len(unfinished) == len(bests) or len(unfinished) > 4:
        title = f"{where}: still improving when training ended"
    else:
        title = f"{where}: still improving at the end for {listed(dict.fromkeys(unfinished))}"
    what = "round" if _rounds(runs[0][0]) else "step"
    return title, f"Best {what}: {', '.join(bests[:12])}."


def _lowest(history: pl.DataFrame) -> int:
    """Step with the lowest selection loss."""
    losses = [v if (v := finite(x)) is not None else float("inf") for x in history["selection_loss"]]
    return int(history["step"][losses.index(min(losses))])


def _rounds(row: Row) -> bool:
    return row.get("family") == "boosting"


def _curves_chart(lines: Sequence[tuple[Row, _Points, _Points]], x_label: str) -> Chart:
    steps = [x for _, validation, training in lines for x, _ in validation + training]
    losses = sorted(y for _, validation, training in lines for _, y in validation + training)
    top = losses[min(len(losses) - 1, int(len(losses) * 0.98))]  # a first wild step must not flatten the rest
    metric = metric_words(primary_metric(str(lines[0][0].get("task"))))
    if metric == "squared error" and lines[0][0].get("family") == "transformer":
        metric += " over the training targets' variance"  # it learns standardised returns
    chart = Chart((0.0, max(steps) * 1.03), padded([losses[0], top], 0.1))
    chart.axes(x_label, f"{metric}, lower is better")
    several = len({row.get("seed") for row, *_ in lines}) > 1
    for row, validation, training in lines:
        kind = kind_of(row.get("budget"))
        name = model_words(row.get("model"), row.get("budget"))
        name += f" seed {row.get('seed')}" if several else ""
        for points, style, part in (
            (training, "series dashed", "training"),
            (validation, "series", "selection"),
        ):
            inside = [(x, min(y, chart.y.high)) for x, y in points]
            if len(inside) > 1:
                chart.line(inside, f"{style} {kind}", f"{name}, {part}")
                chart.lines[f"{name}, {part}"] = points  # the table also has the values above the chart
        x, y = min(validation, key=lambda point: point[1])
        chart.mark(x, min(y, chart.y.high), kind, f"{name}: lowest {number(y)} at step {x:.0f}")
    return chart
