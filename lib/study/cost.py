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


@dataclass
class Cost:
    """Expected at most, for all runs of one model and budget that are still to be trained."""

    model: str
    budget: str
    runs: int = 0
    trials: int = 0
    """Hyperparameter trials, each trained like a run."""
    samples: int = 0
    """Training windows passed through the network."""
    flops: int = 0
    seconds: float = 0.0
    timed: bool = True
    """Whether a batch-size discovery has measured a model of this budget on this machine."""
    result_bytes: int = 0
    """Weights that stay."""
    checkpoint_bytes: int = 0
    """Checkpoints of one run while it is trained, beside the states of the last that are done."""

    @property
    def hours(self) -> float | None:
        """None where nothing was measured."""
        return self.seconds / 3600 if self.timed else None

    def add_training(
        self, plan: Plan, trained: RunSpecification, effort: Effort, times: int, speeds: Speeds,
        rates: Mapping[tuple[str, str], float],
    ) -> None:  # fmt: skip
        """Some trainings of this specification, each to its last step."""
        windows = times * effort.windows
        operations = windows * effort.flops
        self.samples, self.flops = self.samples + windows, self.flops + operations
        dataset, timescale = str(trained.run["dataset"]), str(trained.run["timescale"])
        speed = speeds.get((dataset, timescale, self.model, self.budget))
        rate = rates.get((self.model, self.budget))
        self.timed = self.timed and bool(speed or rate)
        usual = _flops(trained.model_dump(), plan.data.channels(dataset, timescale))
        if speed and usual:  # measured with the declared architecture; a costlier one is slower in proportion
            self.seconds += windows / speed * max(1.0, effort.flops / usual)
        elif rate:
            self.seconds += operations / rate

    def add_disk(self, plan: Plan, run: Run) -> None:
        """Weights that stay, and checkpoints while the run is trained."""
        n = _parameters(plan, run)
        kept = kept_checkpoints(n, plan.config.training.keep_checkpoints)
        self.runs += 1
        self.result_bytes += _BYTES * n
        self.checkpoint_bytes = max(self.checkpoint_bytes, state_bytes(_BYTES * n, kept))


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
    costs: dict[tuple[str, str], Cost] = {}

    def cost_of(model: str, budget: str) -> Cost:
        return costs.setdefault((model, budget), Cost(model, budget))

    for run in pending.runs:
        if plan.has_weights(run.model, run.budget):
            own = cost_of(run.model, run.budget)
            effort = effort_of(plan, run, (best or {}).get(search_of(plan, run) or ()))
            own.add_training(plan, plan.specification(run), effort, 1, speeds, rates)
            own.add_disk(plan, run)
    for search, budget, times in _searched(plan, pending):
        trained = plan.searches.specification(key_of(search), budget)
        own = cost_of(key_of(search)["model"], budget)
        own.trials += times
        effort = _effort(plan, trained, _space_of(plan, search))
        own.add_training(plan, trained, effort, times, speeds, rates)
    return list(costs.values())


def _searched(plan: Plan, pending: Pending) -> Iterator[tuple[Search, str, int]]:
    """Searches and checks of what they found, with the budget that is trained and how often."""
    for search in pending.searches:
        key = key_of(search)
        if key["budget"] != NO_BUDGET:
            yield search, key["budget"], json.loads(plan.searches.declaration(key))["n_trials"]
    for search, size in pending.checks:
        check = json.loads(plan.searches.check_declaration(key_of(search), size))
        yield search, size, len(check["rates"])


def effort_of(plan: Plan, run: Run, best: Mapping[str, Any] | None = None) -> Effort:
    """Windows shown, and operations per window, of a run's training at most.

    Args:
        plan: the study.
        run: with or without a search.
        best: what its search has found; None: not known, so that the whole search space is possible.
    """
    specification = plan.specification(run)
    parameters: dict[str, list[Any]] = {}
    if search := search_of(plan, run):
        given = None if best is None else {name: [value] for name, value in best.items()}
        parameters = _space_of(plan, search) if given is None else given
    return _effort(plan, specification, parameters)


def _space_of(plan: Plan, search: Search) -> dict[str, list[Any]]:
    """What a search may try: all values of a choice, both ends of a range."""
    space = json.loads(plan.searches.declaration(key_of(search)))["space"]["parameters"]
    return {
        name: list(found["values"]) if "values" in found else [found["low"], found["high"]]
        for name, found in space.items()
    }


def _effort(plan: Plan, specification: RunSpecification, parameters: Mapping[str, list[Any]]) -> Effort:
    recipe = specification.recipe
    shapes = {name: values for name, values in parameters.items() if name not in Recipe.model_fields}
    channels = plan.data.channels(str(specification.run["dataset"]), str(specification.run["timescale"]))
    flops = [
        _flops(apply_parameters(specification, dict(zip(shapes, values, strict=True))), channels)
        for values in product(*shapes.values())
    ]
    return Effort(
        max(parameters.get("max_steps", [recipe.max_steps]))
        * max(parameters.get("effective_batch", [recipe.effective_batch])),
        max(flops),
    )


def _operations_per_second(plan: Plan, speeds: Speeds) -> dict[tuple[str, str], float]:
    """By model and budget, the slowest of what was measured."""
    rates: dict[tuple[str, str], float] = {}
    for run in plan.runs:
        if speed := speeds.get((run.dataset, run.timescale, run.model, run.budget)):
            channels = plan.data.channels(run.dataset, run.timescale)
            rate = speed * _flops(plan.specification(run).model_dump(), channels)
            sized = (run.model, run.budget)
            rates[sized] = min(rate, rates.get(sized, rate))
    return rates


def estimated_test_samples(plan: Plan, run: Run, today: date) -> int:
    """Test samples of the primary symbol that the calendar suggests."""
    splits = plan.specification(run).splits
    years = max(0.0, ((splits.test_end or today) - splits.test_start).days / 365.25)
    return max(0, round(years * BARS_PER_YEAR[run.timescale]) - run.horizon)


def _flops(specification: Mapping[str, Any], channels: int) -> int:
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
