"""One cell of a question: the runs of one model at several sizes on one problem, measured together.

Turns rows of the table of runs into estimates (points, slope, gain); judging them is done in `verdicts`, and
putting everything into scaling.json in `summary`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import numpy as np
import polars as pl

from lib.config.base import BUDGET_PARAMETERS, is_binary
from lib.config.experiment import Experiment
from lib.config.workflow import EvaluationConfig
from lib.evaluation import scaling_law
from lib.evaluation.comparisons import (
    DateLosses,
    Estimate,
    estimate_from_dates,
    estimate_mean,
    seed_noise_of_mean,
)
from lib.evaluation.samples import Aligned, Predictions, RunSamples, align
from lib.evaluation.scaling_law import Size
from lib.evaluation.uncertainty import auc_draws, block_length, enough_blocks, stationary_weights, sum_by_date
from lib.metrics.classification import roc_auc

PROBLEM = ("variant", "dataset", "timescale", "task", "horizon")
Problem = tuple[str, str, str, str, int]
Row = Mapping[str, Any]


class RunIndex:
    """The table of runs, looked up by the words that name a run."""

    def __init__(self, runs: pl.DataFrame) -> None:
        self.rows: list[Row] = list(runs.to_dicts())
        self._by_words = {
            (*problem_of(row), row["model"], row["budget"], row["seed"]): row for row in self.rows
        }

    def of_problem(self, problem: Problem) -> list[Row]:
        """All rows of a prediction problem, each run once."""
        return [row for row in self._by_words.values() if problem_of(row) == problem]

    def find(self, problem: Problem, model: str, budget: str, seeds: Sequence[int]) -> list[Row]:
        """Declared rows of these seeds, done or not."""
        found = [self._by_words.get((*problem, model, budget, seed)) for seed in seeds]
        return [row for row in found if row is not None]


def problem_of(row: Row) -> Problem:
    """Variant, dataset, timescale, task and horizon of a run."""
    return row["variant"], row["dataset"], row["timescale"], row["task"], int(row["horizon"])


def problems_of(experiment: Experiment) -> Iterator[Problem]:
    """The prediction problems of an experiment's grid."""
    grid = product(experiment.datasets, experiment.timescales, experiment.tasks, experiment.horizons)
    for dataset, timescale, task, horizon in grid:
        yield experiment.variant, dataset, timescale, task, horizon


@dataclass
class Material:
    """What every judgement draws on, and the warnings that gather on the way."""

    index: RunIndex
    predictions: Predictions
    cfg: EvaluationConfig
    warnings: list[str] = field(default_factory=list)

    def usable(self, rows: Sequence[Row]) -> list[tuple[Row, RunSamples]]:
        """The finished runs among `rows` whose predictions can be used, with them."""
        done = [(row, self.predictions.of(row)) for row in rows if row["status"] == "done"]
        return [(row, samples) for row, samples in done if samples is not None]


def estimate_auc(
    aligned: Aligned, rows: Sequence[int], horizon: int, cfg: EvaluationConfig
) -> Estimate | None:
    """Test AUC averaged over runs, dates resampled jointly; None with one class."""
    values = [roc_auc(aligned.outcome, aligned.scores[row]) for row in rows]
    defined = np.array([value for value in values if value is not None])
    if defined.size == 0:
        return None
    n = aligned.dates.size
    outcome = sum_by_date(aligned.outcome, aligned.index, n) / aligned.counts
    losses = aligned.losses(rows)
    block = block_length([outcome, losses.sums.mean(axis=0) / losses.counts], horizon)
    draws = None
    if enough_blocks(n, block):
        weights = stationary_weights(n, block, cfg.bootstrap_draws, cfg.seed)
        draws = np.mean(
            [auc_draws(aligned.outcome, aligned.scores[r], aligned.index, weights) for r in rows], axis=0
        )
    noise = seed_noise_of_mean(defined)
    return estimate_from_dates(float(defined.mean()), draws, n, block, [noise] if noise else [])


def estimate_loss(losses: DateLosses, horizon: int, cfg: EvaluationConfig) -> Estimate:
    """Mean loss of the runs (seeds) of one model, with the noise of dates and of seeds."""
    noise = seed_noise_of_mean(losses.means)
    return estimate_mean(losses.sums.mean(axis=0), losses.counts, horizon, cfg, [noise] if noise else [])


@dataclass
class Cell:
    """Everything measured in one cell. `slope` and `gain` are None where they could not be."""

    problem: Problem
    model: str
    budgets: list[str]
    seeds: dict[str, int]
    """Usable runs of each declared size."""
    sizes: list[Size] = field(default_factory=list)
    points: list[dict[str, Any]] = field(default_factory=list)
    slope: Estimate | None = None
    gain: Estimate | None = None
    zero_loss: float | None = None
    """Regression: squared error of always predicting 0 on the test set."""

    @property
    def absent_budgets(self) -> list[str]:
        """Declared sizes without any usable run."""
        return [budget for budget, seeds in self.seeds.items() if seeds == 0]

    @property
    def single_seed_budgets(self) -> list[str]:
        """Sizes whose noise between seeds is unknown."""
        return [budget for budget, seeds in self.seeds.items() if seeds == 1]

    def margin(self, declared: float) -> float:
        """The declared margin (in nats) in the unit of this cell's loss.

        For regression: the fall in squared error that is worth as many nats of Gaussian log-likelihood,
        ``mse_0 (1 - exp(-2 margin))`` with the error of predicting 0 as mse_0.
        """
        if is_binary(self.problem[3]) or self.zero_loss is None:
            return declared
        return self.zero_loss * -math.expm1(-2.0 * declared)


def measure_cell(problem: Problem, model: str, experiment: Experiment, material: Material) -> Cell | None:
    """Measure one model's sizes on one problem; None if the model has no sizes in this experiment."""
    budgets = sorted(experiment.budgets, key=lambda budget: BUDGET_PARAMETERS[budget])
    declared = {budget: material.index.find(problem, model, budget, experiment.seeds) for budget in budgets}
    if not any(declared.values()):
        return None
    found = {budget: material.usable(rows) for budget, rows in declared.items()}
    cell = Cell(problem, model, list(budgets), {budget: len(runs) for budget, runs in found.items()})
    runs = [pair for budget in budgets for pair in found[budget]]
    if not runs:
        return cell
    where = "/".join(map(str, (*problem, model)))
    aligned, noticed = align([samples for _, samples in runs], problem[3], where)
    material.warnings += noticed
    if aligned is None:
        return cell
    cell.zero_loss = None if is_binary(problem[3]) else float(np.mean(aligned.target**2))
    begin = 0
    for budget in budgets:
        rows = range(begin, begin + len(found[budget]))
        begin = rows.stop
        if rows:
            _add_size(cell, aligned, rows, found[budget][0][0], material.cfg)
    if len(cell.sizes) > 1:
        cell.slope = scaling_law.slope(cell.sizes, problem[4], material.cfg)
        cell.gain = scaling_law.gain(cell.sizes, problem[4], material.cfg)
        if cell.slope is None:
            material.warnings.append(f"{where}: the sizes have equal parameter counts; no slope.")
    return cell


def _add_size(cell: Cell, aligned: Aligned, rows: Sequence[int], row: Row, cfg: EvaluationConfig) -> None:
    budget, horizon, binary = row["budget"], cell.problem[4], is_binary(aligned.task)
    size = Size(budget, int(row["param_count"] or BUDGET_PARAMETERS[budget]), aligned.losses(rows))
    loss = estimate_loss(size.losses, horizon, cfg)
    auc = estimate_auc(aligned, rows, horizon, cfg) if binary else None
    low, high = loss.interval(cfg.confidence)
    auc_low, auc_high = auc.interval(cfg.confidence) if auc else (None, None)
    point = {
        "budget": budget,
        "param_count": size.parameters,
        "seeds": size.seeds,
        "value": loss.value,
        "low": low,
        "high": high,
        "seed_deviation": float(size.losses.means.std(ddof=1)) if size.seeds > 1 else None,
        "auc": auc.value if auc else None,
        "auc_low": auc_low,
        "auc_high": auc_high,
        "n": int(aligned.target.size),
        "effective_n": aligned.dates.size / horizon,
        "base_rate_log_loss": row["test_base_rate_log_loss"] if binary else cell.zero_loss,
    }
    cell.sizes.append(size)
    cell.points.append(point)
