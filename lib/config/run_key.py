"""Runs: the expansion of an experiment's grid. A run key has eight fields, which alone name a run."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product

from lib.config.experiment import Experiment
from lib.errors import ConfigError

NO_BUDGET = "none"


@dataclass(frozen=True, order=True)
class Run:
    """One trained model. The fields are the components of its path, in this order."""

    variant: str
    dataset: str
    timescale: str
    task: str
    horizon: int
    model: str
    budget: str
    seed: int

    def to_json(self) -> str:
        """The run key as canonical JSON."""
        return json.dumps(self.fields(), sort_keys=True)

    def fields(self) -> dict[str, str | int]:
        """The fields of the run key by name."""
        return dict(vars(self))

    def label(self) -> str:
        """The run key in one line, for messages and progress, as in the run's path."""
        fields = self.fields() | {"horizon": f"h{self.horizon}", "seed": f"seed{self.seed}"}
        return "/".join(map(str, fields.values()))


def expand(experiments: Mapping[str, Experiment], has_budget: Mapping[str, bool]) -> dict[Run, str]:
    """Every declared run with the name of its experiment, in the order of declaration.

    Args:
        experiments: by name.
        has_budget: for each model, whether it is trained once per budget or only once.

    Raises:
        ConfigError: two experiments declare the same run in different ways, or a model needs budgets
            that its experiment does not give.
    """
    runs: dict[Run, str] = {}
    for name, experiment in experiments.items():
        for run in _grid(name, experiment, has_budget):
            first = runs.setdefault(run, name)
            if first != name and _settings(experiments[first]) != _settings(experiment):
                raise ConfigError(
                    f"experiments {first} and {name} both declare {run.label()} but "
                    f"train it differently. Give {name} its own `variant:`."
                )
    return runs


def _grid(name: str, experiment: Experiment, has_budget: Mapping[str, bool]) -> Iterator[Run]:
    for dataset, timescale, task, horizon, model in product(
        experiment.datasets, experiment.timescales, experiment.tasks, experiment.horizons, experiment.models
    ):
        budgets: list[str] = list(experiment.budgets) if has_budget[model] else [NO_BUDGET]
        if not budgets:
            raise ConfigError(
                f"experiment {name}: model {model} needs `budgets:`, for example [2M, 20M, 200M]."
            )
        for budget, seed in product(budgets, experiment.seeds):
            yield Run(experiment.variant, dataset, timescale, task, horizon, model, budget, seed)


def _settings(experiment: Experiment) -> dict[str, object]:
    """What decides a run's result besides its key."""
    return experiment.model_dump(include=_DECIDING)


_DECIDING = {
    "labels", "planted", "barriers", "recipe", "training", "data", "tuning", "searches", "n_trials", "fold",
    "meta", "train_fraction", "context_length",
}  # fmt: skip
