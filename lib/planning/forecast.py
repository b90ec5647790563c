"""What a study will cost: operations from exact counts, hours from measured speed, bytes on disk.

An upper bound: every run is taken to its last epoch, though early stopping usually ends it before. Models
without a budget take seconds and are not counted. Where the data are not here yet the number of training
windows is estimated from the calendar, and said to be an estimate.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date

from lib.config.base import BUDGET_PARAMETERS
from lib.config.resolve import RunSpecification
from lib.config.runs import NO_BUDGET, Run
from lib.models.transformer.parameters import count_parameters, flops_per_sample
from lib.planning.plan import Plan
from lib.training.retention import checkpoint_bytes as most_bytes
from lib.training.retention import kept_checkpoints

BARS_PER_YEAR = {
    "daily": 252.0, "2d": 126.0, "3d": 84.0, "5d": 50.4, "weekly": 52.18, "2wk": 26.09, "monthly": 12.0,
    "multires": 252.0,
}  # fmt: skip
EARLIEST = date(1993, 1, 29)
"""First day of SPY; where a dataset's history has no declared beginning, it is taken to begin here."""
_BYTES = 4
"""Of a weight."""

Windows = Mapping[tuple[str, str, str, str, int], int]
"""Training windows by (vintage, dataset, timescale, task, horizon), as far as the data are here."""
Speeds = Mapping[tuple[str, str, str, str], float]
"""Samples per second by (dataset, timescale, model, budget), as far as they have been measured here."""


@dataclass(frozen=True)
class Cost:
    """Expected at most, for all runs of one model and budget that are still to be trained."""

    model: str
    budget: str
    runs: int
    trials: int
    """Hyperparameter trials, each trained like a run."""
    samples: int
    """Training windows passed through the network."""
    estimated: bool
    """Whether some of the data are not here, so that their windows are an estimate."""
    flops: int
    hours: float | None
    """None until a batch-size discovery has measured a model of this budget on this machine."""
    result_bytes: int
    """Weights that stay."""
    checkpoint_bytes: int
    """Checkpoints of one run while it is trained."""


def forecast(plan: Plan, pending: Iterable[Run], train_windows: Windows, speeds: Speeds) -> list[Cost]:
    """Cost by model and budget.

    Args:
        plan: the study.
        pending: runs that are still to be trained.
        train_windows: as far as the data are here.
        speeds: as far as they have been measured. A shape that has not been measured is taken to reach the
            operations per second of another one of its model and budget.
    """
    groups: dict[tuple[str, str], list[Run]] = {}
    for run in pending:
        if run.budget != NO_BUDGET:
            groups.setdefault((run.model, run.budget), []).append(run)
    rates = _operations_per_second(plan, speeds)
    return [_cost(plan, runs, train_windows, speeds, rates.get(words)) for words, runs in groups.items()]


def _operations_per_second(plan: Plan, speeds: Speeds) -> dict[tuple[str, str], float]:
    """By model and budget, the slowest of what was measured."""
    rates: dict[tuple[str, str], float] = {}
    for run in plan.runs:
        speed = speeds.get((run.dataset, run.timescale, run.model, run.budget))
        if speed:
            rate = speed * _flops(plan, run)
            words = (run.model, run.budget)
            rates[words] = min(rate, rates.get(words, rate))
    return rates


def _cost(plan: Plan, runs: list[Run], train_windows: Windows, speeds: Speeds, rate: float | None) -> Cost:
    searched: set[tuple[str, ...]] = set()
    trials, samples, flops, seconds, result_bytes, checkpoint_bytes = 0, 0, 0, 0.0, 0, 0
    estimated, timed = False, True
    keep = plan.config.training.keep_checkpoints
    for run in runs:
        times = 1
        cell = (run.variant, run.dataset, run.timescale, run.task, str(run.horizon))
        if plan.searches.budget(run) == run.budget and cell not in searched:
            searched.add(cell)
            trials += plan.searches.n_trials(run)
            times += plan.searches.n_trials(run)
        windows = train_windows.get((plan.vintage(run), run.dataset, run.timescale, run.task, run.horizon))
        if windows is None:
            windows, estimated = estimated_windows(plan, run), True
        specification = plan.specification(run)
        own = times * samples_of_training(specification, windows)
        operations = own * _flops(plan, run)
        samples, flops = samples + own, flops + operations
        speed = speeds.get((run.dataset, run.timescale, run.model, run.budget))
        timed = timed and bool(speed or rate)
        seconds += own / speed if speed else operations / rate if rate else 0.0
        weights = _BYTES * _parameters(plan, run)
        kept = kept_checkpoints(weights // _BYTES, keep)
        result_bytes += weights
        checkpoint_bytes = max(checkpoint_bytes, most_bytes(weights, weights, kept))
    first = runs[0]
    return Cost(
        first.model, first.budget, len(runs), trials, samples, estimated, flops,
        seconds / 3600 if timed else None, result_bytes, checkpoint_bytes,
    )  # fmt: skip


def samples_of_training(specification: RunSpecification, windows: int) -> int:
    """Windows that pass through the network if training runs to its last epoch."""
    recipe = specification.recipe
    return recipe.max_epochs * math.ceil(windows * specification.train_fraction / recipe.window_stride)


def estimated_windows(plan: Plan, run: Run) -> int:
    """Training windows that the calendar suggests, for data that are not here."""
    splits = plan.specification(run).splits
    begins = [plan.data.members(run.dataset).history_from, splits.train_start, EARLIEST]
    first = max(day for day in begins if day is not None)
    years = max(0.0, (splits.train_end - first).days / 365.25)
    symbols = max(1, len(plan.data.symbols(plan.vintage(run), run.dataset)))
    return max(1, round(symbols * years * BARS_PER_YEAR[run.timescale]))


def _flops(plan: Plan, run: Run) -> int:
    found = plan.specification(run)
    if found.architecture is None:
        return 0
    channels = plan.data.channels(run.dataset, run.timescale)
    return flops_per_sample(found.settings, found.architecture, channels, found.context_length)


def _parameters(plan: Plan, run: Run) -> int:
    found = plan.specification(run)
    if found.architecture is None:
        return BUDGET_PARAMETERS[run.budget]
    channels = plan.data.channels(run.dataset, run.timescale)
    return count_parameters(found.settings, found.architecture, channels, found.context_length)["total"]
