"""The controls among the runs of a study: finds and measures them, and lets `controls` judge."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

from lib.config.experiment import PlannedExperiment
from lib.config.run_key import NO_BUDGET
from lib.inference.comparisons import Estimate
from lib.scaling.axes import AXES, Row
from lib.scaling.circular_shifts import shifted_auc
from lib.scaling.controls import (
    NULL_LEVEL,
    ControlResult,
    law_control,
    leak_control,
    null_control,
    null_level,
    positive_control,
)
from lib.scaling.curves import estimate_auc, measure_curve
from lib.scaling.folds import evidence_of, join
from lib.scaling.preconditions import LEAST_SEEDS
from lib.scaling.questions import verdict_of
from lib.scaling.run_index import PROBLEM, Problem, StudyRuns, problems_of
from lib.scaling.samples import Aligned

PlantedAuc = Callable[[str, str, str, int], float | None]
"""Given experiment, timescale, task and horizon, the best AUC its synthetic market allows, if known."""
AucEstimate = Callable[[Aligned, Sequence[int], int], Estimate | None]
_NOT_RUN = ControlResult(False, "The control has not been run.")
_BLIND = "naive"
"""Model family whose forecasts read no channel; it cannot find a planted signal and is not meant to."""


def control_outcomes(
    experiments: Mapping[str, PlannedExperiment], material: StudyRuns, planted_auc: PlantedAuc | None
) -> list[dict[str, Any]]:
    """Outcomes of all controls: the null controls first, which are judged together, then one by one."""
    nulls = {name: one for name, one in experiments.items() if one.role == "null_control"}
    entries = null_entries(nulls, material)
    for name, experiment in experiments.items():
        if experiment.role == "law_control":
            entries += _law_entries(name, experiment, material)
        elif experiment.role in ("leak_control", "positive_control"):
            entries += _control_entries(name, experiment, material, planted_auc)
    return entries


@dataclass(frozen=True)
class _Null:
    """One null control, problem and model."""

    name: str
    margin: float
    problem: Problem
    model: str
    sizes: dict[str, list[Row]]
    """Rows of each budget."""
    compares_sizes: bool
    """Whether it also shows that size alone does not help."""


def null_entries(experiments: Mapping[str, PlannedExperiment], material: StudyRuns) -> list[dict[str, Any]]:
    """Outcome of each null control: one entry per problem, model and budget, over all folds and seeds.

    All their intervals hold jointly at 99.9 %, however many there are, so that more sizes or models do not
    make a sound study more likely to fail.

    Args:
        experiments: of role null_control; folds of the same declared experiment are judged together.
        material: runs, predictions and settings.
    """
    nulls = [one for name, parts in _folded(experiments) for one in _nulls(name, parts, material)]
    level = null_level(sum(len(one.sizes) + one.compares_sizes for one in nulls))
    entries = []
    for one in nulls:
        false_gain, last = _false_gain(one, level, material), list(one.sizes)[-1]
        for budget, rows in one.sizes.items():
            result = _NOT_RUN
            if _any_done(rows):
                auc = _auc(rows, one.problem, material, shifted_auc)
                result = null_control(auc, level, false_gain if budget == last else None)
            entry = _entry(one.name, "null_control", one.problem, one.model, budget, result)
            folds = sorted({row["fold"] for row in rows if row["fold"] is not None})
            entries.append(entry | {"folds": folds, "compares_sizes": one.compares_sizes, "level": level})
    return entries


def _folded(experiments: Mapping[str, PlannedExperiment]) -> list[tuple[str, list[PlannedExperiment]]]:
    """The folds of each declared experiment, separately for each share of the dates and window length."""
    found: dict[tuple[str, float, int | None], list[PlannedExperiment]] = {}
    for name, one in experiments.items():
        key = (one.declared or name, one.train_fraction, one.context_length)
        found.setdefault(key, []).append(one)
    return [(name, parts) for (name, *_), parts in found.items()]


def _nulls(name: str, parts: Sequence[PlannedExperiment], material: StudyRuns) -> Iterator[_Null]:
    first = parts[0]
    for problems in zip(*map(problems_of, parts), strict=True):
        problem = (first.condition, *problems[0][1:])
        for model in first.models:
            every: dict[str, list[Row]] = {}
            for own in problems:
                for budget, rows in _by_budget(own, model, first, material):
                    every.setdefault(budget, []).extend(rows)
            sizes = {budget: evidence_of(rows) for budget, rows in every.items()}
            several = len(sizes) > 1 and len(set(first.seeds)) >= LEAST_SEEDS
            if sizes:
                yield _Null(name, first.margin, problem, model, sizes, several)


def _control_entries(
    name: str, experiment: PlannedExperiment, material: StudyRuns, planted_auc: PlantedAuc | None
) -> list[dict[str, Any]]:
    """Outcome of each leak or positive control of an experiment: one entry per problem, model and budget,
    over all seeds."""
    entries = []
    for problem in problems_of(experiment):
        planted = None
        if experiment.role == "positive_control" and planted_auc is not None:
            planted = planted_auc(name, problem[2], problem[3], problem[4])
        for model in experiment.models:
            for budget, rows in _by_budget(problem, model, experiment, material):
                result = _judge(rows, problem, experiment.role, material, planted)
                entry = _entry(name, experiment.role, problem, model, budget, result)
                entry["folds"] = [] if experiment.fold is None else [experiment.fold]
                entries.append(entry | {"planted_auc": planted})
    return entries


def _law_entries(name: str, experiment: PlannedExperiment, material: StudyRuns) -> list[dict[str, Any]]:
    """Outcome of a law control: one entry per problem and model, over all sizes and seeds.

    It takes the whole path of a question, from dataset to verdict, except for the network: see
    `reference:oracle`.
    """
    entries = []
    for problem, model in product(problems_of(experiment), experiment.models):
        rows = [row for _, own in _by_budget(problem, model, experiment, material) for row in own]
        result, verdict = _NOT_RUN, None
        if _any_done(rows):
            curve = measure_curve(AXES["parameters"], rows, material)
            decision = verdict_of(curve, experiment.margin, material)
            verdict = decision.verdict
            result = law_control(str(experiment.expects), verdict, decision.reason)
        if rows:
            entry = _entry(name, experiment.role, problem, model, "*", result)
            entries.append(entry | {"expects": experiment.expects, "verdict": verdict})
    return entries


def _by_budget(
    problem: Problem, model: str, experiment: PlannedExperiment, material: StudyRuns
) -> Iterator[tuple[str, list[Row]]]:
    for budget in (*experiment.budgets, NO_BUDGET):
        rows = material.index.find(problem, model, budget, experiment.seeds)
        blind = experiment.role == "positive_control" and any(row["family"] == _BLIND for row in rows)
        if rows and not blind:
            yield budget, rows


def _any_done(rows: Sequence[Row]) -> bool:
    return any(row["status"] == "done" for row in rows)


def _judge(
    rows: list[Row], problem: Problem, role: str, material: StudyRuns, planted: float | None
) -> ControlResult:
    if not _any_done(rows):
        return _NOT_RUN
    auc = _auc(rows, problem, material)
    if role == "positive_control":
        return positive_control(auc, planted)
    alarms = {int(row["seed"]): bool(row["too_good"]) for row in rows if row["status"] == "done"}
    return leak_control(alarms, auc)


def _entry(
    name: str, role: str, problem: Problem, model: str, budget: str, result: ControlResult
) -> dict[str, Any]:
    """What scaling.json says of a control that is of no fold, compares no sizes and had nothing planted."""
    entry = {"experiment": name, "role": role, "model": model, "budget": budget} | vars(result)
    entry |= {"folds": [], "compares_sizes": False, "level": NULL_LEVEL, "planted_auc": None}
    return entry | dict(zip(PROBLEM, problem, strict=True))


def _auc(
    rows: list[Row], problem: Problem, material: StudyRuns, estimate: AucEstimate = estimate_auc
) -> Estimate | None:
    """Test AUC over folds and seeds with the noise of dates alone: chance is 0.5 whatever the seeds."""
    where = next((str(row["path"]) for row in rows if row["status"] == "done"), "")
    joined = join({"all": rows}, material, problem[3], where)
    if joined is None:
        return None
    auc = estimate(joined.aligned, joined.positions["all"], problem[4])
    return replace(auc, seed_noise=()) if auc else None


def _false_gain(null: _Null, level: float, material: StudyRuns) -> tuple[float, float] | None:
    """A gain from size beyond the margin and beyond chance, where there is nothing to learn."""
    if not null.compares_sizes:
        return None
    rows = [row for own in null.sizes.values() for row in own]
    curve = measure_curve(AXES["parameters"], rows, material)
    if curve.gain is None or curve.absent:
        return None
    low, _ = curve.gain.interval(level)
    if low is None or low <= 0 or curve.gain.value < curve.margin(null.margin):
        return None
    return curve.gain.value, low
