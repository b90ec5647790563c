"""The study as its rules see it: look-ups from the words of a path to what is declared about it.

Building a plan checks everything that can be checked before data and models exist: names, settings,
symbols that a source cannot serve, channel counts that do not fit a budget. It imports no torch.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from lib.config.base import is_binary, is_ternary
from lib.config.experiment import Experiment
from lib.config.hpo import Choice, SearchSpace
from lib.config.load import Study, expand_environment, load_study, read_yaml, validate
from lib.config.model import Architecture, AssetsFile
from lib.config.resolve import ARCHITECTURE, RunSpecification, data_identity, specify
from lib.config.runs import NO_BUDGET, Run, expand
from lib.config.series import SeriesFile
from lib.config.training import Recipe
from lib.config.workflow import WorkflowConfig
from lib.errors import ConfigError, nearest
from lib.models import registry
from lib.planning.data import DataPlan
from lib.planning.meta import MetaPlan, check_meta_modules


class Plan:
    """A validated study with its runs."""

    def __init__(self, study: Study, assets: AssetsFile, series: SeriesFile) -> None:
        self.study = study
        for file in study.models.values():
            if file.plugin:
                registry.add_plugin(Path(file.plugin))
        self._check_models()
        self._check_tasks()
        check_meta_modules(study)
        self.experiment_of = expand(study.experiments, self._has_budget)
        self.meta = MetaPlan(study, self.experiment_of)
        self.data = DataPlan(study, assets, series, self.datasets)
        self._check_variants()
        self.data.check()
        self._check_controls()
        self._check_searches()
        self._check_budgets()

    @property
    def config(self) -> WorkflowConfig:
        """The configuration file."""
        return self.study.config

    @property
    def runs(self) -> list[Run]:
        """Every run that the study reports, in the order of declaration; not the base models of others."""
        return [
            run
            for run, name in self.experiment_of.items()
            if self.study.experiments[name].role != "base_models"
        ]

    def run(self, words: Mapping[str, str]) -> Run:
        """The declared run named by the words of a path.

        Raises:
            ConfigError: no experiment of this study declares it.
        """
        run = Run(**{**words, "horizon": int(words["horizon"]), "seed": int(words["seed"])})  # type: ignore[arg-type]
        if run not in self.experiment_of:
            raise ConfigError(
                f"{run.label()}: no experiment of this study declares this run. "
                f"Experiments: {', '.join(self.study.experiments)} (config/experiments/)."
            )
        return run

    def specification(self, run: Run) -> RunSpecification:
        """What decides the run's result, with every setting of the model said."""
        return self._specify(run, self.experiment_of[run])

    def _specify(self, run: Run, experiment: str) -> RunSpecification:
        declared = specify(self.study, run, experiment)
        settings = registry.get(declared.model).Settings.model_validate(declared.settings)
        said = {
            "model": registry.full_name(declared.model),
            "plugin_hash": registry.plugin_hash(declared.model),
            "settings": settings.model_dump(mode="json"),
        }
        return declared.model_copy(update=said)

    def companions(self, run: Run) -> list[Run]:
        """Runs of the same shape, which one job may train together with this one, in order of declaration.

        They differ in their seed, and without a search in their task (of the same kind and horizon) too.
        """
        free = {"seed"} if self.search_budget(run) else {"seed", "task"}
        varying = {"run", "experiment", "role", "question"}

        def shape(other: Run) -> tuple[Any, ...]:
            words = {name: value for name, value in other.fields().items() if name not in free}
            return words, is_binary(other.task)

        def declared(other: Run) -> dict[str, Any]:
            return self.specification(other).model_dump(exclude=varying)

        alike = [other for other in self.experiment_of if other != run and shape(other) == shape(run)]
        return [other for other in alike if declared(other) == declared(run)]

    def vintage(self, run: Run) -> str:
        """Vintage whose data the run uses."""
        return data_identity(self.study, self.experiment_of[run])[1]

    def vintage_of_variant(self, variant: str) -> str:
        """Vintage that a variant stands for (each has exactly one)."""
        if variant not in self._vintage_of_variant:
            raise ConfigError(f"variant {variant}: no experiment of this study declares it.")
        return self._vintage_of_variant[variant]

    @cached_property
    def vintages(self) -> list[str]:
        """Vintages that the study's runs use."""
        return sorted({self.vintage(run) for run in self.experiment_of})

    @cached_property
    def datasets(self) -> list[tuple[str, str, str]]:
        """(vintage, dataset, timescale) of every dataset file that the runs need."""
        return sorted({(self.vintage(run), run.dataset, run.timescale) for run in self.experiment_of})

    def cells(self, vintage: str, dataset: str, timescale: str) -> list[str]:
        """Declared samples of a dataset file, each as canonical JSON."""
        found = set()
        for run in self.experiment_of:
            if self.meta.of(run) or self.study.experiments[self.experiment_of[run]].fold:
                continue  # other data, or other splits than those that are counted
            if (self.vintage(run), run.dataset, run.timescale) == (vintage, dataset, timescale):
                specification = self.specification(run)
                cell = {
                    "task": run.task,
                    "horizon": run.horizon,
                    "context_length": specification.context_length,
                    "barriers": specification.barriers.model_dump() if specification.barriers else None,
                }
                found.add(json.dumps(cell, sort_keys=True))
        return sorted(found)

    def shape(self, dataset: str, timescale: str, model: str, budget: str) -> str:
        """What decides the cost of a training step, as canonical JSON (for batch-size discovery)."""
        for run in self.experiment_of:
            if (run.dataset, run.timescale, run.model, run.budget) == (dataset, timescale, model, budget):
                specification = self.specification(run)
                content = {
                    "model": specification.model,
                    "settings": specification.settings,
                    "architecture": specification.architecture.model_dump()
                    if specification.architecture
                    else None,
                    "context_length": specification.context_length,
                    "channels": self.data.channels(dataset, run.timescale),
                    "effective_batch": specification.recipe.effective_batch,
                }
                return json.dumps(content, sort_keys=True)
        raise ConfigError(
            f"{dataset}/{timescale}/{model}/{budget}: no experiment of this study declares this shape."
        )

    def production_dataset(self, folder: Path, name: str) -> dict[str, str]:
        """Words of the dataset file that a production model reads, in this configuration's vintage.

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
        run = json.loads(record.read_text(encoding="utf-8"))["run"]
        words = {
            "vintage": self.config.data.vintage,
            "dataset": run["dataset"],
            "timescale": run["timescale"],
        }
        if tuple(words.values()) not in self.datasets:
            raise ConfigError(
                f"production model {name} reads {run['dataset']} {run['timescale']}, which no experiment of "
                "this configuration builds; add one that does to `experiments:`."
            )
        return words

    def search_budget(self, run: Run) -> str | None:
        """Budget at which the run's hyperparameters are searched; None without a search."""
        experiment = self.study.experiments[self.experiment_of[run]]
        if experiment.tuning == "none":
            return None
        if run.budget == NO_BUDGET:
            return NO_BUDGET if self.study.models[run.model].search else None
        return experiment.tune_at or run.budget

    def uses_gpu(self, model: str) -> bool:
        """Whether a model's training runs on a GPU if there is one."""
        metadata = registry.get(self.study.models[model].model).metadata
        return metadata.network or metadata.requires_gpu

    def n_trials(self, run: Run) -> int:
        """Trials of the search that the run is trained with; 0 without one."""
        experiment = self.study.experiments[self.experiment_of[run]]
        if self.search_budget(run) is None:
            return 0
        return experiment.n_trials or self.study.searches[experiment.tuning].n_trials

    def search(self, words: Mapping[str, str]) -> str:
        """Declaration of a hyperparameter search, as canonical JSON."""
        for run in self.experiment_of:
            same = all(
                str(value) == words[name]
                for name, value in run.fields().items()
                if name not in ("budget", "seed")
            )
            if same and self.search_budget(run) == words["budget"]:
                experiment = self.study.experiments[self.experiment_of[run]]
                first = Run(**{**run.fields(), "budget": words["budget"], "seed": experiment.seeds[0]})  # type: ignore[arg-type]
                specification = self._specify(first, self.experiment_of[run])
                space = self._space(specification, self.study.searches[experiment.tuning])
                content = {
                    "specification": specification.model_dump(mode="json"),
                    "space": space.model_dump(mode="json"),
                    "n_trials": self.n_trials(run),
                }
                return json.dumps(content, sort_keys=True)
        raise ConfigError(f"{'/'.join(words.values())}: no experiment of this study declares this search.")

    def _space(self, specification: RunSpecification, space: SearchSpace) -> SearchSpace:
        """A search space with the model's own parameters, or with the labels of the budget's architectures."""
        run = specification.run
        if own := self.study.models[str(run["model"])].search:
            return space.model_copy(update={"parameters": own, "architecture": None})
        if space.architecture is None or specification.architecture is None:
            return space
        found = registry.get(specification.model).architectures(
            specification.settings,
            specification.architecture,
            self.data.channels(str(run["dataset"]), str(run["timescale"])),
            specification.context_length,
            str(run["budget"]),
        )
        labels = Choice(type="choice", values=[a.label() for a in found], ordered=True)
        return space.model_copy(update={"parameters": {ARCHITECTURE: labels, **space.parameters}})

    def search_paths(self, pattern: str) -> list[str]:
        """Paths of all searches, by a pattern with the words of a run."""
        found: dict[str, None] = {}
        for run in self.experiment_of:
            if budget := self.search_budget(run):
                found[pattern.format(**(run.fields() | {"budget": budget}))] = None
        return list(found)

    def declared_runs(self) -> str:
        """What the table of runs says about each run before it is trained, as canonical JSON."""
        rows = [
            run.fields()
            | {
                "experiment": name,
                "role": self.study.experiments[name].role,
                "question": self.study.experiments[name].question,
                "family": registry.full_name(self.study.models[run.model].model).split(":")[0],
            }
            for run, name in ((run, self.experiment_of[run]) for run in self.runs)
        ]
        return json.dumps(rows, sort_keys=True)

    def experiments_json(self) -> str:
        """All experiments, as canonical JSON."""
        content = {
            name: experiment.model_dump(mode="json", include=set(Experiment.model_fields))
            for name, experiment in self.study.experiments.items()
            if experiment.role != "base_models"
        }
        return json.dumps(content, sort_keys=True)

    @property
    def _has_budget(self) -> dict[str, bool]:
        return {
            name: registry.get(file.model).metadata.has_budget for name, file in self.study.models.items()
        }

    def _check_models(self) -> None:
        for name, file in self.study.models.items():
            validate(
                registry.get(file.model).Settings,
                file.settings,
                f"config/models/{name}.yaml, section settings",
            )
            known = {"context_length", *Recipe.model_fields, *registry.get(file.model).Settings.model_fields}
            if registry.get(file.model).metadata.has_budget:
                known |= set(Architecture.model_fields)
            for parameter in file.search:
                if parameter not in known:
                    raise ConfigError(
                        f"config/models/{name}.yaml, section search: `{parameter}` is neither a setting of the "
                        f"model nor a field of the training section.{nearest(parameter, sorted(known))}"
                    )

    def _check_tasks(self) -> None:
        """Refuse models that have no answer to a task, before any data are fetched for it."""
        for name, experiment in self.study.experiments.items():
            if not any(is_ternary(task) for task in experiment.tasks):
                continue
            able = [m for m, f in self.study.models.items() if registry.get(f.model).metadata.ternary]
            unable = [model for model in experiment.models if model not in able]
            if unable:
                raise ConfigError(
                    f"experiment {name}: {', '.join(unable)} cannot forecast three classes, as task "
                    f"triple_barrier asks. Models that can: "
                    f"{', '.join(n for n in registry.names() if registry.get(n).metadata.ternary)}."
                )

    def _check_variants(self) -> None:
        self._vintage_of_variant: dict[str, str] = {}
        for run, name in self.experiment_of.items():
            vintage = self.vintage(run)
            if self._vintage_of_variant.setdefault(run.variant, vintage) != vintage:
                raise ConfigError(
                    f"experiment {name}: variant {run.variant} already uses vintage "
                    f"{self._vintage_of_variant[run.variant]}, not {vintage}. Give it its own `variant:`."
                )

    def _check_controls(self) -> None:
        from lib.data.sources.synthetic import PLANTED_TASK

        for name, experiment in self.study.experiments.items():
            if experiment.data and set(experiment.tasks) != {PLANTED_TASK}:
                raise ConfigError(
                    f"experiment {name}: the best reachable AUC of the planted signal is known for task "
                    f"{PLANTED_TASK} only. The corrected line:\ntasks: [{PLANTED_TASK}]"
                )

    def _check_searches(self) -> None:
        for name, experiment in self.study.experiments.items():
            if experiment.tuning == "none" or not self.study.searches[experiment.tuning].architecture:
                continue
            if experiment.tune_at and set(experiment.budgets) != {experiment.tune_at}:
                raise ConfigError(
                    f"experiment {name}: an architecture found at {experiment.tune_at} is of no use at "
                    "another budget. Leave `tune_at:` out, so that each budget is searched."
                )

    def _check_budgets(self) -> None:
        shapes = {
            (r.dataset, r.timescale, r.model, r.budget): r
            for r in self.experiment_of
            if r.budget != NO_BUDGET
        }
        for (dataset, timescale, model, budget), run in shapes.items():
            specification = self.specification(run)
            model_class = registry.get(self.study.models[model].model)
            if specification.architecture is not None:
                model_class.check_budget(
                    specification.settings,
                    specification.architecture,
                    self.data.channels(dataset, timescale),
                    specification.context_length,
                    budget,
                )


def plan_study(content: dict[str, Any], folder: Path, environment: Mapping[str, str] = os.environ) -> Plan:
    """Expand the environment in a configuration (in place, for the scripts) and plan the study.

    Args:
        content: the configuration as Snakemake has merged it.
        folder: the directory config/ with its sub-folders.
        environment: for `${NAME}` in values.
    """
    content.update(expand_environment(dict(content), environment))
    assets_path = folder / "data" / "assets.yaml"
    assets = validate(AssetsFile, read_yaml(assets_path), str(assets_path))
    series_path = folder / "data" / "series.yaml"
    series = validate(SeriesFile, read_yaml(series_path), str(series_path))
    return Plan(load_study(content, folder), assets, series)
