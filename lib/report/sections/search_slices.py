"""Losses of a search against each parameter, as small charts side by side on one scale of losses.

Positions and ends come from the declared space (log where the space is log); a best trial at an end of its
range is marked, because the best may then lie outside. Draws complete trials only.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from lib.config.model import Architecture
from lib.report.page import Panel
from lib.report.panels import of_rows, panel
from lib.report.svg import WIDTH, Chart, Scale, marker, padded, tick_text, ticks
from lib.report.wording import DASH, finite, listed, number, plural
from lib.scaling.axes import Row

_FEWEST = 5
"""Complete trials below which there is nothing to see."""
_MOST = 8
"""Small charts of a search: the parameters with the largest importance."""
_COLUMNS, _LEFT, _GAP, _HIGH, _ROW = 2, 52, 22, 72, 122
_EDGE = 0.05
"""A best value this near to an end of its range, as a share of the range, is at the edge."""
_ARCHITECTURE = "architecture"


@dataclass(frozen=True)
class _Axis:
    """One parameter: its range, and where a trial stands in it."""

    name: str
    label: str
    low: float
    high: float
    log: bool
    marks: Sequence[tuple[float, str]]
    """Positions with a text below."""
    values: Sequence[Any] = ()
    """Of a choice, whose positions are places in this list."""
    ordered: bool = True

    def place(self, value: Any) -> float | None:
        """Position of a trial's value; None if it cannot be placed."""
        if value is None:
            return None
        if self.name == _ARCHITECTURE:
            return _aspect(value)
        if self.values:
            return next((float(i) for i, known in enumerate(self.values) if _same(known, value)), None)
        return finite(value)

    def end(self, place: float) -> bool:
        """Whether a position is at an end of the range."""
        scale = Scale(self.low, self.high, 0.0, 1.0, self.log)
        return self.ordered and not _EDGE <= scale(place) <= 1 - _EDGE


def slices_panel(
    name: str, kind: str, best: Mapping[str, Any], trials: pl.DataFrame, shares: Mapping[str, float]
) -> Panel | None:
    """The losses of a search against each of its parameters; None where there are too few.

    Args:
        name: of the search, in words.
        kind: style class of its budget.
        best: content of best.json; its `space` says which axes there are.
        trials: one row per trial.
        shares: importance of each parameter; the most important come first.
    """
    space: Mapping[str, Mapping[str, Any]] = best.get("space") or {}
    names = sorted((n for n in space if n in trials.columns), key=lambda n: -shares.get(n, 0.0))[:_MOST]
    rows = [row for row in trials.to_dicts() if finite(row["value"]) is not None]
    if not names or len(rows) < _FEWEST:
        return None
    rows.sort(key=lambda row: float(row["value"]))
    axes = [_axis(n, space[n]) for n in names]
    edges = [a.label for a in axes if (p := a.place(rows[0][a.name])) is not None and a.end(p)]
    title = f"{name}: the best trial lies inside all ranges"
    if edges:
        title = f"{name}: the best trial lies at an end of {listed(edges)}"
    losses = [float(row["value"]) for row in rows]
    top = losses[min(len(losses) - 1, int(len(losses) * 0.9))]  # a few wild ones must not flatten the rest
    above = sum(loss > top for loss in losses)
    complete = plural(len(rows), "complete trial")
    reading = f"Validation loss against each parameter, lower is better; {complete}, the best one marked."
    if above:
        reading += f" {plural(above, 'loss', 'losses')} above {number(top)} at the upper edge."
    if len(names) < len(space):
        reading += f" {len(space) - len(names)} of {len(space)} parameters not drawn."
    texts = [[f"{r['number']}", number(r["value"]), *(_text(r[a.name]) for a in axes)] for r in rows]
    behind = of_rows(("Trial", "Validation loss", *(a.name for a in axes)), texts)
    return panel(title, reading, _chart(axes, rows, losses[0], top, kind), behind)


def _text(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else DASH if value is None else str(value)


def _axis(name: str, declared: Mapping[str, Any]) -> _Axis:
    if declared["type"] != "choice":
        low, high, log = float(declared["low"]), float(declared["high"]), bool(declared.get("log"))
        return _Axis(name, name + (" (log)" if log else ""), low, high, log, _ends(low, high))
    values = declared["values"]
    if name == _ARCHITECTURE:
        aspects = [_aspect(label) for label in values]
        low, high = min(aspects), max(aspects)
        return _Axis(name, "d_model / n_layers (log)", low, high, True, _ends(low, high), values)
    marks = [(float(i), str(value)) for i, value in enumerate(values)]
    if len(values) > 5 or sum(len(text) for _, text in marks) > 20:
        marks = [marks[0], marks[-1]]
    last = len(values) - 1
    ordered = bool(declared.get("ordered")) or all(isinstance(value, int | float) for value in values)
    return _Axis(name, name, 0.0, float(max(last, 1)), False, marks, values, ordered and last > 1)


def _ends(low: float, high: float) -> list[tuple[float, str]]:
    return [(low, f"{low:.3g}"), (high, f"{high:.3g}")]


def _aspect(label: str) -> float:
    size = Architecture.size_of(label)
    return size["d_model"] / size["n_layers"]


def _same(known: Any, value: Any) -> bool:
    one, other = finite(known), finite(value)
    return one == other if one is not None and other is not None else str(known) == str(value)


def _chart(axes: Sequence[_Axis], rows: Sequence[Row], low: float, top: float, kind: str) -> Chart:
    height = 20 + _ROW * math.ceil(len(axes) / _COLUMNS)
    canvas = Chart((0.0, 1.0), (0.0, 1.0), height=height)
    canvas.text(0, 12, "validation loss", "start", "label")
    width = (WIDTH - 14 - _LEFT - _GAP * (_COLUMNS - 1)) / _COLUMNS
    for position, axis in enumerate(axes):
        row, column = divmod(position, _COLUMNS)
        left, upper = _LEFT + column * (width + _GAP), 46 + row * _ROW
        scale_y = Scale(*padded([low, top], 0.1), upper + _HIGH, upper)
        scale_x = Scale(axis.low, axis.high, left + 6, left + width - 6, axis.log)
        _frame(canvas, axis, scale_x, scale_y, left, left + width, labelled=column == 0)
        path = "".join(
            f"M{scale_x(x):.0f} {scale_y(min(float(r['value']), top)):.0f}h.1"
            for r in rows[1:]
            if (x := axis.place(r[axis.name])) is not None
        )
        canvas.parts.append(f'<path class="dots {kind}" d="{path}"/>')
        best, place = rows[0], axis.place(rows[0][axis.name])
        if place is not None:
            tip = f"best, trial {best['number']}: {best[axis.name]}, loss {number(best['value'])}"
            canvas.parts.append(marker(scale_x(place), scale_y(low), kind, tip))
    return canvas


def _frame(
    canvas: Chart, axis: _Axis, x: Scale, y: Scale, left: float, right: float, *, labelled: bool
) -> None:
    """Name, lines of equal loss, and the ends of the range of one small chart."""
    canvas.text(left, y.end - 8, axis.label, "start", "label")
    values = ticks(y.low, y.high, 2)
    step = values[1] - values[0] if len(values) > 1 else 0.01
    for value in values:
        at = y(value)
        canvas.parts.append(
            f'<line class="grid" x1="{left:.0f}" x2="{right:.0f}" y1="{at:.1f}" y2="{at:.1f}"/>'
        )
        if labelled:
            canvas.text(left - 6, at + 4, tick_text(value, step), "end")
    base = y.start
    canvas.parts.append(
        f'<line class="axis" x1="{left:.0f}" x2="{right:.0f}" y1="{base:.0f}" y2="{base:.0f}"/>'
    )
    for place, text in axis.marks:
        anchor = "start" if place == axis.low else "end" if place == axis.high else "middle"
        at = {"start": left, "end": right}.get(anchor, x(place))
        canvas.text(at, base + 16, text, anchor)
