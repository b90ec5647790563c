"""Are the models short of data? Judged by loss, gap and best step of runs on 12.5 to 100 % of the dates.

Puts the grid of sizes and shares into one table, fits the joint law and interprets it. Reads no files.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from lib.inference.comparisons import Estimate
from lib.scaling import entries as describe
from lib.scaling.axes import AXES, CURVE_KEY, Row, in_one_line, mean_of
from lib.scaling.controls import failed_controls, undeclared_controls
from lib.scaling.curves import margin_of, zero_loss_of
from lib.scaling.folds import Joined, coverage, join
from lib.scaling.hypotheses import Hypothesis
from lib.scaling.interactions import interactions_of
from lib.scaling.joint_law import NAMES, fit_joint_law
from lib.scaling.preconditions import Preconditions
from lib.scaling.questions import Entries
from lib.scaling.run_index import StudyRuns
from lib.scaling.scale_points import ScalePoint, contrast

Corner = tuple[str, str]
"""Size and share of dates of a combination."""


@dataclass(frozen=True)
class Grid:
    """Runs of every combination of size and share of dates, on the test samples that all hold."""

    key: dict[str, Any]
    declared: dict[Corner, list[Row]]
    """Declared runs of each combination, in order of size, then share."""
    joined: Joined[Corner]
    points: dict[Corner, ScalePoint]
    """Of the combinations that have a usable run."""

    @property
    def deciding(self) -> list[Corner]:
        """The largest size on the largest real share of the dates and on all of them; empty without both."""
        largest = list(self.declared)[-1][0]
        shares = [corner for corner in self.declared if corner[0] == largest]
        return shares[-2:] if len(shares) > 1 and float(shares[-1][1]) == 1.0 else []


def diagnose(
    hypothesis: Hypothesis, material: StudyRuns, controls: Entries
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Diagnoses and joint laws of the grids of sizes and shares of dates of one question."""
    diagnoses: list[dict[str, Any]] = []
    laws: list[dict[str, Any]] = []
    if AXES["data"] not in hypothesis.axes:
        return diagnoses, laws
    for _, _, rows in interactions_of([AXES["parameters"], AXES["data"]], hypothesis.rows):
        if (grid := _grid(rows, material)) is not None:
            margin = margin_of(hypothesis.margin, zero_loss_of(grid.joined.aligned))
            diagnoses.append(_diagnosis(grid, margin, material, controls))
            laws.append(_joint(grid, material))
    return diagnoses, laws


def _grid(rows: Sequence[Row], material: StudyRuns) -> Grid | None:
    """None without any usable run, or where runs share no sample."""
    by_corner: dict[Corner, list[Row]] = {}
    for row in rows:
        corner = (AXES["parameters"].point(row), AXES["data"].point(row))
        by_corner.setdefault(corner, []).append(row)
    order = sorted(by_corner, key=lambda k: (AXES["parameters"].order(k[0]), AXES["data"].order(k[1])))
    key = dict(zip(CURVE_KEY, AXES["data"].rest(rows[0]), strict=True)) | {"budget": "*"}
    groups = {corner: by_corner[corner] for corner in order}
    joined = join(groups, material, str(key["task"]), in_one_line(key))
    if joined is None:
        return None
    losses = {corner: joined.aligned.losses(positions) for corner, positions in joined.positions.items()}
    points = {corner: ScalePoint(" ".join(corner), None, own) for corner, own in losses.items()}
    return Grid(key, groups, joined, points)


def _diagnosis(grid: Grid, margin: float, material: StudyRuns, controls: Entries) -> dict[str, Any]:
    lines = [_line(point, grid.joined.rows(corner)) for corner, point in grid.points.items()]
    horizon, confidence = int(grid.key["horizon"]), material.cfg.confidence
    gain: Estimate | None = None
    if grid.deciding and all(corner in grid.points for corner in grid.deciding):
        # From the largest real subset to all dates: the latest gain from more data.
        pair = [grid.points[corner] for corner in grid.deciding]
        gain = contrast(pair, np.array([1.0, -1.0]), horizon)
    rises = _gap_rises(lines)
    reading, reason = _read(grid, gain, rises, margin, _preconditions(grid, controls), confidence)
    return {
        "key": grid.key,
        "label": describe.label_of(grid.key),
        "rows": lines,
        "data_gain_at_largest": None if gain is None else describe.described(gain, confidence),
        "margin": margin,
        "gap_rises_with_size": rises,
        "reading": reading,
        "reason": reason,
    }


def _preconditions(grid: Grid, controls: Entries) -> Preconditions:
    """Preconditions of the two combinations that decide."""
    model = str(grid.key["model"])
    groups = {corner: grid.declared[corner] for corner in grid.deciding}
    found = coverage(groups, grid.joined, lambda at: f"{at[0]} on {float(at[1]):.1%} of the dates")
    return Preconditions.of(found, failed_controls(controls, model), undeclared_controls(controls, model))


def _line(point: ScalePoint, rows: Sequence[Row]) -> dict[str, Any]:
    recorded = {
        "n_train": "n_train", "param_count": "param_count", "train_loss": "best_train_loss",
        "validation_loss": "best_validation_loss", "gap": "train_gap", "best_step": "best_step",
        "steps": "steps",
    }  # fmt: skip
    found = {name: rows[0][name] for name in ("budget", "train_fraction")}
    found |= {"seeds": point.seeds, "loss": point.mean}
    return found | {name: mean_of(rows, column) for name, column in recorded.items()}


def _gap_rises(lines: Sequence[dict[str, Any]]) -> bool | None:
    """Whether validation falls further behind training at every larger size, on all dates."""
    gaps = [line["gap"] for line in lines if line["train_fraction"] == 1.0]
    if len(gaps) < 2 or any(gap is None for gap in gaps):
        return None
    return all(after > before for before, after in pairwise(gaps))


def _read(
    grid: Grid, gain: Estimate | None, rises: bool | None, margin: float, preconditions: Preconditions,
    confidence: float,
) -> tuple[str, str]:  # fmt: skip
    if not grid.deciding:
        return "undecidable", "The largest size was not trained on all dates and on a part of them."
    if gain is None:
        return "undecidable", f"No usable run of {', '.join(preconditions.absent)}."
    low, high = gain.interval(confidence)
    (size, share), _ = grid.deciding
    if low is None or high is None:
        return "undecidable", "The test set is too short to be resampled."
    measured = (
        f"at {size} the step from {float(share):.1%} to all training dates gains "
        f"{gain.value:.2g} [{low:.2g}, {high:.2g}]"
    )
    gap = {
        True: "; the gap between training and validation grows with size",
        False: "; the gap between training and validation does not grow with size",
        None: "",
    }[rises]
    if preconditions.obstacle:
        return "undecidable", f"{preconditions.obstacle}; {measured}{gap}."
    weaker = preconditions.weaknesses
    if low > 0 and gain.value >= margin:
        return "data-limited", f"More data still help: {measured}{gap}.{weaker}"
    if -margin <= low and high <= margin:
        return (
            "not data-limited",
            f"More data no longer matter: {measured}, within ±{margin:.2g}{gap}.{weaker}",
        )
    return "undecidable", f"{measured[:1].upper()}{measured[1:]}{gap}.{weaker}"


def _joint(grid: Grid, material: StudyRuns) -> dict[str, Any]:
    key, points = grid.key, list(grid.points.values())
    owners = [grid.joined.rows(corner) for corner in grid.points]
    sizes = np.array([AXES["parameters"].size(rows) for rows in owners], dtype=np.float64)
    samples = np.array([AXES["data"].size(rows) for rows in owners], dtype=np.float64)
    law = fit_joint_law(points, sizes, samples, int(key["horizon"]), material.cfg)
    note = "The joint law needs at least three sizes, three amounts of data and six combinations of them."
    return {
        "key": key,
        "label": describe.label_of(key),
        "identified": bool(law and law.identified),
        "note": law.note if law else note,
        **{name: vars(law.parameters[name]) if law else None for name in NAMES},
        "points": [
            {
                "budget": own[0]["budget"],
                "train_fraction": own[0]["train_fraction"],
                "n_params": float(size),
                "n_train": float(count),
                "value": point.mean,
                "fitted": law.fitted[i] if law else None,
            }
            for i, (point, own, size, count) in enumerate(zip(points, owners, sizes, samples, strict=True))
        ],
    }
