"""One run from its resolved parameters and a dataset table to predictions.

The steps of a training job: samples, model, fit, predictions. Knows no path but the state directory that it
is given, and no family of models.
"""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import polars as pl

from lib.config.base import is_classification, is_ternary, split_dataset
from lib.config.resolve import ResolvedRun, RunSpecification
from lib.config.validation import validate
from lib.data.io import read_json, write_json_atomic
from lib.datasets.rates import means_by_symbol, pooled_means
from lib.datasets.splits import PARTS
from lib.datasets.windows import Samples, SplitSamples, load_samples
from lib.errors import IntegrityError, ModelError
from lib.models import registry
from lib.models.contract import Model, Problem
from lib.training.context import TrainingContext, TrainingResult

MACHINE_CHOICE = "machine.json"
"""In the state directory: the micro-batch, precision, compilation and threads that a run was started with."""


@dataclass(frozen=True)
class FinishedRun:
    """Everything that a training job returns."""

    model: Model
    result: TrainingResult
    validation: pl.DataFrame
    test: pl.DataFrame
    windows: dict[str, int]
    """Samples of each part."""
    training_base_rate: float | None
    """Share of class 1 among the training targets; None for regression."""
    training_class_shares: list[float] | None
    """Share of each class among the training targets; None for regression."""
    training_shares_by_symbol: dict[str, list[float]] | None
    """The same for each symbol, see `means_by_symbol`; None for regression."""
    seconds: dict[str, float]
    """`load`, `fit`, `predict` and their sum `total`; `fit` over all invocations that led here."""


def samples_for(resolved: ResolvedRun, frame: pl.DataFrame, needed: Collection[str] = PARTS) -> SplitSamples:
    """The samples that a run is declared to see; the `needed` parts may not be empty."""
    run = resolved.run
    return load_samples(
        frame,
        run["task"],  # type: ignore[arg-type]
        int(run["horizon"]),
        resolved.context_length,
        resolved.splits,
        labels=resolved.labels,
        barriers=resolved.barriers,
        train_fraction=resolved.train_fraction,
        planted=resolved.planted,
        needed=needed,
    )


def before_test(resolved: RunSpecification, frame: pl.DataFrame) -> pl.DataFrame:
    """The dataset table as far as a search may see it: nothing from the first day of the test part on."""
    return frame.filter(pl.col("date") < resolved.splits.test_start).rechunk()


def samples_for_search(resolved: ResolvedRun, frame: pl.DataFrame) -> SplitSamples:
    """Training samples, and selection samples of the primary symbol, of what a search may see."""
    early = before_test(resolved, frame)
    return for_fitting(resolved, samples_for(resolved, early, needed=("train", "selection")))


def for_fitting(resolved: ResolvedRun, samples: SplitSamples) -> SplitSamples:
    """The same, with the selection windows of the primary symbol alone.

    That symbol is judged; to stop and choose by the others as well would give every asset row a criterion
    of its own.
    """
    return replace(samples, selection=samples.selection.of_symbol(resolved.primary))


def model_for(resolved: ResolvedRun, samples: SplitSamples) -> Model:
    """The unfitted model of a run; its budget is checked against the exact count."""
    problem = Problem(
        task=samples.train.task,
        horizon=samples.train.horizon,
        n_channels=samples.train.matrix.shape[1],
        context_length=resolved.context_length,
        channel_names=samples.train.channel_names,
        channel_mean=samples.channel_mean,
        channel_std=samples.channel_std,
        barriers=resolved.barriers,
    )
    if resolved.plugin:
        registry.add_plugin(Path(resolved.plugin))
    model_class = registry.get(resolved.model)
    if is_ternary(problem.task) and not model_class.metadata.ternary:
        raise ModelError(f"{resolved.model} cannot forecast three classes, as task {problem.task} asks.")
    given = resolved.settings
    if model_class.metadata.oracle:
        given = given | {"words": _words_of(resolved)}
    settings = validate(model_class.Settings, given, f"settings of {resolved.model}")
    model = model_class(settings, problem, resolved.architecture, resolved.recipe, int(resolved.run["seed"]))
    if resolved.architecture is not None:
        model_class.check_budget(
            resolved.settings, resolved.architecture, problem.shape, str(resolved.run["budget"])
        )
    return model


def _words_of(resolved: ResolvedRun) -> dict[str, str | int | float | None]:
    """What an oracle's law may depend on.

    Raises:
        ModelError: the data are not synthetic.
    """
    if resolved.source != "synthetic":
        raise ModelError(
            f"{resolved.model} knows the planted signal of source synthetic; source {resolved.source} has "
            "none. Use it in a law_control with `data:` of its own."
        )
    row, column, tier = split_dataset(str(resolved.run["dataset"]))
    facts = {
        name: getattr(resolved, name) for name in ("condition", "fold", "train_fraction", "context_length")
    }
    return {**resolved.run, **facts, "row": row, "column": column, "tier": tier}


def keep_machine_choice(resolved: ResolvedRun, state_dir: Path, threads: int) -> tuple[ResolvedRun, int]:
    """The micro-batch, precision and compilation a run was started with, or those it starts with now.

    Call while holding the state directory: what lies there then belongs to this very run.

    Args:
        resolved: with what was found on this machine.
        state_dir: of the run.
        threads: CPU threads it would start with now.

    Returns:
        The run, and the threads it was started with.

    Raises:
        IntegrityError: what was kept is torn, or is not all that belongs there.
    """
    path = state_dir / MACHINE_CHOICE
    names = ("micro_batch", "precision", "compiled")
    if path.is_file():
        kept = _read_choice(path, (*names, "threads"))
        return resolved.model_copy(update={name: kept[name] for name in names}), int(kept["threads"])
    write_json_atomic(path, {name: getattr(resolved, name) for name in names} | {"threads": threads})
    return resolved, threads


def _read_choice(path: Path, names: tuple[str, ...]) -> dict[str, Any]:
    content = read_json(path, dict)
    if missing := [name for name in names if name not in content]:
        raise IntegrityError(
            f"{path}: {', '.join(missing)} is not said. Delete the folder: it is trained again."
        )
    return {name: content[name] for name in names}


def train_run(resolved: ResolvedRun, frame: pl.DataFrame, context: TrainingContext) -> FinishedRun:
    """Fit the run's model and predict validation and test.

    Args:
        resolved: what to train.
        frame: the dataset table.
        context: where and how; the caller holds its state directory.
    """
    clock = [time.monotonic()]
    samples = samples_for(resolved, frame)
    model = model_for(resolved, samples)
    clock.append(time.monotonic())
    result = model.fit(samples.train, for_fitting(resolved, samples).selection, context)
    clock.append(time.monotonic())
    parts = {
        part: _predict(model, getattr(samples, part), part) for part in ("selection", "calibration", "test")
    }
    clock.append(time.monotonic())
    shares = pooled_means(samples.train) if is_classification(samples.train.task) else None
    load, _, predict = (after - before for before, after in pairwise(clock))
    fit = result.seconds  # this process may have found nearly all of it done
    return FinishedRun(
        model=model,
        result=result,
        validation=pl.concat([parts["selection"], parts["calibration"]]),
        test=parts["test"],
        windows={part: len(getattr(samples, part)) for part in ("train", "selection", "calibration", "test")},
        training_base_rate=shares[-1] if shares else None,
        training_class_shares=shares,
        training_shares_by_symbol=means_by_symbol(samples.train) if shares else None,
        seconds={"load": load, "fit": fit, "predict": predict, "total": load + fit + predict},
    )


def _predict(model: Model, samples: Samples, part: str) -> pl.DataFrame:
    return model.predict(samples).to_frame(part)
