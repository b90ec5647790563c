"""The curves of the questions: their gains, scale points and runs, and what the controls allow to conclude.

The same axes and the same rule about failed controls as in the evaluation, so that titles and sentences
cannot claim more than its verdicts. Measures nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lib.report.inputs import ReportInputs, asks, has_size
from lib.report.wording import DASH, Triple, plural, triple_of
from lib.scaling.axes import AXES, CURVE_KEY, Row
from lib.scaling.controls import TAINTS_ALL, failed_controls


def blocked(inputs: ReportInputs, model: Any) -> list[str]:
    """The failed controls that forbid a finding about a model: every null and law control, its own others."""
    return failed_controls(inputs.controls, str(model))


def all_tainted(inputs: ReportInputs) -> bool:
    """Whether a control found something where there is nothing, or missed a known law: this invalidates all
    models."""
    return any(c.get("role") in TAINTS_ALL and not c.get("passed") for c in inputs.controls)


def barred_words(inputs: ReportInputs) -> str:
    """What the failed controls forbid, in one clause; empty if none failed."""
    failed = [c for c in inputs.controls if not c.get("passed")]
    if not failed:
        return ""
    if all_tainted(inputs):
        return "a null or law control among them: no verdict of this study counts"
    models = sorted({str(c.get("model")) for c in failed})
    return f"all of one model's own: nothing is concluded about {', '.join(models)}"


class Compared:
    """The runs of a study by curve and scale point."""

    def __init__(self, inputs: ReportInputs) -> None:
        self._rows = list(filter(asks, inputs.rows))
        self._groups: dict[str, dict[tuple[str, ...], list[Row]]] = {}
        self._against: dict[tuple[str, ...], Row] = {}
        for table in inputs.scaling.get("baselines") or []:
            for line in table.get("rows") or []:
                self._against[(*_values({**table, **line}, CURVE_KEY), str(bool(table.get("folds"))))] = line

    def runs(self, curve: Row) -> list[Row]:
        """Declared runs of a curve, finished or not."""
        key = _values({**curve, "budget": curve.get("budget") or "*"}, CURVE_KEY)
        return self._along(axis_of(curve)).get(key, [])

    def points(self, curve: Row) -> dict[str, list[Row]]:
        """Declared runs of a curve by scale point, in order of the axis."""
        axis = AXES[axis_of(curve)]
        found: dict[str, list[Row]] = {}
        for row in self.runs(curve):
            found.setdefault(axis.point(row), []).append(row)
        return {point: found[point] for point in sorted(found, key=axis.order)}

    def against_others(self, curve: Row, point: str) -> Row | None:
        """The row of a scale point in the table of models, with `over_base_rate`, `over_linear` and their
        intervals: paired differences on the same dates."""
        rows = self.points(curve).get(point)
        if not rows:
            return None
        return self._against.get((*_values(rows[0], CURVE_KEY), str(bool(curve.get("folds")))))

    def _along(self, name: str) -> dict[tuple[str, ...], list[Row]]:
        if name not in self._groups:
            axis = AXES[name]
            groups: dict[tuple[str, ...], list[Row]] = {}
            for row in self._rows:
                if axis.applies(row):
                    groups.setdefault(tuple(map(str, axis.rest(row))), []).append(row)
            self._groups[name] = groups
        return self._groups[name]


def _values(row: Row, names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(str(row.get(name)) for name in names)


def axis_of(curve: Row) -> str:
    """The axis of a curve or question."""
    return str(curve.get("axis") or "parameters")


def gain_of(curve: Row) -> Triple:
    """Gain in loss from the smallest to the largest size, with the interval that the verdict is based on."""
    adjusted = triple_of(curve.get("gain"), "_holm")
    return triple_of(curve.get("gain")) if None in adjusted[1:] else adjusted


def deciding_gain(curve: Row) -> Triple:
    """Like `gain_of`; of a flat curve with the interval that judges equivalence."""
    pairs = (curve.get("equivalence") or {}).get("pairs") or []
    if curve.get("verdict") != "flat" or not pairs:
        return gain_of(curve)
    ends = next(pair for pair in pairs if (pair["from"], pair["to"]) == (pairs[0]["from"], pairs[-1]["to"]))
    return triple_of(ends)


def ends_of(curve: Row) -> str:
    """`from 2M to 200M`: the measured scale points."""
    points = curve.get("points") or []
    return f"from {point_of(points[0])} to {point_of(points[-1])}" if points else "from smallest to largest"


def point_of(point: Row) -> str:
    """Name of a point on its axis: a budget, a number of channels, a share of the data, a row or column."""
    return str(point.get("budget") or point.get("point"))


def fewest_seeds(curve: Row) -> int:
    """Seeds of the scale point that has the fewest."""
    return min((int(point.get("seeds") or 0) for point in curve.get("points") or []), default=0)


def experiments_of(question: Row) -> list[str]:
    """Names of the experiments that a question draws on; several for shares of the training dates."""
    return [name.strip() for name in str(question.get("experiment") or "").split(",") if name.strip()]


def seeds_by_size(inputs: ReportInputs) -> list[int]:
    """Finished seeds of every problem, model and size of the questions; 0 where none is finished."""
    seeds: dict[tuple[str, ...], set[Any]] = {}
    for row in inputs.rows:
        if asks(row) and has_size(row):
            found = seeds.setdefault(_values(row, (*CURVE_KEY, "fold")), set())
            if row.get("status") == "done":
                found.add(row.get("seed"))
    return sorted(len(found) for found in seeds.values())


def seeds_words(counts: list[int]) -> str:
    """`5`, or `3 to 5`; a dash without any size."""
    if not counts:
        return DASH
    return str(counts[0]) if counts[0] == counts[-1] else f"{counts[0]} to {counts[-1]}"


def unfinished(compared: Compared, curves: Sequence[Row]) -> list[str]:
    """Paths of unfinished runs of some curves, each once."""
    rows = [row for curve in curves for row in compared.runs(curve) if row.get("status") != "done"]
    return list(dict.fromkeys(str(row.get("path")) for row in rows))


def named_runs(paths: list[str]) -> str:
    """`2 runs (a, b)`, at most three of them by name."""
    shown = ", ".join(paths[:3]) + (f" and {len(paths) - 3} more" if len(paths) > 3 else "")
    return f"{plural(len(paths), 'missing run')}: {shown}"
