"""Predictions that must be recorded before a run may be trained, and the runs they are made from.

A question about sizes, or about the quantity of data, with three or more scale points has one record: the
predictions of the smaller points of all its curves for the largest. Every run of a largest point waits for
it. Planned from run keys alone; `lib.scaling.predicted` computes the predictions.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import polars as pl

from lib.config.base import BUDGET_PARAMETERS
from lib.config.load import Study
from lib.config.run_key import Run
from lib.errors import ConfigError
from lib.scaling.axes import CURVE_KEY, Axis, Row, grouped
from lib.scaling.folds import declared_seeds, evidence_of
from lib.scaling.hypotheses import hypotheses_of
from lib.scaling.predicted import FORESEEN, LEAST_POINTS
from lib.scaling.run_index import RunIndex

Key = tuple[str, str]
"""Axis and name of a record; the name is that of its experiments."""
_NAMES = tuple(Run.__dataclass_fields__)


class PredictionPlan:
    """Records of predictions, by the runs that wait for them."""

    def __init__(self, study: Study, grids: Mapping[str, Mapping[Run, str]]) -> None:
        self._study, self._grids = study, grids

    def before(self, run: Run) -> list[Key]:
        """The records that must be there before a run is trained."""
        return self._waiting.get(run, [])

    def names(self) -> list[Key]:
        """All records of the study."""
        return list(self._curves)

    def runs(self, axis: str, name: str) -> list[Run]:
        """The smaller runs that a record is made from.

        Raises:
            ConfigError: no question of this study has such a record.
        """
        curves = self._of(axis, name)
        return [Run(**key) for curve in curves for own in curve["smaller"] for key in own["runs"]]

    def declaration(self, axis: str, name: str, path: str) -> str:
        """What is to be predicted from which runs, as canonical JSON (see
        `lib.scaling.predicted.predictions`).

        Args:
            axis: of the record.
            name: of the record.
            path: pattern of a run's folder.
        """

        def smaller(curve: Mapping[str, Any]) -> list[dict[str, Any]]:
            return [
                {"level": own["level"], "size": own["size"], "rows": _rows(own, path)}
                for own in curve["smaller"]
            ]

        curves = [curve | {"smaller": smaller(curve)} for curve in self._of(axis, name)]
        return json.dumps(curves, sort_keys=True)

    def _of(self, axis: str, name: str) -> list[dict[str, Any]]:
        if (axis, name) not in self._curves:
            known = ", ".join("/".join(key) for key in self._curves) or "none"
            raise ConfigError(f"{axis}/{name}: no question of this study predicts that. Declared: {known}.")
        return self._curves[axis, name]

    @property
    def _curves(self) -> dict[Key, list[dict[str, Any]]]:
        return self._found[0]

    @property
    def _waiting(self) -> dict[Run, list[Key]]:
        return self._found[1]

    @cached_property
    def _found(self) -> tuple[dict[Key, list[dict[str, Any]]], dict[Run, list[Key]]]:
        curves: dict[Key, list[dict[str, Any]]] = {}
        waiting: dict[Run, list[Key]] = {}
        if not self._grow:
            return curves, waiting
        questions = {name: e for name, e in self._study.experiments.items() if e.role == "question"}
        for hypothesis in hypotheses_of(
            questions, RunIndex(pl.DataFrame(self._facts(), infer_schema_length=None))
        ):
            for axis in hypothesis.judged:
                if axis.name not in FORESEEN:
                    continue
                key = axis.name, hypothesis.name.replace(", ", ".")
                for rows in grouped(axis, hypothesis.rows).values():
                    own = evidence_of(rows)
                    points = axis.points(own)
                    if len(points) < LEAST_POINTS:
                        continue
                    curves.setdefault(key, []).append(_curve(axis, own, points))
                    for row in own:
                        if axis.point(row) == points[-1]:
                            waiting.setdefault(_run(row), []).append(key)
        return curves, {run: list(dict.fromkeys(keys)) for run, keys in waiting.items()}

    @property
    def _grow(self) -> bool:
        """Whether any hypothesis varies sizes or shares; a closer check takes a moment per run."""
        questions = [e for e in self._study.experiments.values() if e.role == "question"]
        return any(len(e.budgets) >= LEAST_POINTS or e.train_fraction < 1.0 for e in questions)

    def _facts(self) -> list[dict[str, Any]]:
        """Rows like those of the run table, with the columns that hypotheses use."""
        found: dict[Run, dict[str, Any]] = {}
        for name, runs in self._grids.items():
            experiment = self._study.experiments[name]
            if experiment.role != "question":
                continue
            for run in runs:
                length = experiment.context_length or self._study.config.context_length[run.timescale]  # type: ignore[index]
                facts = {
                    "condition": experiment.condition,
                    "fold": experiment.fold,
                    "train_fraction": experiment.train_fraction,
                    "context_length": length,
                    "path": run.label(),
                }
                found.setdefault(run, run.fields() | facts)
        return list(found.values())


def _run(row: Row) -> Run:
    return Run(**{name: row[name] for name in _NAMES})


def _curve(axis: Axis, rows: Sequence[Row], points: Sequence[str]) -> dict[str, Any]:
    found = []
    for label in points:
        own = [row for row in rows if axis.point(row) == label]
        found.append(({"level": label, "size": _size(axis, own[0])}, own))
    *smaller, (largest, last) = found
    return {
        "cell": dict(zip(CURVE_KEY, axis.rest(rows[0]), strict=True)),
        "largest": largest | {"seeds": declared_seeds(last)},
        "smaller": [
            point | {"runs": [_run(row).fields() for row in own], "folds": [row["fold"] for row in own]}
            for point, own in smaller
        ],
    }


def _size(axis: Axis, row: Row) -> float:
    """As declared, since nothing is measured yet: parameters of a budget, per cent of the dates."""
    if axis.name == "parameters":
        return float(BUDGET_PARAMETERS[row["budget"]])
    return 100.0 * float(row["train_fraction"])


def _rows(point: Mapping[str, Any], path: str) -> list[dict[str, Any]]:
    return [
        {"path": path.format(**key), "fold": fold, "seed": key["seed"], "status": "done"}
        for key, fold in zip(point["runs"], point["folds"], strict=True)
    ]
