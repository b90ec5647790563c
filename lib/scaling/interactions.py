"""Whether two kinds of growth help each other: differences in differences over a grid of runs.

The effect is the gain along the first axis at the last scale point of the second, minus that at its first,
all corners on the same dates. `verdicts` judges it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import combinations, product
from typing import Any

import numpy as np

from lib.inference.comparisons import Estimate
from lib.scaling.axes import CURVE_KEY, Axis, Row, in_one_line
from lib.scaling.curve_skill import skill_of
from lib.scaling.curves import estimate_loss, zero_loss_of
from lib.scaling.folds import coverage, evidence_of, join
from lib.scaling.preconditions import Coverage
from lib.scaling.run_index import StudyRuns
from lib.scaling.scale_points import ScalePoint, contrast


@dataclass
class Interaction(Coverage):
    """A grid of two axes, measured; the scale points that are counted are the four corners of the effect."""

    axes: tuple[Axis, Axis]
    key: dict[str, Any]
    points: tuple[list[str], list[str]]
    grid: list[dict[str, Any]] = field(default_factory=list)
    effect: Estimate | None = None
    simple_gains: list[tuple[str, Estimate]] = field(default_factory=list)
    skill: dict[str, Estimate] = field(default_factory=dict)
    """Loss of the base rate minus that of each of the four corners."""
    zero_loss: float | None = None
    """Regression: squared error of always predicting 0."""


def interactions_of(axes: Sequence[Axis], rows: Sequence[Row]) -> Iterator[tuple[Axis, Axis, list[Row]]]:
    """Pairs of axes with the runs that differ along both and in nothing else but the seed."""
    for first, second in combinations(axes, 2):
        groups: dict[tuple[Any, ...], list[Row]] = {}
        for row in rows:
            if first.applies(row) and second.applies(row):
                groups.setdefault(_rest(first, second, row), []).append(row)
        for every in groups.values():
            own = evidence_of(every)
            if len(first.points(own)) > 1 and len(second.points(own)) > 1:
                yield first, second, own


def _rest(first: Axis, second: Axis, row: Row) -> tuple[Any, ...]:
    """The key with both axes starred; two axes may share a part (row and tier of a dataset)."""
    mine, other = first.rest(row), second.rest(row)
    out = []
    for own, a, b in zip((row[column] for column in CURVE_KEY), mine, other, strict=True):
        if own not in (a, b):
            out.append("".join("*" if "*" in pair else pair[0] for pair in _pairs(str(a), str(b))))
        else:
            out.append(a if a != own else b)
    return tuple(out)


def _pairs(a: str, b: str) -> list[tuple[str, str]]:
    """The three parts of two starred dataset names, side by side."""
    return list(zip((a[0], a[1], a[2:]), (b[0], b[1], b[2:]), strict=True))


def measure_interaction(first: Axis, second: Axis, rows: Sequence[Row], material: StudyRuns) -> Interaction:
    """Measure the grid of two axes on the test samples that all its runs hold."""
    points = first.points(rows), second.points(rows)
    key = dict(zip(CURVE_KEY, _rest(first, second, rows[0]), strict=True))
    declared = {
        corner: [r for r in rows if (first.point(r), second.point(r)) == corner]
        for corner in product(*points)
    }
    task, horizon = str(key["task"]), int(key["horizon"])
    joined = join(declared, material, task, in_one_line(key))
    ends = product((points[0][0], points[0][-1]), (points[1][0], points[1][-1]))
    counted = coverage({corner: declared[corner] for corner in ends}, joined)
    out = Interaction((first, second), key, points, **vars(counted))
    if joined is None:
        return out
    out.zero_loss = zero_loss_of(joined.aligned)
    at: dict[tuple[str, ...], ScalePoint] = {}
    for corner, positions in joined.positions.items():
        own = joined.rows(corner)
        point = ScalePoint(" ".join(corner), None, joined.aligned.losses(positions))
        at[corner] = point
        loss = estimate_loss(point.losses, horizon)
        low, high = loss.interval(material.cfg.confidence)
        out.grid.append(
            {
                "points": list(corner),
                "sizes": [first.size(own), second.size(own)],
                "value": loss.value,
                "low": low,
                "high": high,
                "seeds": point.seeds,
            }
        )
    _add_effects(out, at, horizon)
    out.skill = skill_of(
        [point for point in at.values() if point.label in out.declared],
        {
            " ".join(corner): [(p.aligned, p.positions[corner], p.rows[corner]) for p in joined.parts]
            for corner in joined.positions
        },
        horizon,
    )
    return out


def _add_effects(out: Interaction, at: dict[tuple[str, ...], ScalePoint], horizon: int) -> None:
    ends, others = (out.points[0][0], out.points[0][-1]), out.points[1]
    for other in others:
        pair = [at.get((end, other)) for end in ends]
        present = [point for point in pair if point is not None]
        if len(present) == 2:
            out.simple_gains.append((other, contrast(present, np.array([1.0, -1.0]), horizon)))
    corners = [at.get((end, other)) for other in (others[0], others[-1]) for end in ends]
    known = [point for point in corners if point is not None]
    if len(known) == 4:
        out.effect = contrast(known, np.array([-1.0, 1.0, 1.0, -1.0]), horizon)
