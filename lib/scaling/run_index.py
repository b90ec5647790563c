"""The runs of a study looked up by key, and their predictions.

Measures and judges nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import polars as pl

from lib.config.experiment import PlannedExperiment
from lib.config.run_key import NO_BUDGET
from lib.config.workflow import EvaluationConfig
from lib.scaling.axes import Case, Row, case_of
from lib.scaling.samples import PredictionFiles, RunSamples

PROBLEM = ("variant", "dataset", "timescale", "task", "horizon")
"""What names a prediction problem in a path."""
Problem = tuple[str, str, str, str, int]


@dataclass(frozen=True)
class Trouble:
    """A problem with a run or a curve that a reader must know, in one sentence."""

    kind: str
    """missing, failed, not_finite, duplicate, unreadable, empty, collapsed, one_class, single_seed, one_size,
    few_seeds, lost_fold, other_dates, other_targets, control, waiting, few_windows, too_good."""
    where: str
    text: str


class RunIndex:
    """The run table, looked up by run key."""

    def __init__(self, runs: pl.DataFrame) -> None:
        self.rows: list[Row] = list(runs.to_dicts())
        self._by_key: dict[tuple[Any, ...], Row] = {}
        self.repeated: list[str] = []
        """Paths that are declared more than once; the first row counts."""
        for row in self.rows:
            key = (row["variant"], *_after_variant(row))
            if key in self._by_key:
                self.repeated.append(str(row["path"]))
            self._by_key.setdefault(key, row)
        self._by_case: dict[Case, dict[tuple[Any, ...], Row]] = {}
        for row in self._by_key.values():
            run = row["model"], row["budget"], row["fold"], row["seed"]
            self._by_case.setdefault(case_of(row), {}).setdefault(run, row)

    def of_case(self, case: Case) -> list[Row]:
        """All rows of a case, folds included, each run once."""
        return list(self._by_case.get(case, {}).values())

    def find(self, problem: Problem, model: str, budget: str, seeds: Sequence[int]) -> list[Row]:
        """Declared rows of these seeds, finished or not."""
        found = [self._by_key.get((*problem, model, budget, seed)) for seed in seeds]
        return [row for row in found if row is not None]

    def of_experiment(self, experiment: PlannedExperiment) -> list[Row]:
        """Declared rows of an experiment's grid, whichever experiment declared them first."""
        budgets = (*experiment.budgets, NO_BUDGET)
        return [
            row
            for problem in problems_of(experiment)
            for model, budget in product(experiment.models, budgets)
            for row in self.find(problem, model, budget, experiment.seeds)
        ]

    def on_all_dates(self, row: Row, variants: Collection[str]) -> Row | None:
        """The run, of one of `variants`, that differs from `row` in its share of the training dates only."""
        found = [self._by_key.get((variant, *_after_variant(row))) for variant in variants]
        return next((other for other in found if other and other["fold"] == row["fold"]), None)


def _after_variant(row: Row) -> tuple[Any, ...]:
    return (*problem_of(row)[1:], row["model"], row["budget"], row["seed"])


Group = tuple[str, str]
"""Model and budget."""


def by_group(rows: Iterable[Row]) -> dict[Group, list[Row]]:
    """Rows by model and budget, in the order of their first."""
    groups: dict[Group, list[Row]] = {}
    for row in rows:
        groups.setdefault((str(row["model"]), str(row["budget"])), []).append(row)
    return groups


def problem_of(row: Row) -> Problem:
    """Variant, dataset, timescale, task and horizon of a run."""
    return row["variant"], row["dataset"], row["timescale"], row["task"], int(row["horizon"])


def problems_of(experiment: PlannedExperiment) -> Iterator[Problem]:
    """The prediction problems of an experiment's grid."""
    grid = product(experiment.datasets, experiment.timescales, experiment.tasks, experiment.horizons)
    for dataset, timescale, task, horizon in grid:
        yield experiment.variant, dataset, timescale, task, horizon


@dataclass
class StudyRuns:
    """Runs, predictions and settings of a study, and the problems found while they are measured."""

    index: RunIndex
    predictions: PredictionFiles
    cfg: EvaluationConfig
    calibration: PredictionFiles | None = None
    """Predictions of the part of validation that nothing else uses; None: nothing is recalibrated."""
    troubles: list[Trouble] = field(default_factory=list)
    predicted: Sequence[Sequence[Mapping[str, Any]]] = ()
    """Recorded predictions for the largest scale points (see `predicted`)."""
    opened: str | None = None
    """When the confirmation was first opened; None: never."""

    def usable(self, rows: Sequence[Row]) -> list[tuple[Row, RunSamples]]:
        """The finished runs among `rows` whose predictions can be used, with them."""
        done = [(row, self.predictions.of(row)) for row in rows if row["status"] == "done"]
        return [(row, samples) for row, samples in done if samples is not None]

    def calibration_of(self, row: Row) -> RunSamples | None:
        """A run's samples for calibration; None where there are none (recorded if they are damaged)."""
        if self.calibration is None:
            return None
        before = len(self.calibration.troubles)
        found = self.calibration.of(row)
        for kind, where, text in self.calibration.troubles[before:]:
            if kind != "empty":  # short validation parts have none, and the verdict states it
                self.notice(kind, where, text)
        return found

    def notice(self, kind: str, where: str, text: str) -> None:
        """Record a problem, once."""
        trouble = Trouble(kind, where, text)
        if trouble not in self.troubles:
            self.troubles.append(trouble)
