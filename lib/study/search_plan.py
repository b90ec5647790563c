"""Hyperparameter searches of a study: which runs are searched, in which space, and with how many trials.

A search serves the runs that share its key. Each size of an experiment has some of its own, with seeds that
no run has; with a `transfer` they are made once, on years before the first fold's test part, and serve every
fold, share of the history and context length, and every size if they are made at one budget. They serve null
and leak controls, too: what is controlled is the recipe that is judged, so it is searched on true labels.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import cached_property
from itertools import count

from lib.config.base import BUDGET_PARAMETERS, outputs_of
from lib.config.experiment import PlannedExperiment
from lib.config.fold_splits import early_years
from lib.config.hpo import Choice, SearchSpace, Transfer
from lib.config.load import Study
from lib.config.model import Architecture
from lib.config.resolve import ARCHITECTURE, RunSpecification, data_identity
from lib.config.run_key import NO_BUDGET, Run
from lib.errors import ConfigError
from lib.models import registry
from lib.models.contract import Shape
from lib.study.jobs import SEARCH_FIELDS

Specify = Callable[[Run, str], RunSpecification]
"""The specification of a run of an experiment."""


class SearchPlan:
    """Part of the plan that the rules see (`PLAN.searches`)."""

    def __init__(
        self,
        study: Study,
        experiment_of: Mapping[Run, str],
        specify: Specify,
        channels: Callable[[str, str], int],
    ) -> None:
        self._study, self._experiment_of = study, experiment_of
        self._specify, self._channels = specify, channels

    def budget(self, run: Run) -> str | None:
        """Budget at which the run's hyperparameters are searched; None without a search."""
        if self._experiment(run).tuning == "none":
            return None
        if run.budget == NO_BUDGET:
            return NO_BUDGET if self._study.models[run.model].search else None
        if registry.get(self._study.models[run.model].model).metadata.oracle:
            return None  # it has nothing to search
        transfer = self._transfer(run)
        return transfer.budget if transfer and transfer.budget else run.budget

    def number(self, run: Run) -> int | None:
        """Number of the search that the run is trained with, dealt by its seed; None without a search."""
        if self.budget(run) is None:
            return None
        experiment = self._experiment(run)
        return experiment.seeds.index(run.seed) % experiment.searches + 1

    def key(self, run: Run) -> dict[str, str] | None:
        """Key of the search that the run is trained with; None without one."""
        budget = self.budget(run)
        if budget is None:
            return None
        experiment = self._experiment(run)
        key = {name: str(value) for name, value in run.fields().items() if name != "seed"}
        if transfer := self._transfer(run):
            altered = experiment.role in ("null_control", "leak_control")
            condition = BASE if altered else experiment.condition
            key |= {"variant": condition, "dataset": transfer.dataset or run.dataset}
        return key | {"budget": budget, "search": str(self.number(run))}

    def n_trials(self, run: Run) -> int:
        """Trials of the search that the run is trained with; 0 without one."""
        if self.budget(run) is None:
            return 0
        experiment = self._experiment(run)
        return experiment.n_trials or self._study.searches[experiment.tuning].n_trials

    def vintage(self, key: Mapping[str, str]) -> str:
        """Vintage whose data a search uses."""
        return self.specification(key).vintage

    def datasets(self) -> list[tuple[str, str, str]]:
        """(vintage, dataset, timescale) of every dataset file that the searches need."""
        found = set()
        for runs in self._searched.values():
            key, name = self.key(runs[0]), self._experiment_of[runs[0]]
            assert key is not None
            found.add((data_identity(self._study, name)[1], key["dataset"], key["timescale"]))
        return sorted(found)

    def trained(self) -> list[RunSpecification]:
        """What the trials of every search train, and the checks of its recipe at other sizes."""
        found = []
        for values, runs in self._searched.items():
            key = dict(zip(SEARCH_FIELDS, values, strict=True))
            sizes = {key["budget"], *self.checked_sizes(runs[0])}
            found += [self.specification(key, size) for size in sorted(sizes)]
        return found

    def specification(self, key: Mapping[str, str], budget: str | None = None) -> RunSpecification:
        """What the trials of a search train, before any parameter is tried.

        Args:
            key: of the search.
            budget: another size than the searched one, on the same data and with the same seed.

        Raises:
            ConfigError: no experiment declares it.
        """
        run = self._served(key)[0]
        space = self._study.searches[self._experiment(run).tuning]
        own = {name: value for name, value in key.items() if name != "search"}
        own["budget"] = budget or key["budget"]
        seed = trial_seed(space.seed, int(key["search"]), self._judged_seeds)
        trial = Run(**{**own, "horizon": run.horizon, "seed": seed})  # type: ignore[arg-type]
        found = self._specify(trial, self._experiment_of[run])
        return self._everywhere(found, key, space.transfer) if space.transfer else found

    def _everywhere(
        self, found: RunSpecification, key: Mapping[str, str], transfer: Transfer
    ) -> RunSpecification:
        """Without what only one of the runs has that a transfer serves, on years before all their tests."""
        data, served = self._study.config.data, self._served(key)
        experiment = self._experiment(served[0])
        changes: dict[str, object] = {
            "experiment": "transfer", "question": "Which recipe?", "role": "question", "fold": None,
            "train_fraction": 1.0, "condition": key["variant"], "labels": "true", "planted": "none",
        }  # fmt: skip
        if not experiment.meta:
            lengths: Mapping[str, int] = self._study.config.context_length  # type: ignore[assignment]
            changes["context_length"] = lengths[str(found.run["timescale"])]
        known = [fold for run in served if (fold := self._experiment(run).fold) is not None]
        if known and data.walk_forward:
            own = (experiment.data and experiment.data.splits) or data.splits
            changes["splits"] = early_years(data.walk_forward, own, min(known), transfer.selection_years)
        return found.model_copy(update=changes)

    def declaration(self, key: Mapping[str, str]) -> str:
        """Declaration of a search, as canonical JSON.

        Args:
            key: of the search.

        Raises:
            ConfigError: no experiment declares it.
        """
        run, specification = self._served(key)[0], self.specification(key)
        space = self._space(specification, self._study.searches[self._experiment(run).tuning])
        content = {
            "specification": specification.model_dump(mode="json"),
            "space": space.model_dump(mode="json"),
            "n_trials": self.n_trials(run),
        }
        return json.dumps(content, sort_keys=True)

    def check(self) -> None:
        """Refuse experiments that share a transferred recipe but would search it differently.

        Raises:
            ConfigError: names both.
        """
        for key, runs in self._searched.items():
            first, *others = dict.fromkeys(self._experiment_of[run] for run in runs)
            one = self._study.experiments[first]
            wanted = one.model_dump_json(include=_SEARCHED_BY) if others else ""
            for other in map(self._study.experiments.__getitem__, others):
                if other.model_dump_json(include=_SEARCHED_BY) != wanted:
                    raise ConfigError(
                        f"experiments {one.declared} and {other.declared} share the search {'/'.join(key)} "
                        f"but would search differently. Give {other.declared} its own `variant:`."
                    )

    def checked_sizes(self, run: Run) -> list[str]:
        """Budgets at which the transferred recipe of a run is checked; none without a transfer."""
        key = self.key(run)
        if key is None or key["search"] != "1" or key["budget"] == NO_BUDGET:
            return []
        transfer = self._transfer(run)
        if transfer is None or not transfer.rates:
            return []
        sizes = {other.budget for other in self._served(key)} | {key["budget"]}
        return [size for size in BUDGET_PARAMETERS if size in sizes] if len(sizes) > 1 else []

    def check_declaration(self, key: Mapping[str, str], size: str) -> str:
        """What is trained at a size to see whether the recipe of a search holds there, as canonical JSON."""
        transfer = self._transfer(self._served(key)[0])
        assert transfer is not None
        content = {
            "specification": self.specification(key, size).model_dump(mode="json"),
            "rates": sorted({1.0, *transfer.rates}),
        }
        return json.dumps(content, sort_keys=True)

    def _experiment(self, run: Run) -> PlannedExperiment:
        return self._study.experiments[self._experiment_of[run]]

    def _transfer(self, run: Run) -> Transfer | None:
        return self._study.searches[self._experiment(run).tuning].transfer

    def _served(self, key: Mapping[str, str]) -> list[Run]:
        runs = self._searched.get(_values(key))
        if runs is None:
            raise ConfigError(f"{'/'.join(key.values())}: no experiment of this study declares this search.")
        return runs

    @cached_property
    def _searched(self) -> dict[tuple[str, ...], list[Run]]:
        found: dict[tuple[str, ...], list[Run]] = {}
        for run in self._experiment_of:
            if key := self.key(run):
                found.setdefault(_values(key), []).append(run)
        return found

    @cached_property
    def _judged_seeds(self) -> set[int]:
        return {seed for experiment in self._study.experiments.values() for seed in experiment.seeds}

    def _space(self, specification: RunSpecification, space: SearchSpace) -> SearchSpace:
        """The space with the model's own parameters, or with the labels of the budget's architectures."""
        run = specification.run
        if own := self._study.models[str(run["model"])].search:
            return space.model_copy(update={"parameters": own, "architecture": None})
        if space.architecture is None or specification.architecture is None:
            return space
        found = registry.get(specification.model).architectures(
            specification.settings,
            specification.architecture,
            Shape(
                self._channels(str(run["dataset"]), str(run["timescale"])),
                specification.context_length,
                outputs_of(str(run["task"])),
            ),
            str(run["budget"]),
        )
        labels = Choice(type="choice", values=[a.label() for a in by_shape(found)], ordered=True)
        return space.model_copy(update={"parameters": {ARCHITECTURE: labels, **space.parameters}})


def by_shape(architectures: Sequence[Architecture]) -> list[Architecture]:
    """From wide and shallow to narrow and deep: by d_model / n_layers, then by the number of heads.

    Architectures of a budget are all of one size, so that this ratio is what they differ in; neighbours in
    this order are alike, and the sampler gets their distance in it (as a position: Optuna 5 knows no
    distances between categories).
    """
    return sorted(architectures, key=lambda a: (-a.d_model / a.n_layers, a.n_heads))


def trial_seed(base: int, number: int, judged: Collection[int]) -> int:
    """Seed of a search's sampler and of the networks of its trials; none that a run is judged with."""
    for attempt in count():
        name = f"search/{base}/{number}/{attempt}"
        seed = int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big") >> 1
        if seed not in judged:
            return seed
    raise AssertionError("count() does not end")


_SEARCHED_BY = {"barriers", "recipe", "training", "data", "tuning", "n_trials", "meta"}
"""Of an experiment: what decides what its searches find."""
BASE = "base"
"""The condition of an experiment without alterations."""


def _values(key: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(str(key[name]) for name in SEARCH_FIELDS)
