"""What a study will cost before it runs: operations from exact counts, hours from measured speed.

An upper bound: every run is taken to its last epoch, though early stopping usually ends it before. Models
without a budget take seconds and are not counted.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from lib.config.resolve import RunSpecification
from lib.config.runs import NO_BUDGET, Run
from lib.models.transformer.parameters import flops_per_sample
from lib.planning.plan import Plan


@dataclass(frozen=True)
class Cost:
    """Expected at most, for all runs of one model and budget that are still to be trained."""

    model: str
    budget: str
    runs: int
    trials: int
    """Hyperparameter trials, each trained like a run."""
    samples: int | None
    """Training windows passed through the network; None while the data are not here."""
    flops: int | None
    hours: float | None
    """None until a batch-size discovery has measured this machine."""


def forecast(
    plan: Plan,
    pending: Iterable[Run],
    train_windows: Mapping[tuple[str, str, str, str, int], int],
    samples_per_second: Mapping[tuple[str, str, str, str], float],
) -> list[Cost]:
    """Cost by model and budget.

    Args:
        plan: the study.
        pending: runs that are still to be trained.
        train_windows: by (vintage, dataset, timescale, task, horizon), as far as the data are here.
        samples_per_second: by (dataset, timescale, model, budget), as far as it has been measured.
    """
    groups: dict[tuple[str, str], list[Run]] = {}
    for run in pending:
        if run.budget != NO_BUDGET:
            groups.setdefault((run.model, run.budget), []).append(run)
    return [
        _cost(plan, model, budget, runs, train_windows, samples_per_second)
        for (model, budget), runs in groups.items()
    ]


def _cost(
    plan: Plan,
    model: str,
    budget: str,
    runs: list[Run],
    train_windows: Mapping[tuple[str, str, str, str, int], int],
    samples_per_second: Mapping[tuple[str, str, str, str], float],
) -> Cost:
    searched: set[tuple[str, ...]] = set()
    trials, samples, flops, hours = 0, 0, 0, 0.0
    known, timed = True, True
    for run in runs:
        specification = plan.specification(run)
        times = 1
        cell = (run.variant, run.dataset, run.timescale, run.task, str(run.horizon))
        if plan.searches.budget(run) == budget and cell not in searched:
            searched.add(cell)
            trials += plan.searches.n_trials(run)
            times += plan.searches.n_trials(run)
        windows = train_windows.get((plan.vintage(run), run.dataset, run.timescale, run.task, run.horizon))
        if windows is None or specification.architecture is None:
            known = False
            continue
        own = times * samples_of_training(specification, windows)
        samples += own
        flops += own * flops_per_sample(
            specification.settings,
            specification.architecture,
            plan.data.channels(run.dataset, run.timescale),
            specification.context_length,
        )
        speed = samples_per_second.get((run.dataset, run.timescale, run.model, run.budget))
        timed = timed and speed is not None
        hours += own / speed / 3600 if speed else 0.0
    return Cost(
        model,
        budget,
        len(runs),
        trials,
        samples if known else None,
        flops if known else None,
        hours if known and timed else None,
    )


def samples_of_training(specification: RunSpecification, windows: int) -> int:
    """Windows that pass through the network if training runs to its last epoch."""
    recipe = specification.recipe
    return recipe.max_epochs * math.ceil(windows / recipe.window_stride)
