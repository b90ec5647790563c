"""Axes: the directions in which a study can grow, and the scale point of each run on them.

An axis orders rows of the run table that differ in nothing else (besides the seed) into scale points. Some
axes have numeric sizes, so that a slope means something; the others are only ordered.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lib.config.base import BUDGET_PARAMETERS, split_dataset
from lib.config.run_key import NO_BUDGET

Row = Mapping[str, Any]
CASE = ("condition", "train_fraction", "context_length", "dataset", "timescale", "task", "horizon")
"""Which target is forecast from which data. The walk-forward folds of a case form one long test set."""
CURVE_KEY = (*CASE, "model", "budget")
"""The columns that the runs of a curve share, but for what its axis varies; folds and seeds lie within."""
Case = tuple[str, float, int, str, str, str, int]


@dataclass(frozen=True)
class Axis:
    """One direction of growth."""

    name: str
    label: str
    unit: str
    """Unit of the sizes; empty for an axis without sizes."""
    point: Callable[[Row], str]
    order: Callable[[str], float]
    rest: Callable[[Row], tuple[Any, ...]]
    """A run's key without the axis: equal for runs that differ along the axis only."""
    size: Callable[[Sequence[Row]], float | None]
    """Size of a scale point from its rows; None without one."""

    @property
    def is_log(self) -> bool:
        """Whether scale points have sizes, which are compared on a logarithmic scale."""
        return bool(self.unit)

    def points(self, rows: Sequence[Row]) -> list[str]:
        """Names of the scale points among the rows, in order."""
        return sorted({self.point(row) for row in rows if self.applies(row)}, key=self.order)

    def applies(self, row: Row) -> bool:
        """Whether a run lies on this axis at all (models without a budget have no size)."""
        return self.name != "parameters" or row["budget"] != NO_BUDGET


def case_of(row: Row) -> Case:
    """The case that a run belongs to."""
    return tuple(row[column] for column in CASE)


def in_one_line(key: Mapping[str, Any]) -> str:
    """The key that runs share, for messages, written as in run paths; a share of the dates only where it is
    below 1, and no budget where sizes are compared."""
    share, left_out = key["train_fraction"], {*CASE[1:3]}
    if key.get("budget") == "*":
        left_out.add("budget")
    parts = [
        f"h{key[column]}" if column == "horizon" else str(key[column])
        for column in CURVE_KEY
        if column in key and column not in left_out
    ]
    return "/".join([*parts, f"{100 * share:.15g} % of the dates"] if share not in (1.0, "*") else parts)


def _key(row: Row, **changed: str) -> tuple[Any, ...]:
    return tuple(changed.get(column, row[column]) for column in CURVE_KEY)


def _dataset(row: Row, at: int) -> str:
    """The dataset's name with one of its three parts starred."""
    parts = [str(part) for part in split_dataset(row["dataset"])]
    parts[at] = "*"
    return "".join(parts)


def mean_of(rows: Sequence[Row], column: str) -> float | None:
    """Mean of a column over the rows that have it; None where none has."""
    known = [float(row[column]) for row in rows if row.get(column) is not None]
    return sum(known) / len(known) if known else None


AXES: dict[str, Axis] = {
    axis.name: axis
    for axis in (
        Axis(
            "parameters", "parameters", "parameters",
            point=lambda row: str(row["budget"]),
            order=lambda point: float(BUDGET_PARAMETERS[point]),
            rest=lambda row: _key(row, budget="*"),
            size=lambda rows: mean_of(rows, "param_count") or float(BUDGET_PARAMETERS[rows[0]["budget"]]),
        ),
        Axis(
            "features", "input channels", "input channels",
            point=lambda row: str(split_dataset(row["dataset"])[2]),
            order=float,
            rest=lambda row: _key(row, dataset=_dataset(row, 2)),
            size=lambda rows: float(split_dataset(rows[0]["dataset"])[2]),
        ),
        Axis(
            "data", "training samples", "training samples",
            point=lambda row: f"{row['train_fraction']:.15g}",
            order=float,
            rest=lambda row: _key(row, train_fraction="*"),
            size=lambda rows: mean_of(rows, "n_train") or 100.0 * float(rows[0]["train_fraction"]),
        ),
        Axis(
            "context", "bars of a window", "bars of a window",
            point=lambda row: str(row["context_length"]),
            order=float,
            rest=lambda row: _key(row, context_length="*"),
            size=lambda rows: float(rows[0]["context_length"]),
        ),
        Axis(
            "assets", "asset row", "",
            point=lambda row: split_dataset(row["dataset"])[0],
            order=lambda point: float(ord(point)),
            rest=lambda row: _key(row, dataset=_dataset(row, 0)),
            size=lambda rows: None,
        ),
        Axis(
            "quality", "quality column", "",
            point=lambda row: split_dataset(row["dataset"])[1],
            order=lambda point: float(ord(point)),
            rest=lambda row: _key(row, dataset=_dataset(row, 1)),
            size=lambda rows: None,
        ),
    )
}  # fmt: skip
"""All axes by name, in the order in which a study reports them."""


def grouped(axis: Axis, rows: Sequence[Row]) -> dict[tuple[Any, ...], list[Row]]:
    """Rows that differ along the axis only, by the key they share; groups with one scale point are left
    out."""
    groups: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        if axis.applies(row):
            groups.setdefault(axis.rest(row), []).append(row)
    return {key: own for key, own in groups.items() if len(axis.points(own)) > 1}


def axes_of(rows: Sequence[Row]) -> list[Axis]:
    """Axes along which some of the rows differ in nothing else."""
    return [axis for axis in AXES.values() if grouped(axis, rows)]
