"""Does what holds on the test period hold in other years? Folds one by one, and all their dates together.

The test parts of the folds follow each other, so together they are one long test set on which every forecast
comes from a model that had seen nothing of it. Differences are paired by date and pooled over all folds;
noise between seeds is that of the seeds' pooled losses. Reads no files.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise, product
from typing import Any

import numpy as np

from lib.config.base import BUDGET_PARAMETERS
from lib.config.experiment import Experiment
from lib.config.runs import NO_BUDGET
from lib.evaluation import describe
from lib.evaluation.axes import Row, fold_of, without_fold
from lib.evaluation.cells import estimate_loss
from lib.evaluation.comparisons import DateLosses, Estimate, compare_losses, holm_confidences
from lib.evaluation.material import PROBLEM, Material, problem_of
from lib.evaluation.measures import primary_metric
from lib.evaluation.samples import align

Group = tuple[str, str]
"""Model and budget."""


@dataclass(frozen=True)
class Fold:
    """One fold's test part: losses of every model by date, each run under its seed."""

    number: int
    dates: np.ndarray
    losses: Mapping[Group, DateLosses]
    seeds: Mapping[Group, Sequence[int]]


def walk_forward_entries(experiments: Mapping[str, Experiment], material: Material) -> list[dict[str, Any]]:
    """One entry per prediction problem that was asked in folds, in order of declaration."""
    problems: dict[tuple[Any, ...], list[Row]] = {}
    questions: dict[tuple[Any, ...], str] = {}
    for experiment in experiments.values():
        if experiment.role != "question" or fold_of(experiment.variant) is None:
            continue
        for row in material.index.of_experiment(experiment):
            problem = (without_fold(row["variant"]), *problem_of(row)[1:])
            questions.setdefault(problem, experiment.question)
            problems.setdefault(problem, []).append(row)
    return [_entry(problem, questions[problem], rows, material) for problem, rows in problems.items()]


def contrasts_of(groups: Sequence[Group]) -> list[tuple[Group, Group]]:
    """Pairs that are compared, the first minus the second: the largest size and the smallest of a model, and
    every sized model with every opponent that has no size."""
    sized = sorted({g for g in groups if g[1] != NO_BUDGET}, key=lambda g: (g[0], BUDGET_PARAMETERS[g[1]]))
    opponents = [group for group in dict.fromkeys(groups) if group[1] == NO_BUDGET]
    pairs = []
    for model in dict.fromkeys(model for model, _ in sized):
        own = [group for group in sized if group[0] == model]
        if len(own) > 1:
            pairs.append((own[-1], own[0]))
    return pairs + list(product(sized, opponents))


def _entry(
    problem: tuple[Any, ...], question: str, rows: Sequence[Row], material: Material
) -> dict[str, Any]:
    words = dict(zip(PROBLEM, problem, strict=True))
    numbers = sorted({fold_of(row["variant"]) or 0 for row in rows})
    found = [_fold(number, rows, words, material) for number in numbers]
    folds = [fold for fold in found if fold is not None]
    groups = list(dict.fromkeys((str(row["model"]), str(row["budget"])) for row in rows))
    horizon, cfg = int(words["horizon"]), material.cfg
    pooled = [(pair, *_pooled(*pair, folds, horizon)) for pair in contrasts_of(groups)]
    p_values = [estimate.p_value() if estimate else 1.0 for _, estimate, _ in pooled]
    levels = holm_confidences(p_values, cfg.confidence)
    return {
        "question": question,
        "cell": words,
        "label": describe.label_of(words | {"model": "*", "budget": "*"}),
        "metric": primary_metric(words["task"]),
        "declared_folds": len(numbers),
        "folds": [_described(fold, horizon, cfg.confidence) for fold in folds],
        "pooled": [
            {
                "model": pair[0][0],
                "budget": pair[0][1],
                "against_model": pair[1][0],
                "against_budget": pair[1][1],
                "difference": describe.described(estimate, cfg.confidence, level),
                "detectable": estimate.detectable(level, cfg.power) if estimate else None,
                **facts,
            }
            for (pair, estimate, facts), level in zip(pooled, levels, strict=True)
        ],
        "family": {"size": len(pooled), "method": "Holm", "what": "pooled differences of this problem"},
    }


def _fold(number: int, rows: Sequence[Row], words: Mapping[str, Any], material: Material) -> Fold | None:
    """The usable runs of one fold on the test samples that all of them hold."""
    runs = material.usable([row for row in rows if fold_of(row["variant"]) == number])
    if not runs:
        return None
    where = f"fold {number} of {'/'.join(map(str, words.values()))}"
    aligned, noticed = align([samples for _, samples in runs], str(words["task"]), where)
    for kind, text in noticed:
        material.notice(kind, where, text)
    if aligned is None:
        return None
    positions: dict[Group, list[int]] = {}
    for position, (row, _) in enumerate(runs):
        positions.setdefault((str(row["model"]), str(row["budget"])), []).append(position)
    return Fold(
        number,
        aligned.dates,
        {group: aligned.losses(own) for group, own in positions.items()},
        {group: [int(runs[i][0]["seed"]) for i in own] for group, own in positions.items()},
    )


def _pooled(
    first: Group, second: Group, folds: Sequence[Fold], horizon: int
) -> tuple[Estimate | None, dict[str, Any]]:
    """Mean loss of the first minus that of the second over all dates, and in how many folds it is lower."""
    used = [fold for fold in folds if first in fold.losses and second in fold.losses]
    facts = {"folds": len(used), "dates": int(sum(fold.dates.size for fold in used)), "better_folds": None}
    mine, other = _over_all(first, used), _over_all(second, used)
    if mine is None or other is None:
        return None, facts
    ends = np.cumsum([0, *(fold.dates.size for fold in used)])
    by_date = mine.sums.mean(axis=0) - other.sums.mean(axis=0)
    better = [by_date[begin:end].sum() < 0 for begin, end in pairwise(ends)]
    return compare_losses(mine, other, horizon), facts | {"better_folds": int(sum(better))}


def _over_all(group: Group, folds: Sequence[Fold]) -> DateLosses | None:
    """Losses of the seeds that every fold has, on the dates of all folds; None without such a seed."""
    common = (
        [s for s in folds[0].seeds[group] if all(s in fold.seeds[group] for fold in folds)] if folds else []
    )
    if not common:
        return None
    sums = [fold.losses[group].sums[[fold.seeds[group].index(s) for s in common]] for fold in folds]
    return DateLosses(
        np.concatenate(sums, axis=1), np.concatenate([fold.losses[group].counts for fold in folds])
    )


def _described(fold: Fold, horizon: int, confidence: float) -> dict[str, Any]:
    """One line per model, and one per comparison, on the test dates of a fold."""
    lines = []
    for (model, budget), losses in fold.losses.items():
        found = describe.described(estimate_loss(losses, horizon), confidence)
        seeds = len(fold.seeds[model, budget])
        lines.append({"model": model, "budget": budget, "seeds": seeds, "loss": found})
    differences = [
        {
            "model": first[0],
            "budget": first[1],
            "against_model": second[0],
            "against_budget": second[1],
            "difference": describe.described(
                compare_losses(fold.losses[first], fold.losses[second], horizon), confidence
            ),
        }
        for first, second in contrasts_of(list(fold.losses))
    ]
    return {
        "fold": fold.number,
        "first": str(fold.dates[0]),
        "last": str(fold.dates[-1]),
        "dates": int(fold.dates.size),
        "models": lines,
        "differences": differences,
    }
