"""Reads a study's configuration with every file that it names, and expands its experiments.

Does not know which models exist; `lib.models` validates the settings of its own families.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

from lib.config.experiment import Experiment, PlannedExperiment
from lib.config.fold_splits import fold_label, walk_forward, with_study_test
from lib.config.hpo import SearchSpace
from lib.config.meta import MetaModule
from lib.config.model import Architecture, ModelFile, RecipeFile, vary
from lib.config.places import ConfigFolders
from lib.config.training import Recipe
from lib.config.validation import validate
from lib.config.workflow import WorkflowConfig
from lib.config.yaml_files import read_yaml
from lib.errors import ConfigError, nearest


@dataclass(frozen=True)
class Study:
    """A validated configuration with every file that it names."""

    config: WorkflowConfig
    experiments: dict[str, PlannedExperiment]
    meta: dict[str, MetaModule]
    models: dict[str, ModelFile]
    architectures: dict[str, Architecture]
    """By budget."""
    searches: dict[str, SearchSpace]
    recipes: dict[str, RecipeFile]
    waiting: dict[str, str]
    """Experiments that are not planned yet, and what they wait for."""

    def recipe_of(self, experiment: Experiment) -> RecipeFile | None:
        """Recipes that an experiment uses besides the study's own."""
        return _recipe_of(experiment, self.recipes)


def load_study(content: Mapping[str, Any], folder: Path | ConfigFolders) -> Study:
    """Validate the configuration and read the experiments, models and searches it names.

    Args:
        content: the configuration as Snakemake has merged it.
        folder: the directory config/ with its sub-folders, or several that are searched in turn.
    """
    config = validate(WorkflowConfig, content, "configuration")
    files = folder if isinstance(folder, ConfigFolders) else ConfigFolders(folder)
    _check_overrides(config)
    read = cache(read_yaml)  # a model's file is named by dozens of experiments
    experiments: dict[str, PlannedExperiment] = {}
    waiting: dict[str, str] = {}
    for name in config.all_experiments:
        given, where = config.own_experiments.get(name), f"configuration, own_experiments.{name}"
        if given is None:
            path = files.find("experiments", name)
            given, where = read(path), str(path)
        declared = validate(Experiment, _overridden(name, given, config), where)
        content = declared.model_dump()
        if declared.from_selection:
            chosen, why_not = _selected(config, where)
            if chosen is None or (why_not := _closed(declared, config)):
                waiting[name] = why_not
                continue
            content |= {key: content[key] or [value] for key, value in chosen.items()}
        experiments |= _planned(name, content, config, where)
    meta: dict[str, MetaModule] = {}
    for name in config.meta:
        path = files.find("meta", name)
        meta[name] = module = validate(MetaModule, read(path), str(path))
        grids = {f"meta-{name}": module.learner_grid(name)}
        for number, bases in enumerate(module.bases, start=1):
            grids[f"meta-{name}-bases{number}"] = module.base_grid(bases)
        for title, grid in grids.items():
            experiments |= _planned(title, grid, config, str(path))
    names = {e.recipe for e in experiments.values() if isinstance(e.recipe, str)}
    recipes = {name: _recipe_file(files.find("recipes", name)) for name in sorted(names)}
    models: dict[str, ModelFile] = {}
    named: dict[str, dict[str, ModelFile]] = {name: {} for name in experiments}
    searches: dict[str, SearchSpace] = {}
    for name, experiment in experiments.items():
        where = f"experiment {name}"
        base = _recipe_of(experiment, recipes)
        recipe_for(config, experiment, where, base=base)
        for model in experiment.models:
            path = files.find("models", model)
            file = validate(ModelFile, read(path), str(path))
            recipe_for(config, experiment, f"{path} in {where}", file, base)
            named[name] |= vary(model, file, experiment.vary)
        models |= named[name]
        if experiment.tuning != "none":
            path = files.find("hpo", f"{experiment.tuning}_search")
            searches[experiment.tuning] = validate(SearchSpace, read(path), str(path))
    architectures: dict[str, Architecture] = {}
    transfers = [space.transfer for space in searches.values() if space.transfer]
    searched = {transfer.budget for transfer in transfers if transfer.budget}
    for budget in sorted(searched.union(*(e.budgets for e in experiments.values()))):
        path = files.find("architectures", f"patchtst_{budget.lower()}")
        architectures[budget] = validate(Architecture, read(path), str(path))
    experiments = {
        name: experiment.model_copy(update={"models": list(named[name])})
        for name, experiment in experiments.items()
    }
    return Study(config, experiments, meta, models, architectures, searches, recipes, waiting)


def _check_overrides(config: WorkflowConfig) -> None:
    known = [*config.phases, *config.all_experiments]
    for name in config.own_experiments:
        if name not in config.all_experiments:
            raise ConfigError(
                f"configuration: `own_experiments:` describes {name}, which neither `experiments:` nor "
                f"`phases:` names.{nearest(name, config.all_experiments)} Add it there, or take it out."
            )
    for name in config.overrides:
        if name not in known:
            raise ConfigError(
                f"configuration: `overrides:` names {name}, which is neither a phase nor an experiment of "
                f"this study.{nearest(name, known)}"
            )


def _overridden(name: str, content: dict[str, Any], config: WorkflowConfig) -> dict[str, Any]:
    """An experiment's file with this study's overrides: those of its phases first, its own last."""
    phases = [phase for phase, names in config.phases.items() if name in names]
    for key in (*phases, name):
        content = content | config.overrides.get(key, {})
    return content


def _recipe_of(experiment: Experiment, recipes: Mapping[str, RecipeFile]) -> RecipeFile | None:
    """What an experiment's `recipe` stands for."""
    return recipes[experiment.recipe] if isinstance(experiment.recipe, str) else experiment.recipe


def _recipe_file(path: Path) -> RecipeFile:
    found = validate(RecipeFile, read_yaml(path), str(path))
    validate(Recipe, found.training, f"{path}, section training")
    return found


def _selected(config: WorkflowConfig, where: str) -> tuple[dict[str, str] | None, str]:
    """Datasets, models and budgets of the selection file; or None, and what is missing."""
    if config.selection is None:
        raise ConfigError(f"{where}: `from_selection` needs a `selection:` section in the configuration.")
    file = config.selection.file
    if not file.is_file():
        phases = _and(config.selection.phases)
        return None, f"{file} is not there yet; `snakemake {file}` makes it from {phases}"
    chosen = read_yaml(file).get("chosen", {})
    try:
        return {f"{word}s": chosen[word] for word in ("dataset", "model", "budget")}, ""
    except KeyError as missing:
        raise ConfigError(f"{file}: `chosen` does not name {missing}. Make it again, or add it.") from None


def _closed(declared: Experiment, config: WorkflowConfig) -> str:
    """Why a selection made on folds may not be tested yet; empty where it may.

    Without folds of its own it would be tested on the years that the study keeps for its confirmation.
    """
    folded = config.data.walk_forward is not None and not declared.walk_forward
    if not folded or config.evaluation.confirmation == "open":
        return ""
    return (
        f"it has no folds and would be tested on the confirmation's years, from "
        f"{config.data.splits.test_start}; `confirmation: open` under `evaluation:` opens them, once "
        "everything else is done"
    )


def _and(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def _planned(
    name: str, declared: Mapping[str, Any], config: WorkflowConfig, where: str
) -> dict[str, PlannedExperiment]:
    """The experiment itself, or one for each of its folds, shares of the training dates and context lengths.

    A share of 1 adds nothing to the variant: those runs are the study's own. In folds, the study's own split
    is planned only while the confirmation is open.
    """
    planned = validate(PlannedExperiment, {**declared, "declared": name}, where)
    out = {name: planned}
    if planned.walk_forward:
        folds: dict[str, dict[str, Any]] = {
            fold_label(fold): {"fold": fold} for fold in _folds_of(planned, config, where)
        }
        opened = planned.role == "question" and config.evaluation.confirmation == "open"
        out = _each(out, folds | ({"": {"fold": None}} if opened else {}))
    if planned.recipes:
        out = _each(out, {name: {"recipe": own, "condition": name} for name, own in planned.recipes.items()})
    out = _each(out, {_share_label(share): {"train_fraction": share} for share in planned.train_fractions})
    if planned.context_lengths:
        out = _each(out, {f"ctx{bars}": {"context_length": bars} for bars in planned.context_lengths})
    return out


def _folds_of(planned: PlannedExperiment, config: WorkflowConfig, where: str) -> list[int]:
    """Numbers of the folds in which an experiment is trained."""
    folds, splits = config.data.walk_forward, config.data.splits
    if folds is None:
        raise ConfigError(f"{where}: walk-forward folds are not declared; add `walk_forward:` to `data:`.")
    if planned.role == "base_models":
        if folds.first_test >= splits.validation_start:
            raise ConfigError(
                f"{where}: walk_forward.first_test {folds.first_test} must lie before validation_start "
                f"{splits.validation_start}: a meta-module learns from the folds' forecasts of earlier years."
            )
        return list(range(1, len(with_study_test(folds, splits)) + 1))
    count = len(walk_forward(folds, splits))
    if beyond := [fold for fold in planned.folds if fold > count]:
        raise ConfigError(
            f"{where}: `folds:` names {beyond[0]}, and `data.walk_forward` makes {count} before the study's "
            "own test."
        )
    return sorted(set(planned.folds)) or list(range(1, count + 1))


def _share_label(share: float) -> str:
    """Label of a share of the training dates, in per cent and exact: no two shares have the same."""
    return "" if share == 1 else f"frac{(100 * Decimal(repr(share))).normalize():f}"


def _each(
    experiments: Mapping[str, PlannedExperiment], changes: Mapping[str, Mapping[str, Any]]
) -> dict[str, PlannedExperiment]:
    """Every experiment with every change, whose label (if it has one) becomes part of name and variant."""
    out = {}
    for (name, experiment), (word, change) in product(experiments.items(), changes.items()):
        update = dict(change)
        if word:
            update["variant"] = word if experiment.variant == "base" else f"{experiment.variant}-{word}"
        out[f"{name}-{word}" if word else name] = experiment.model_copy(update=update)
    return out


def recipe_for(
    config: WorkflowConfig, experiment: Experiment, where: str = "experiment", model: ModelFile | None = None,
    base: RecipeFile | None = None,
) -> Recipe:  # fmt: skip
    """The study's training recipe; over it the fields of the recipe file that the experiment names (`base`),
    the model's own, and over these the experiment's."""
    named, own = base.training if base else {}, model.training if model else {}
    merged = config.training.recipe().model_dump() | named | own | experiment.training
    return validate(Recipe, merged, f"{where}, section training")
