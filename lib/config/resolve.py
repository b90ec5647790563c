"""Combines the declaration (experiment, model, recipe) with what was found (batch size, hyperparameters).

The result is `params.yaml` in every run's folder: everything that decided a result is explicit.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from lib.config.base import StrictModel, is_ternary
from lib.config.data import SplitConfig
from lib.config.experiment import BarrierConfig
from lib.config.fold_splits import with_study_test
from lib.config.load import Study, recipe_for
from lib.config.model import Architecture
from lib.config.run_key import NO_BUDGET, Run
from lib.config.training import Recipe
from lib.config.validation import validate


class RunSpecification(StrictModel):
    """Everything declared about a run that decides its result."""

    run: dict[str, str | int]
    experiment: str
    condition: str
    """The variant that the experiment declares; `run.variant` is a label that also says the facts below."""
    fold: int | None = None
    """Walk-forward fold, from 1; None: the study's own split."""
    role: str
    question: str
    source: str
    vintage: str
    model: str
    """Registered name, `family:name`."""
    plugin: str | None = None
    """Python file that registers the model, if it is not shipped."""
    plugin_hash: str | None = None
    """Of what stands in that file; comments do not count."""
    settings: dict[str, Any]
    architecture: Architecture | None
    recipe: Recipe
    context_length: int
    primary: str | None = None
    """Symbol on whose selection windows training stops and chooses; None: on those of all symbols."""
    train_fraction: float = 1.0
    """Share of the training dates that is learned from, the latest ones."""
    labels: str
    planted: str = "none"
    """A channel that reveals the future, in a leak control."""
    barriers: BarrierConfig | None = None
    """Of ternary labels; None for other tasks."""
    splits: SplitConfig
    tuning: str
    search: int | None = None
    """Number of the search whose recipe it is trained with, from 1; None: not searched."""

    def to_json(self) -> str:
        """Canonical text: equal specifications give equal bytes."""
        return json.dumps(self.model_dump(mode="json"), sort_keys=True)


class ResolvedRun(RunSpecification):
    """A specification with what was found for it."""

    micro_batch: int | None = None
    precision: str | None = None
    compiled: bool | None = None
    hpo: dict[str, Any] | None = None

    def fingerprint(self, *input_hashes: str) -> str:
        """Identity of the training state, without what only the machine chose.

        A state directory keeps the machine's choice it was started with, so another machine or a newer
        batch-size discovery continues a run instead of starting it afresh.
        """
        content = self.model_dump(mode="json", exclude={"micro_batch", "precision", "compiled"})
        text = json.dumps([content, *input_hashes], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()


def data_identity(study: Study, experiment: str) -> tuple[str, str]:
    """Source and vintage that an experiment uses."""
    own = study.experiments[experiment].data
    return (own.source, own.vintage) if own else (study.config.data.source, study.config.data.vintage)


def specify(study: Study, run: Run, experiment_name: str) -> RunSpecification:
    """The declaration of one run of an experiment."""
    experiment = study.experiments[experiment_name]
    source, vintage = data_identity(study, experiment_name)
    model = study.models[run.model]
    splits = (experiment.data and experiment.data.splits) or study.config.data.splits
    if experiment.fold is not None and study.config.data.walk_forward is not None:
        splits = with_study_test(study.config.data.walk_forward, splits)[experiment.fold - 1]
    named = study.recipe_of(experiment)
    architecture = None if run.budget == NO_BUDGET else study.architectures[run.budget]
    if architecture and named and named.architecture:
        where = f"experiment {experiment_name}, architecture of its recipe"
        architecture = validate(Architecture, architecture.model_dump() | named.architecture, where)
    return RunSpecification(
        run=run.fields(),
        experiment=experiment_name,
        condition=experiment.condition,
        fold=experiment.fold,
        role=experiment.role,
        question=experiment.question,
        source=source,
        vintage=vintage,
        model=model.model,
        plugin=model.plugin,
        settings=model.settings | (named.settings if named and architecture else {}),
        architecture=architecture,
        recipe=recipe_for(study.config, experiment, model=model, base=named),
        context_length=1
        if experiment.meta
        else experiment.context_length or study.config.context_length[run.timescale],  # type: ignore[index]
        train_fraction=experiment.train_fraction,
        labels=experiment.labels,
        planted=experiment.planted,
        barriers=(experiment.barriers or BarrierConfig()) if is_ternary(run.task) else None,
        splits=splits,
        tuning=experiment.tuning if run.budget != NO_BUDGET or model.search else "none",
    )


ARCHITECTURE = "architecture"
"""Parameter of a search whose value is the label of an architecture."""


def apply_parameters(specification: RunSpecification, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Put found hyperparameters in their places: recipe, architecture, context length or settings.

    Returns:
        The specification as a plain mapping, ready to be validated again.
    """
    content = specification.model_dump()
    for name, value in parameters.items():
        if name == ARCHITECTURE:
            content["architecture"] |= Architecture.size_of(value)
        elif name in Recipe.model_fields:
            content["recipe"][name] = value
        elif content["architecture"] is not None and name in Architecture.model_fields:
            content["architecture"][name] = value
        elif name == "context_length":
            content["context_length"] = value
        else:
            content["settings"][name] = value
    return content


def resolve(
    specification: RunSpecification,
    batch_size: Mapping[str, Any] | None = None,
    best: Mapping[str, Any] | None = None,
    precision: str = "auto",
) -> ResolvedRun:
    """Merge the declaration with a found batch size and the best trial of a search.

    Args:
        specification: what was declared.
        batch_size: content of a batch-size file, or None for models without one.
        best: content of a best.json, or None with `tuning: none`.
        precision: as the study declares it; `auto` takes the one that its batch sizes were found in.
    """
    content = apply_parameters(specification, best["parameters"] if best else {})
    if batch_size:
        sizes = [int(batch_size["micro_batch"]), content["recipe"]["effective_batch"]]
        if best and best.get("micro_batch"):  # the shape that was found needs more memory than the declared
            sizes.append(int(best["micro_batch"]))
        content["micro_batch"] = min(sizes)
        content["precision"] = batch_size["precision"] if precision == "auto" else precision
        content["compiled"] = batch_size.get("compile", False)
    if best:
        content["hpo"] = {
            "best_value": best["best_value"],
            "n_trials": best["n_trials"],
            "parameters": best["parameters"],
        }
    return validate(ResolvedRun, content, "resolved parameters")
