"""The folds one by one: their losses, differences, and in how many folds a model is better.

Verdicts come from all folds together (`lib.scaling.curves`, `baselines`); this is the view fold by fold,
without tests of its own. Reads no files.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

from lib.config.base import BUDGET_PARAMETERS, primary_metric
from lib.config.experiment import PlannedExperiment
from lib.config.run_key import NO_BUDGET
from lib.inference.comparisons import compare_losses
from lib.scaling import entries as describe
from lib.scaling.axes import CASE, Case, Row, case_of, in_one_line
from lib.scaling.curves import estimate_loss
from lib.scaling.folds import FoldPart, join
from lib.scaling.run_index import Group, StudyRuns, by_group


def walk_forward_entries(
    experiments: Mapping[str, PlannedExperiment], material: StudyRuns
) -> list[dict[str, Any]]:
    """One entry per case measured in folds, in order of declaration."""
    cases: dict[Case, list[Row]] = {}
    questions: dict[Case, str] = {}
    for experiment in experiments.values():
        if experiment.role != "question" or experiment.fold is None:
            continue
        for row in material.index.of_experiment(experiment):
            questions.setdefault(case_of(row), experiment.question)
            cases.setdefault(case_of(row), []).append(row)
    return [_entry(case, questions[case], rows, material) for case, rows in cases.items()]


def contrasts_of(groups: Sequence[Group]) -> list[tuple[Group, Group]]:
    """Pairs that are compared, the first minus the second: the largest size and the smallest of a model, and
    every sized model with every baseline that has no size."""
    sized = sorted({g for g in groups if g[1] != NO_BUDGET}, key=lambda g: (g[0], BUDGET_PARAMETERS[g[1]]))
    baselines = [group for group in dict.fromkeys(groups) if group[1] == NO_BUDGET]
    pairs = []
    for model in dict.fromkeys(model for model, _ in sized):
        own = [group for group in sized if group[0] == model]
        if len(own) > 1:
            pairs.append((own[-1], own[0]))
    return pairs + list(product(sized, baselines))


def _entry(case: Case, question: str, rows: Sequence[Row], material: StudyRuns) -> dict[str, Any]:
    key: dict[str, Any] = dict(zip(CASE, case, strict=True))
    groups = list(by_group(rows))
    numbers = sorted({int(row["fold"]) for row in rows})
    found = [_fold(number, groups, rows, key, material) for number in numbers]
    folds = [fold for fold in found if fold is not None]
    return {
        "question": question,
        "problem": key,
        "label": describe.label_of(key | {"model": "*", "budget": "*"}),
        "metric": primary_metric(key["task"]),
        "declared_folds": len(numbers),
        "folds": folds,
        "better": [_better(pair, folds) for pair in contrasts_of(groups)],
    }


def _fold(
    number: int, groups: Sequence[Group], rows: Sequence[Row], key: Mapping[str, Any], material: StudyRuns
) -> dict[str, Any] | None:
    """The usable runs of one fold, with all the seeds that it has."""
    own = by_group(row for row in rows if row["fold"] == number)
    declared = {group: own.get(group, []) for group in groups}
    joined = join(declared, material, str(key["task"]), in_one_line(key))
    return None if joined is None else _described(joined.parts[0], int(key["horizon"]), material)


def _better(pair: tuple[Group, Group], folds: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """In how many of the folds that have both the first has the lower loss."""
    key = _named(pair)
    found = [
        line["difference"]["estimate"]
        for fold in folds
        for line in fold["differences"]
        if all(line[name] == column for name, column in key.items())
    ]
    return key | {"folds": len(found), "better_folds": sum(value < 0 for value in found)}


def _named(pair: tuple[Group, Group]) -> dict[str, Any]:
    (model, budget), (against_model, against_budget) = pair
    against = {"against_model": against_model, "against_budget": against_budget}
    return {"model": model, "budget": budget, **against}


def _described(fold: FoldPart[Group], horizon: int, material: StudyRuns) -> dict[str, Any]:
    """One line per model, and one per comparison, on the test dates of a fold."""
    confidence, dates = material.cfg.confidence, fold.aligned.dates
    losses = {group: fold.aligned.losses(own) for group, own in fold.positions.items()}
    lines = [
        {
            "model": model,
            "budget": budget,
            "seeds": len(own.sums),
            "loss": describe.described(estimate_loss(own, horizon), confidence),
        }
        for (model, budget), own in losses.items()
    ]
    differences = []
    for pair in contrasts_of(list(losses)):
        difference = compare_losses(losses[pair[0]], losses[pair[1]], horizon)
        differences.append(_named(pair) | {"difference": describe.described(difference, confidence)})
    return {
        "fold": fold.fold,
        "first": str(dates[0]),
        "last": str(dates[-1]),
        "dates": int(dates.size),
        "models": lines,
        "differences": differences,
    }
