"""The plan of a study as its rules see it: look-ups from the wildcards of a path to its declaration.

Building a plan checks everything that can be checked before data and models exist: names, settings,
symbols that a source cannot serve, channel counts that do not fit a budget. It imports no torch.
"""

from __future__ import annotations

import difflib
import json
import os
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from lib.config.load import Study, load_study
from lib.config.model import AssetsFile
from lib.config.places import ConfigFolders
from lib.config.resolve import RunSpecification, data_identity, specify
from lib.config.run_key import NO_BUDGET, Run, expand
from lib.config.series_table import SeriesFile
from lib.config.validation import validate
from lib.config.workflow import WorkflowConfig
from lib.config.yaml_files import check_extent, expand_environment, read_yaml
from lib.data.io import read_json
from lib.errors import ConfigError, nearest
from lib.models import registry
from lib.study.checks import (
    check_budgets,
    check_controls,
    check_ids,
    check_models,
    check_tasks,
    has_fields,
)
from lib.study.data_plan import DataPlan
from lib.study.meta_plan import MetaPlan, check_meta_modules
from lib.study.prediction_plan import PredictionPlan
from lib.study.scope import Scope
from lib.study.search_plan import SearchPlan
from lib.study.shape_plan import ShapePlan


class Plan:
    """A validated study with its runs."""

    def __init__(self, study: Study, assets: AssetsFile, series: SeriesFile) -> None:
        self.study = study
        for file in study.models.values():
            if file.plugin:
                registry.add_plugin(Path(file.plugin))
        check_models(study)
        check_tasks(study)
        check_meta_modules(study)
        self.experiment_of = expand(study.experiments, self._has_budget)
        """Every run with the experiment that declared it first."""
        self.grids = {name: expand({name: e}, self._has_budget) for name, e in study.experiments.items()}
        """The runs of each experiment, those included that another one declared first."""
        self._scopes: dict[str | None, Scope] = {}
        self._specifications: dict[Run, RunSpecification] = {}
        self.meta = MetaPlan(study, self.experiment_of)
        self.predictions = PredictionPlan(study, self.grids)
        self.searches = SearchPlan(study, self.experiment_of, self._specify, self._channels_of)
        self.data = DataPlan(study, assets, series, self.datasets)
        self.shapes = ShapePlan(self._trained, self._channels_of)
        self._check_variants()
        self.data.check()
        check_controls(study)
        self.searches.check()
        check_ids(study, self.grids)
        check_budgets(study, self.experiment_of, self.specification, self.channels)

    @property
    def config(self) -> WorkflowConfig:
        """The configuration file."""
        return self.study.config

    @property
    def runs(self) -> list[Run]:
        """Every run that the study reports, in the order of declaration; not the base models of others."""
        return self.scope().runs

    def scope(self, phase: str | None = None) -> Scope:
        """What a phase's report covers (its experiments and the study's controls); without one, everything.

        Raises:
            ConfigError: no such phase, or its experiments wait for something.
        """
        if phase not in self._scopes:
            self._scopes[phase] = Scope(self, self._experiments_of(phase), whole=phase is None)
        return self._scopes[phase]

    def _experiments_of(self, phase: str | None) -> list[str]:
        experiments = self.study.experiments
        if phase is None:
            return list(experiments)
        declared = self.config.phases.get(phase)
        if declared is None:
            known = ", ".join(self.config.phases) or "none"
            raise ConfigError(
                f"{phase}: this configuration declares no such phase.{nearest(phase, self.config.phases)} "
                f"Declared: {known}."
            )
        for name in declared:
            if why := self.study.waiting.get(name):
                raise ConfigError(f"{phase}: experiment {name} waits: {why}.")
        return [
            name
            for name, experiment in experiments.items()
            if experiment.role.endswith("_control") or experiment.declared in declared
        ]

    @cached_property
    def ids(self) -> dict[str, list[Run]]:
        """Runs by the labels that experiments give them."""
        found: dict[str, list[Run]] = {}
        for name, experiment in self.study.experiments.items():
            for title, fields in experiment.ids.items():
                named = [run for run in self.grids[name] if has_fields(run, fields)]
                found[title] = list(
                    dict.fromkeys([*found.get(title, []), *named])
                )  # folds bear the same name
        return found

    def id_of(self, run: Run) -> str | None:
        """The labels of a run, if any."""
        return " ".join(self._ids_of.get(run, ())) or None

    @cached_property
    def _ids_of(self) -> dict[Run, list[str]]:
        found: dict[Run, list[str]] = {}
        for title, runs in self.ids.items():
            for run in runs:
                found.setdefault(run, []).append(title)
        return found

    def run(self, key: Mapping[str, str]) -> Run:
        """The declared run with the key of a path.

        Raises:
            ConfigError: no experiment of this study declares it.
        """
        run = Run(**{**key, "horizon": int(key["horizon"]), "seed": int(key["seed"])})  # type: ignore[arg-type]
        if run not in self.experiment_of:
            raise ConfigError(
                f"{run.label()}: no experiment of this study declares this run. "
                f"Nearest that is: {self._nearest(run).label()}. "
                f"Experiments: {', '.join(self.study.experiments)} (config/experiments/)."
            )
        return run

    def _nearest(self, given: Run) -> Run:
        """The declared run that shares most fields with a given key, and of these the most similar."""
        fields = {name: str(value) for name, value in given.fields().items()}

        def likeness(run: Run) -> float:
            pairs = [(fields[name], str(value)) for name, value in run.fields().items()]
            return sum(difflib.SequenceMatcher(None, a, b).ratio() if a != b else 2.0 for a, b in pairs)

        return max(self.experiment_of, key=likeness)

    def specification(self, run: Run) -> RunSpecification:
        """What decides the run's result, with every setting of the model explicit."""
        if run not in self._specifications:
            own = self._specify(run, self.experiment_of[run])
            number = self.searches.number(run)
            self._specifications[run] = own.model_copy(update={"search": number})
        return self._specifications[run]

    def _specify(self, run: Run, experiment: str) -> RunSpecification:
        declared = specify(self.study, run, experiment)
        settings = registry.get(declared.model).Settings.model_validate(declared.settings)
        oracle = registry.get(declared.model).metadata.oracle
        resolved = {
            "architecture": None if oracle else declared.architecture,
            "model": registry.full_name(declared.model),
            "plugin_hash": registry.plugin_hash(declared.model),
            "settings": settings.model_dump(mode="json"),
            "primary": self.data.primary_symbol(declared.vintage),
        }
        return declared.model_copy(update=resolved)

    def facts(self, run: Run) -> dict[str, str | int | float | None]:
        """What is known of a run besides its key before it is trained: columns of the run table."""
        specification = self.specification(run)
        return {
            "experiment": self.study.experiments[self.experiment_of[run]].declared,
            "role": specification.role,
            "question": specification.question,
            "condition": specification.condition,
            "fold": specification.fold,
            "train_fraction": specification.train_fraction,
            "context_length": specification.context_length,
            "labels": specification.labels,
            "search": specification.search,
            "searched": "/".join(key.values()) if (key := self.searches.key(run)) else None,
            "family": registry.full_name(specification.model).split(":")[0],
            "id": self.id_of(run),
        }

    def vintage(self, run: Run) -> str:
        """Vintage whose data the run uses."""
        return data_identity(self.study, self.experiment_of[run])[1]

    @cached_property
    def vintages(self) -> list[str]:
        """Vintages that the study's runs use."""
        return sorted({self.vintage(run) for run in self.experiment_of})

    @cached_property
    def datasets(self) -> list[tuple[str, str, str]]:
        """(vintage, dataset, timescale) of every dataset file that the runs need."""
        own = {(self.vintage(run), run.dataset, run.timescale) for run in self.experiment_of}
        return sorted(own.union(self.searches.datasets()))

    def problems(self, vintage: str, dataset: str, timescale: str) -> list[str]:
        """Declared problems of a dataset file, whose samples are counted: each as canonical JSON."""
        found = set()
        for run in self._runs_of.get((vintage, dataset, timescale), ()):
            if self.meta.of(run) or self.study.experiments[self.experiment_of[run]].fold:
                continue  # other data, or other splits than those that are counted
            specification = self.specification(run)
            problem = {
                "task": run.task,
                "horizon": run.horizon,
                "context_length": specification.context_length,
                "barriers": specification.barriers.model_dump() if specification.barriers else None,
            }
            found.add(json.dumps(problem, sort_keys=True))
        return sorted(found)

    @cached_property
    def _runs_of(self) -> dict[tuple[str, str, str], list[Run]]:
        found: dict[tuple[str, str, str], list[Run]] = {}
        for run in self.experiment_of:
            found.setdefault((self.vintage(run), run.dataset, run.timescale), []).append(run)
        return found

    def channels(self, run: Run) -> int:
        """Channels of the windows that the run is trained on."""
        return self.shapes.channels(self.specification(run))

    def _channels_of(self, dataset: str, timescale: str) -> int:
        return self.data.channels(dataset, timescale)

    def _trained(self) -> list[RunSpecification]:
        return [*map(self.specification, self.experiment_of), *self.searches.trained()]

    def production_dataset(self, folder: Path, name: str) -> dict[str, str]:
        """Fields of the dataset file that a production model reads, in this configuration's vintage.

        Args:
            folder: of all production models.
            name: of one.

        Raises:
            ConfigError: there is no such model, or this configuration builds no such dataset.
        """
        record = folder / name / "current.json"
        if not record.is_file():
            known = sorted(path.parent.name for path in folder.glob("*/current.json"))
            raise ConfigError(
                f"production model {name}: not there.{nearest(name, known)} Promoted so far: "
                f"{', '.join(known) or 'none'}. Promote a run: make promote RUN=results/runs/…"
            )
        run = read_json(record, dict)["run"]
        dataset = {"vintage": self.config.data.vintage} | {key: run[key] for key in ("dataset", "timescale")}
        if tuple(dataset.values()) not in self.datasets:
            raise ConfigError(
                f"production model {name} reads {run['dataset']} {run['timescale']}, which no experiment of "
                "this configuration builds; add one that does to `experiments:`."
            )
        return dataset

    def has_weights(self, model: str, budget: str) -> bool:
        """Whether a model has the weights of a budget: of none, and an oracle of any, there are none."""
        return budget != NO_BUDGET and not registry.get(self.study.models[model].model).metadata.oracle

    def uses_gpu(self, model: str) -> bool:
        """Whether a model's training runs on a GPU if there is one."""
        metadata = registry.get(self.study.models[model].model).metadata
        return metadata.network or metadata.requires_gpu

    @property
    def _has_budget(self) -> dict[str, bool]:
        return {
            name: registry.get(file.model).metadata.has_budget for name, file in self.study.models.items()
        }

    def _check_variants(self) -> None:
        vintages: dict[str, str] = {}
        for run, name in self.experiment_of.items():
            vintage = self.vintage(run)
            if (first := vintages.setdefault(run.variant, vintage)) != vintage:
                raise ConfigError(
                    f"experiment {name}: variant {run.variant} already uses vintage {first}, not {vintage}. "
                    "Give it its own `variant:`."
                )


def plan_study(
    content: dict[str, Any], folder: Path | ConfigFolders, environment: Mapping[str, str] = os.environ
) -> Plan:
    """Expand the environment in a configuration (in place, for the scripts) and plan the study.

    Args:
        content: the configuration as Snakemake has merged it.
        folder: the directory config/ with its sub-folders, or several that are searched in turn.
        environment: for `${NAME}` in values.
    """
    check_extent(dict(content), "configuration")
    content.update(expand_environment(dict(content), environment))
    files = folder if isinstance(folder, ConfigFolders) else ConfigFolders(folder)
    assets = _changed(AssetsFile, files.find("data", "assets"), content, "assets")
    series = _changed(SeriesFile, files.find("data", "series"), content, "series")
    return Plan(load_study(content, files), assets, series)


def _changed[M: BaseModel](model: type[M], path: Path, content: Mapping[str, Any], key: str) -> M:
    """A file with the configuration's overrides, one level below its keys."""
    given, changes = read_yaml(path), content.get(key) or {}
    if not changes:
        return validate(model, given, str(path))
    if not isinstance(changes, Mapping):
        raise ConfigError(f"configuration: `{key}:` holds what differs from {path}, as `key: value` lines.")
    for name, value in changes.items():
        both = isinstance(value, Mapping) and isinstance(given.get(name), Mapping)
        given[name] = given[name] | dict(value) if both else value
    return validate(model, given, f"configuration, section {key} (over {path})")
