"""Hyperparameter searches of a study: which runs are searched, in which space, and with how many trials."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property

from lib.config.base import outputs_of
from lib.config.hpo import Choice, SearchSpace
from lib.config.load import Study
from lib.config.model import Architecture
from lib.config.resolve import ARCHITECTURE, RunSpecification
from lib.config.runs import NO_BUDGET, Run
from lib.errors import ConfigError
from lib.models import registry
from lib.models.base import Shape

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
        experiment = self._study.experiments[self._experiment_of[run]]
        if experiment.tuning == "none":
            return None
        if run.budget == NO_BUDGET:
            return NO_BUDGET if self._study.models[run.model].search else None
        if registry.get(self._study.models[run.model].model).metadata.oracle:
            return None  # it has nothing to search
        return experiment.tune_at or run.budget

    def n_trials(self, run: Run) -> int:
        """Trials of the search that the run is trained with; 0 without one."""
        experiment = self._study.experiments[self._experiment_of[run]]
        if self.budget(run) is None:
            return 0
        return experiment.n_trials or self._study.searches[experiment.tuning].n_trials

    def declaration(self, words: Mapping[str, str]) -> str:
        """Declaration of a search, as canonical JSON.

        Args:
            words: of a run without its seed; the budget is the one that is searched.

        Raises:
            ConfigError: no experiment declares it.
        """
        run = self._searched.get(_key(words))
        if run is None:
            raise ConfigError(
                f"{'/'.join(words.values())}: no experiment of this study declares this search."
            )
        name = self._experiment_of[run]
        experiment = self._study.experiments[name]
        first = Run(**{**run.fields(), "budget": words["budget"], "seed": experiment.seeds[0]})  # type: ignore[arg-type]
        specification = self._specify(first, name)
        space = self._space(specification, self._study.searches[experiment.tuning])
        content = {
            "specification": specification.model_dump(mode="json"),
            "space": space.model_dump(mode="json"),
            "n_trials": self.n_trials(run),
        }
        return json.dumps(content, sort_keys=True)

    @cached_property
    def _searched(self) -> dict[tuple[str, ...], Run]:
        found: dict[tuple[str, ...], Run] = {}
        for run in self._experiment_of:
            if budget := self.budget(run):
                words = {name: str(value) for name, value in run.fields().items() if name != "seed"}
                found.setdefault(_key(words | {"budget": budget}), run)
        return found

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
    this order are alike, and their distance in it is what the sampler is told (as a position: Optuna 5 knows
    no distances between categories).
    """
    return sorted(architectures, key=lambda a: (-a.d_model / a.n_layers, a.n_heads))


def _key(words: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(str(words[name]) for name in sorted(words))
