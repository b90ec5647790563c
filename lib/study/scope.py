"""Scope of a report: the whole study, or one of its phases with the study's controls."""

from __future__ import annotations

import json
from functools import cached_property
from typing import TYPE_CHECKING

from lib.config.run_key import Run

if TYPE_CHECKING:
    from lib.study.plan import Plan


class Scope:
    """Some experiments of a plan, with their runs and everything upstream of them."""

    def __init__(self, plan: Plan, experiments: list[str], whole: bool) -> None:
        self._plan, self._whole = plan, whole
        self.experiments = experiments

    @property
    def waiting(self) -> dict[str, str]:
        """Experiments of the whole study that cannot be run yet, and why; a phase has none."""
        return dict(self._plan.study.waiting) if self._whole else {}

    @cached_property
    def runs(self) -> list[Run]:
        """Every run that is reported, in the order of declaration; not the base models of others."""
        named = {run for name in self._reported for run in self._plan.grids[name]}
        return [run for run in self._plan.experiment_of if run in named]

    @property
    def _reported(self) -> list[str]:
        experiments = self._plan.study.experiments
        return [
            name
            for name in experiments
            if name in self.experiments and experiments[name].role != "base_models"
        ]

    @cached_property
    def vintages(self) -> list[str]:
        """Vintages that the runs use."""
        return sorted({self._plan.vintage(run) for run in self.runs})

    @cached_property
    def datasets(self) -> list[tuple[str, str, str]]:
        """(vintage, dataset, timescale) of every dataset file that the runs need."""
        return sorted({(self._plan.vintage(run), run.dataset, run.timescale) for run in self.runs})

    def search_paths(self, pattern: str) -> list[str]:
        """Paths of all searches, by a pattern in the fields of a search's key."""
        keys = (self._plan.searches.key(run) for run in self.runs)
        return list(dict.fromkeys(pattern.format(**key) for key in keys if key))

    def check_paths(self, pattern: str) -> list[str]:
        """Paths of all checks of transferred recipes, by a pattern in the fields of a search's key and
        `size`."""
        searches = self._plan.searches
        pairs = ((searches.key(run) or {}, size) for run in self.runs for size in searches.checked_sizes(run))
        return list(dict.fromkeys(pattern.format(**key, size=size) for key, size in pairs))

    def declared_runs(self) -> str:
        """Columns of the run table that are known before training, as canonical JSON."""
        rows = [dict[str, object](run.fields()) | self._plan.facts(run) for run in self.runs]
        return json.dumps(rows, sort_keys=True)

    def experiments_json(self) -> str:
        """The experiments as they are planned, as canonical JSON."""
        experiments = self._plan.study.experiments
        content = {name: experiments[name].model_dump(mode="json") for name in self._reported}
        return json.dumps(content, sort_keys=True)
