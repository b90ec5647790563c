"""Predictions of the law for the largest scale point: recorded before it is trained, compared with the
outcome.

A record is a list of dated entries, one per distinct prediction; nothing is ever removed. The entry that
counts is the last one written before any run of the largest scale point began. Reads the test predictions of
smaller points only; writes no files. A record cannot be made again, so its keys stay as they were first
written: `cells` for curves, `cell` for the key that the runs of one share, `level` for a scale point's name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from lib.scaling.curves import Curve
from lib.scaling.extrapolation import Foretold, extrapolate
from lib.scaling.folds import join
from lib.scaling.run_index import StudyRuns
from lib.scaling.scale_points import ScalePoint
from lib.scoring.json_values import plain

FORESEEN = ("parameters", "data")
"""Axes along which the largest scale point is predicted: it is costly, and its size is known beforehand."""
LEAST_POINTS = 3
"""Least number of scale points for a prediction: two to fit a line to, and one to predict."""
_FORMS = {"log-linear": "a straight line in log size", "saturating": "E + A·N^−α"}


def predictions(axis: str, curves: Sequence[Mapping[str, Any]], material: StudyRuns) -> list[dict[str, Any]]:
    """Predictions of the smaller scale points of each curve for its largest.

    Args:
        axis: along which the curves vary.
        curves: per curve its `cell` (the key that its runs share), `largest` (`level, size, seeds`), and
            `smaller`: per scale point its `level`, `size` and `rows` (`path, fold, seed, status`).
        material: predictions of the smaller scale points, and settings.

    Returns:
        Per curve `cell, axis, largest, from, dates, confidence` and either `form, law, flat, note` or
        `problem`.
    """
    found: list[dict[str, Any]] = plain([_prediction(axis, curve, material) for curve in curves])
    return found


def _prediction(axis: str, declared: Mapping[str, Any], material: StudyRuns) -> dict[str, Any]:
    key, largest = declared["cell"], declared["largest"]
    sizes = {own["level"]: float(own["size"]) for own in declared["smaller"]}
    task, horizon = str(key["task"]), int(key["horizon"])
    rows = {own["level"]: [row | {"task": task} for row in own["rows"]] for own in declared["smaller"]}
    joined = join(rows, material, task, f"{axis} up to {largest['level']}")
    points: list[ScalePoint] = []
    if joined is not None:
        aligned, own = joined.aligned, joined.positions
        points = [ScalePoint(label, sizes[label], aligned.losses(at)) for label, at in own.items()]
    entry = {
        "axis": axis,
        "cell": key,
        "largest": largest["level"],
        "size": largest["size"],
        "from": [
            {"level": own.label, "size": own.size, "seeds": own.seeds, "loss": own.mean} for own in points
        ],
        "folds": joined.folds if joined else [],
        "dates": int(joined.aligned.dates.size) if joined else 0,
        "confidence": material.cfg.confidence,
    }
    if len(points) < LEAST_POINTS - 1:
        return entry | {"problem": "fewer than two smaller sizes can be used"}
    predicted = extrapolate(points, float(largest["size"]), int(largest["seeds"]), horizon, material.cfg)
    return entry | {
        "form": predicted.form,
        "law": vars(predicted.law),
        "flat": vars(predicted.flat),
        "note": predicted.note,
    }


def with_entry(
    record: Sequence[Mapping[str, Any]], curves: Sequence[Mapping[str, Any]], now: datetime
) -> list[dict[str, Any]]:
    """A record with these predictions as its last entry; unchanged if the last entry equals them."""
    kept = [dict(entry) for entry in record]
    if kept and kept[-1]["cells"] == list(curves):
        return kept
    return [*kept, {"date": now.astimezone(UTC).isoformat(timespec="seconds"), "cells": list(curves)}]


def came_true(curve: Curve, records: Sequence[Sequence[Mapping[str, Any]]]) -> dict[str, Any] | None:
    """The prediction for the largest scale point of a curve, and its outcome.

    Args:
        curve: as measured, with all its scale points.
        records: of all questions.

    Returns:
        None where nothing can be predicted: another axis, or fewer than three scale points. Else `on_record`,
        `text` and, if recorded, the entry with its `date`, the `realised` loss and whether it is `inside`
        each interval.
    """
    labels = list(curve.declared)
    if curve.axis.name not in FORESEEN or len(labels) < LEAST_POINTS:
        return None
    largest = labels[-1]
    missing = {"on_record": False, "largest": largest}
    if not curve.points or curve.points[-1].label != largest:
        return missing | {"text": f"Unknown: {largest} was not measured."}
    begun = [row["started"] for _, _, rows in curve.parts[largest] for row in rows]
    if None in begun:
        return missing | {"text": f"Unknown: the start of {largest} is not on record."}
    entry = _before(min(map(_moment, begun)), curve, largest, records)
    if entry is None:
        return missing | {"text": f"Not on record: nothing was predicted before {largest} was trained."}
    found = {"on_record": True} | entry | {"realised": curve.points[-1].mean}
    if "problem" in entry:
        return found | {"text": f"Nothing was predicted for {largest}: {entry['problem']}."}
    seen = 0 if curve.dates is None else int(curve.dates.size)
    if (entry["folds"], entry["dates"]) != (curve.folds, seen):
        foreseen, measured = _dates(entry["folds"], entry["dates"]), _dates(curve.folds, seen)
        text = (
            f"Before {largest} was trained, its loss was predicted on {foreseen}. It was measured on "
            f"{measured}, so the two cannot be compared."
        )
        return found | {"text": text}
    return found | _held_against(found)


def _dates(folds: Sequence[int], number: int) -> str:
    return f"{number} test dates" + (f" of folds {', '.join(map(str, folds))}" if folds else "")


def _before(
    begun: datetime, curve: Curve, largest: str, records: Sequence[Sequence[Mapping[str, Any]]]
) -> dict[str, Any] | None:
    """The last prediction of a curve that was recorded before its largest scale point began."""
    key = plain(curve.key)
    found = [
        {"date": entry["date"], **own}
        for record in records
        for entry in record
        if _moment(entry["date"]) <= begun
        for own in entry["cells"]
        if (own["axis"], own["cell"], own["largest"]) == (curve.axis.name, key, largest)
    ]
    return max(found, key=lambda own: _moment(own["date"]), default=None)


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _held_against(found: Mapping[str, Any]) -> dict[str, Any]:
    value, law, flat = float(found["realised"]), Foretold(**found["law"]), Foretold(**found["flat"])
    within = {"inside": _inside(value, law), "flat_inside": _inside(value, flat)}
    smaller = " and ".join(str(own["level"]) for own in found["from"])
    text = (
        f"Before {found['largest']} was trained, the law fitted to {smaller} ({_FORMS[found['form']]}) "
        f"predicted {_span(law)}; it came to {value:.4f}: {_WORDS[within['inside']]}. Without a law, the "
        f"mean of {smaller} predicted {_span(flat)}: {_WORDS[within['flat_inside']]}. {found['note']}"
    )
    return within | {"text": text}


_WORDS = {True: "inside", False: "outside", None: "no interval to be held against"}


def _inside(value: float, interval: Foretold) -> bool | None:
    return None if interval.low is None or interval.high is None else interval.low <= value <= interval.high


def _span(interval: Foretold) -> str:
    if interval.low is None or interval.high is None:
        return f"{interval.estimate:.4f}"
    return f"{interval.estimate:.4f} [{interval.low:.4f}, {interval.high:.4f}]"
