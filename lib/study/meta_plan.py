"""The meta-modules of a study as the rules see them (`PLAN.meta`): whose forecasts they learn from."""

from __future__ import annotations

import json
from collections.abc import Mapping

from lib.config.base import split_dataset
from lib.config.load import Study
from lib.config.meta import MetaModule
from lib.config.run_key import NO_BUDGET, Run
from lib.errors import ConfigError, nearest
from lib.features.catalogue import catalogue
from lib.models import registry


def check_meta_modules(study: Study) -> None:
    """Refuse learners that need more than one bar, and features that are no channels.

    Raises:
        ConfigError: names the learner or the feature.
    """
    for name, module in study.meta.items():
        row, column, tier = split_dataset(module.dataset)
        if row != "E" and column == "a" and module.timescale != "multires":
            known = [feature.name for feature in catalogue(tier, module.timescale)]
            for feature in module.features:
                if feature not in known:
                    raise ConfigError(
                        f"config/meta/{name}.yaml: {module.dataset} has no channel {feature}."
                        f"{nearest(feature, known)} All are listed in docs/features.md."
                    )
        for learner in module.learners:
            metadata = registry.get(study.models[learner].model).metadata
            if metadata.has_budget or metadata.input != "last_bar":
                raise ConfigError(
                    f"config/meta/{name}.yaml: {learner} reads windows; a meta-module's learners see the "
                    "forecasts of one bar. Take a linear or a boosting model."
                )


class MetaPlan:
    """Look-ups from a meta-module to its runs, and back."""

    def __init__(self, study: Study, experiment_of: Mapping[Run, str]) -> None:
        self._study, self._experiment_of = study, experiment_of

    def of(self, run: Run) -> str | None:
        """The meta-module whose stacked forecasts a run learns from; None for others."""
        return self._study.experiments[self._experiment_of[run]].meta

    def learners(self, name: str) -> list[Run]:
        """The runs of a meta-module.

        Raises:
            ConfigError: the study does not declare it.
        """
        self._module(name)
        return [run for run in self._experiment_of if self.of(run) == name]

    def bases(self, name: str) -> list[Run]:
        """The runs of all folds whose forecasts a meta-module learns from."""
        module = self._module(name)
        own = range(1, len(module.bases) + 1)
        grids = {f"meta-{name}-bases{number}" for number in own}
        folds = {e.variant for e in self._study.experiments.values() if e.declared in grids}
        return [
            run
            for run in self._experiment_of
            if run.variant in folds
            and run.seed == module.seed
            and any(
                run.dataset in bases.datasets
                and run.timescale in bases.timescales
                and run.task in bases.tasks
                and run.horizon in bases.horizons
                and run.model in bases.models
                and run.budget in (NO_BUDGET, *bases.budgets)
                for bases in module.bases
            )
        ]

    def declaration(self, name: str) -> str:
        """What decides a meta-module's data and comparison besides its forecasts, as canonical JSON."""
        return json.dumps(self._module(name).model_dump(mode="json"), sort_keys=True)

    def _module(self, name: str) -> MetaModule:
        if name not in self._study.meta:
            declared = ", ".join(self._study.meta) or "none"
            raise ConfigError(f"meta-module {name}: not declared in `meta:`. Declared: {declared}.")
        return self._study.meta[name]
