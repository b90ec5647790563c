"""Are the models short of data? Runs on 12.5 to 100 % of the dates, told by loss, gap and best epoch.

Puts the grid of sizes and shares into one table, fits the joint law and reads it. Reads no files.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from lib.evaluation import describe
from lib.evaluation.asked import Asked
from lib.evaluation.axes import AXES, WORDS, Row
from lib.evaluation.comparisons import Estimate
from lib.evaluation.interactions import interactions_of
from lib.evaluation.joint_law import NAMES, fit_joint_law
from lib.evaluation.levels import Level, contrast
from lib.evaluation.material import Material
from lib.evaluation.samples import align


def diagnose(asked: Asked, material: Material) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Diagnoses and joint laws of the grids of sizes and shares of dates of one question."""
    diagnoses: list[dict[str, Any]] = []
    laws: list[dict[str, Any]] = []
    if AXES["data"] not in asked.axes:
        return diagnoses, laws
    for _, _, rows in interactions_of([AXES["parameters"], AXES["data"]], asked.rows):
        found = _grid(rows, material)
        if found is None:
            continue
        words, levels, owners = found
        diagnoses.append(_diagnosis(words, levels, owners, asked.margin, material))
        laws.append(_joint(words, levels, owners, material))
    return diagnoses, laws


def _grid(
    rows: Sequence[Row], material: Material
) -> tuple[dict[str, Any], list[Level], list[list[Row]]] | None:
    """Levels of every combination of size and share that has a usable run, with their rows."""
    by_corner: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        key = (AXES["parameters"].level(row), AXES["data"].level(row))
        by_corner.setdefault(key, []).append(row)
    order = sorted(by_corner, key=lambda k: (AXES["parameters"].order(k[0]), AXES["data"].order(k[1])))
    found = [(key, material.usable(by_corner[key])) for key in order]
    found = [(key, runs) for key, runs in found if runs]
    if not found:
        return None
    words = dict(zip(WORDS, AXES["data"].rest(rows[0]), strict=True)) | {"budget": "*"}
    where = "/".join(map(str, words.values()))
    aligned, _ = align([samples for _, runs in found for _, samples in runs], str(words["task"]), where)
    if aligned is None:
        return None
    levels, owners, begin = [], [], 0
    for key, runs in found:
        positions = range(begin, begin + len(runs))
        begin = positions.stop
        levels.append(Level(" ".join(key), None, aligned.losses(positions)))
        owners.append([row for row, _ in runs])
    return words, levels, owners


def _diagnosis(
    words: dict[str, Any], levels: Sequence[Level], owners: Sequence[Sequence[Row]], margin: float,
    material: Material,
) -> dict[str, Any]:  # fmt: skip
    lines = [_line(level, own) for level, own in zip(levels, owners, strict=True)]
    horizon, confidence = int(words["horizon"]), material.cfg.confidence
    largest = lines[-1]["budget"]
    at = [i for i, line in enumerate(lines) if line["budget"] == largest]
    gain: Estimate | None = None
    if len(at) > 1 and lines[at[-1]]["fraction"] == 1.0:
        # From the largest real subset to all dates: what more data have brought last.
        gain = contrast([levels[at[-2]], levels[at[-1]]], np.array([1.0, -1.0]), horizon)
    rises = _gap_rises(lines)
    reading, reason = _read(gain, rises, margin, lines, at, confidence)
    return {
        "cell": words,
        "label": describe.label_of(words),
        "rows": lines,
        "data_gain_at_largest": None if gain is None else describe.described(gain, confidence),
        "gap_rises_with_size": rises,
        "reading": reading,
        "reason": reason,
    }


def _line(level: Level, rows: Sequence[Row]) -> dict[str, Any]:
    return {
        "budget": rows[0]["budget"],
        "fraction": rows[0]["fraction"],
        "n_train": _mean(rows, "n_train"),
        "param_count": _mean(rows, "param_count"),
        "seeds": len(rows),
        "loss": level.mean,
        "train_loss": _mean(rows, "best_train_loss"),
        "validation_loss": _mean(rows, "best_validation_loss"),
        "gap": _mean(rows, "train_gap"),
        "best_epoch": _mean(rows, "best_epoch"),
        "epochs": _mean(rows, "epochs"),
    }


def _mean(rows: Sequence[Row], column: str) -> float | None:
    known = [float(row[column]) for row in rows if row.get(column) is not None]
    return sum(known) / len(known) if known else None


def _gap_rises(lines: Sequence[dict[str, Any]]) -> bool | None:
    """Whether validation falls further behind training at every larger size, on all dates."""
    gaps = [line["gap"] for line in lines if line["fraction"] == 1.0]
    if len(gaps) < 2 or any(gap is None for gap in gaps):
        return None
    return all(after > before for before, after in pairwise(gaps))


def _read(
    gain: Estimate | None, rises: bool | None, margin: float, lines: Sequence[dict[str, Any]],
    at: Sequence[int], confidence: float,
) -> tuple[str, str]:  # fmt: skip
    if gain is None:
        return "undecidable", "The largest size was not trained on all dates and on a part of them."
    low, high = gain.interval(confidence)
    before, after = lines[at[-2]], lines[at[-1]]
    if low is None or high is None:
        return "undecidable", "The test set is too short to be resampled."
    measured = (
        f"at {after['budget']} the step from {before['fraction']:.1%} to all training dates gains "
        f"{gain.value:.4f} [{low:.4f}, {high:.4f}]"
    )
    gap = {
        True: "; the gap between training and validation grows with size",
        False: "; the gap between training and validation does not grow with size",
        None: "",
    }[rises]
    if low > 0 and gain.value >= margin:
        return "data-limited", f"More data still help: {measured}{gap}."
    if -margin <= low and high <= margin:
        return "not data-limited", f"More data no longer matter: {measured}, within ±{margin:g}{gap}."
    return "undecidable", f"{measured[:1].upper()}{measured[1:]}{gap}."


def _joint(
    words: dict[str, Any], levels: Sequence[Level], owners: Sequence[Sequence[Row]], material: Material
) -> dict[str, Any]:
    sizes = np.array([AXES["parameters"].size(rows) for rows in owners], dtype=np.float64)
    samples = np.array([AXES["data"].size(rows) for rows in owners], dtype=np.float64)
    law = fit_joint_law(levels, sizes, samples, int(words["horizon"]), material.cfg)
    note = "The joint law needs at least three sizes, three amounts of data and six combinations of them."
    return {
        "cell": words,
        "label": describe.label_of(words),
        "identified": bool(law and law.identified),
        "note": law.note if law else note,
        **{name: describe.interval(law.parameters[name]) if law else None for name in NAMES},
        "points": [
            {
                "budget": own[0]["budget"],
                "fraction": own[0]["fraction"],
                "n_params": float(size),
                "n_train": float(count),
                "value": level.mean,
                "fitted": law.fitted[i] if law else None,
            }
            for i, (level, own, size, count) in enumerate(zip(levels, owners, sizes, samples, strict=True))
        ],
    }
