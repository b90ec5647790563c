"""The cost of a study: operations from exact counts, hours from measured speed, bytes on disk.

An upper bound: every run and every trial is taken to the last step that its search space allows, though early
stopping and pruning usually end it before. Models without a budget take seconds and are not counted. The
length of the history does not matter: every run takes the steps of its recipe.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from itertools import product
from typing import Any

from lib.config.base import BUDGET_PARAMETERS, outputs_of
from lib.config.model import Architecture
from lib.config.resolve import RunSpecification, apply_parameters
from lib.config.run_key import NO_BUDGET, Run
from lib.config.training import Recipe
from lib.models.transformer.parameters import count_parameters, flops_per_sample
from lib.study.jobs import Pending, Search, key_of, search_of
from lib.study.plan import Plan
from lib.training.retention import kept_checkpoints, state_bytes

BARS_PER_YEAR = {
    "daily": 252.0, "2d": 126.0, "3d": 84.0, "5d": 50.4, "weekly": 52.18, "2wk": 26.09, "monthly": 12.0,
    "multires": 252.0,
}  # fmt: skip
_BYTES = 4
"""Of a weight."""

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
    flops: int
    hours: float | None
    """None until a batch-size discovery has measured a model of this budget on this machine."""
    result_bytes: int
    """Weights that stay."""
    checkpoint_bytes: int
    """Checkpoints of one run while it is trained, beside the states of the last that are done."""


@dataclass(frozen=True)
class Effort:
    """The longest way that one training can take."""

    windows: int
    """Shown in all its steps."""
    flops: int
    """Operations per window."""


def forecast(
    plan: Plan,
    pending: Pending,
    speeds: Speeds,
    best: Mapping[Search, Mapping[str, Any]] | None = None,
) -> list[Cost]:
    """Cost by model and budget.

    Args:
        plan: the study.
        pending: runs and searches that are still to come.
        speeds: as far as they have been measured. A shape that has not been measured is taken to reach the
            operations per second of another one of its model and budget.
        best: parameters that finished searches have found; runs of others are taken to train as long as
            their search space allows.
    """
    rates = _operations_per_second(plan, speeds)
    sums: dict[tuple[str, str], _Sum] = {}
    for run in pending.runs:
        if plan.has_weights(run.model, run.budget):
            own = sums.setdefault((run.model, run.budget), _Sum())
            effort = effort_of(plan, run, (best or {}).get(search_of(plan, run) or ()))
            own.add_training(plan, plan.specification(run), effort, 1, speeds, rates)
            own.add_disk(plan, run)
    for search, budget, times in _searched(plan, pending):
        trained = plan.searches.specification(key_of(search), budget)
        own = sums.setdefault((key_of(search)["model"], budget), _Sum())
        own.trials += times
        effort = _effort(plan, trained, _space_of(plan, search))
        own.add_training(plan, trained, effort, times, speeds, rates)
    return [own.cost(*sized) for sized, own in sums.items()]


def _searched(plan: Plan, pending: Pending) -> Iterator[tuple[Search, str, int]]:
    """Searches and checks of what they found, with the budget that is trained and how often."""
    for search in pending.searches:
        key = key_of(search)
        if key["budget"] != NO_BUDGET:
            yield search, key["budget"], json.loads(plan.searches.declaration(key))["n_trials"]
    for search, size in pending.checks:
        check = json.loads(plan.searches.check_declaration(key_of(search), size))
        yield search, size, len(check["rates"])


class _Sum:
    """What adds up to the cost of one model and budget."""

    def __init__(self) -> None:
        self.runs = self.trials = self.samples = self.flops = self.result_bytes = self.checkpoint_bytes = 0
        self.seconds = 0.0
        self.timed = True

    def add_training(
        self, plan: Plan, trained: RunSpecification, effort: Effort, times: int, speeds: Speeds,
        rates: Mapping[tuple[str, str], float],
    ) -> None:  # fmt: skip
        """Some trainings of this specification, each to its last step."""
        own = times * effort.windows
        operations = own * effort.flops
        self.samples, self.flops = self.samples + own, self.flops + operations
        dataset, timescale, model, budget = (
            str(trained.run[field]) for field in ("dataset", "timescale", "model", "budget")
        )
        speed, rate = speeds.get((dataset, timescale, model, budget)), rates.get((model, budget))
        self.timed = self.timed and bool(speed or rate)
        usual = _flops_of(trained.model_dump(), plan.data.channels(dataset, timescale))
        if speed and usual:  # measured with the declared architecture; a costlier one is slower in proportion
            self.seconds += own / speed * max(1.0, effort.flops / usual)
        elif rate:
            self.seconds += operations / rate

    def add_disk(self, plan: Plan, run: Run) -> None:
        """Weights that stay, and checkpoints while the run is trained."""
        weights = _BYTES * _parameters(plan, run)
        kept = kept_checkpoints(weights // _BYTES, plan.config.training.keep_checkpoints)
        self.runs += 1
        self.result_bytes += weights
        self.checkpoint_bytes = max(self.checkpoint_bytes, state_bytes(weights, kept))

    def cost(self, model: str, budget: str) -> Cost:
        """The sum, in words."""
        return Cost(
            model, budget, self.runs, self.trials, self.samples, self.flops,
            self.seconds / 3600 if self.timed else None, self.result_bytes, self.checkpoint_bytes,
        )  # fmt: skip


def effort_of(plan: Plan, run: Run, best: Mapping[str, Any] | None = None) -> Effort:
    """Windows shown, and operations per window, of a run's training at most.

    Args:
        plan: the study.
        run: with or without a search.
        best: what its search has found; None: not known, so that the whole search space is possible.
    """
    specification = plan.specification(run)
    search = search_of(plan, run)
    if search is None:
        parameters: dict[str, list[Any]] = {}
    elif best is not None:
        parameters = {name: [value] for name, value in best.items()}
    else:
        parameters = _space_of(plan, search)
    return _effort(plan, specification, parameters)


def _space_of(plan: Plan, search: Search) -> dict[str, list[Any]]:
    """What a search may try: all values of a choice, both ends of a range."""
    space = json.loads(plan.searches.declaration(key_of(search)))["space"]["parameters"]
    return {name: _ends(found) for name, found in space.items()}


def _effort(plan: Plan, specification: RunSpecification, parameters: Mapping[str, list[Any]]) -> Effort:
    recipe = specification.recipe
    shapes = {name: values for name, values in parameters.items() if name not in Recipe.model_fields}
    channels = plan.data.channels(str(specification.run["dataset"]), str(specification.run["timescale"]))
    flops = [
        _flops_of(apply_parameters(specification, dict(zip(shapes, values, strict=True))), channels)
        for values in product(*shapes.values())
    ]
    return Effort(
        max(parameters.get("max_steps", [recipe.max_steps]))
        * max(parameters.get("effective_batch", [recipe.effective_batch])),
        max(flops),
    )


def _ends(parameter: Mapping[str, Any]) -> list[Any]:
    """All values of a choice, or both ends of a range."""
    return list(parameter["values"]) if "values" in parameter else [parameter["low"], parameter["high"]]


def _operations_per_second(plan: Plan, speeds: Speeds) -> dict[tuple[str, str], float]:
    """By model and budget, the slowest of what was measured."""
    rates: dict[tuple[str, str], float] = {}
    for run in plan.runs:
        speed = speeds.get((run.dataset, run.timescale, run.model, run.budget))
        if speed:
            rate = speed * _flops(plan, run)
            sized = (run.model, run.budget)
            rates[sized] = min(rate, rates.get(sized, rate))
    return rates


def estimated_test_samples(plan: Plan, run: Run, today: date) -> int:
    """Test samples of the primary symbol that the calendar suggests."""
    splits = plan.specification(run).splits
    years = max(0.0, ((splits.test_end or today) - splits.test_start).days / 365.25)
    return max(0, round(years * BARS_PER_YEAR[run.timescale]) - run.horizon)


def _flops(plan: Plan, run: Run) -> int:
    channels = plan.data.channels(run.dataset, run.timescale)
    return _flops_of(plan.specification(run).model_dump(), channels)


def _flops_of(specification: Mapping[str, Any], channels: int) -> int:
    """Operations per window; 0 for a model without an architecture."""
    if specification["architecture"] is None:
        return 0
    architecture = Architecture.model_validate(specification["architecture"])
    return flops_per_sample(
        specification["settings"],
        architecture,
        channels,
        specification["context_length"],
        outputs_of(specification["run"]["task"]),
    )


def _parameters(plan: Plan, run: Run) -> int:
    found = plan.specification(run)
    if found.architecture is None:
        return BUDGET_PARAMETERS[run.budget]
    channels = plan.data.channels(run.dataset, run.timescale)
    counts = count_parameters(
        found.settings, found.architecture, channels, found.context_length, outputs_of(run.task)
    )
    return counts["total"]
