"""The controls among the runs of a study: finds and measures them, lets `controls` judge, and lists which
failed or are missing.

Those of laws are measured in `law_controls`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import replace
from typing import Any

from lib.config.experiment import PlannedExperiment
from lib.config.run_key import NO_BUDGET
from lib.inference.comparisons import Estimate
from lib.scaling.axes import AXES, Row
from lib.scaling.circular_shifts import shifted_auc
from lib.scaling.controls import (
    NULL_LEVEL,
    ControlResult,
    leak_control,
    null_control,
    null_level,
    positive_control,
)
from lib.scaling.curves import estimate_auc, measure_curve
from lib.scaling.folds import evidence_of, join
from lib.scaling.preconditions import LEAST_SEEDS
from lib.scaling.run_index import PROBLEM, Problem, StudyRuns, problems_of
from lib.scaling.samples import Aligned

PlantedAuc = Callable[[str, str, str, int], float | None]
"""Given experiment, timescale, task and horizon, the best AUC its synthetic market allows, if known."""
TAINTS_ALL = ("null_control", "law_control")
"""If one of these fails, intervals or verdicts are wrong, whatever model they are about."""
AucEstimate = Callable[[Aligned, Sequence[int], int], Estimate | None]
_NOT_RUN = ControlResult(False, "The control has not been run.", None, None, None)
_BLIND = "naive"
"""Model family whose forecasts read no channel; it cannot find a planted signal and is not meant to."""


def null_entries(experiments: Mapping[str, PlannedExperiment], material: StudyRuns) -> list[dict[str, Any]]:
    """Outcome of each null control: one entry per problem, model and budget, over all folds and seeds.

    All their intervals hold jointly at 99.9 %, however many there are, so that more sizes or models do not
    make a sound study more likely to fail.

    Args:
        experiments: of role null_control; folds of the same declared experiment are judged together.
        material: runs, predictions and settings.
    """
    found = [one for name, parts in _folded(experiments) for one in _nulls(name, parts, material)]
    level = null_level(sum(len(groups) + bool(sizes) for _, _, _, groups, sizes in found))
    entries = []
    for name, margin, problem, groups, sizes in found:
        false_gain = _false_gain(sizes, margin, level, material)
        for number, ((model, budget), rows) in enumerate(groups.items(), start=1):
            last = number == len(groups)
            result = _judged_null(rows, problem, level, false_gain if last else None, material)
            entry = {"experiment": name, "role": "null_control"} | dict(zip(PROBLEM, problem, strict=True))
            entry["folds"] = sorted({row["fold"] for row in rows if row["fold"] is not None})
            entry["compares_sizes"] = bool(sizes)
            entries.append(entry | described_control(model, budget, None, result, level))
    return entries


Null = tuple[str, float, Problem, dict[tuple[str, str], list[Row]], list[Row]]
"""One null control, problem and model: name, margin, problem, the rows of each size, and those that show
whether size alone helps."""


def _folded(
    experiments: Mapping[str, PlannedExperiment],
) -> list[tuple[str, list[PlannedExperiment]]]:
    """The folds of each declared experiment, separately for each share of the dates and window length."""
    found: dict[tuple[str, float, int | None], list[PlannedExperiment]] = {}
    for name, one in experiments.items():
        key = (one.declared or name, one.train_fraction, one.context_length)
        found.setdefault(key, []).append(one)
    return [(name, parts) for (name, *_), parts in found.items()]


def _nulls(name: str, parts: Sequence[PlannedExperiment], material: StudyRuns) -> Iterator[Null]:
    first = parts[0]
    for problems in zip(*map(problems_of, parts), strict=True):
        problem = (first.condition, *problems[0][1:])
        for model in first.models:
            groups: dict[tuple[str, str], list[Row]] = {}
            for own in problems:
                for budget, rows in _groups(own, model, first, material):
                    groups.setdefault((model, budget), []).extend(rows)
            groups = {key: evidence_of(rows) for key, rows in groups.items()}
            rows = [row for own in groups.values() for row in own]
            several = len(groups) > 1 and len(set(first.seeds)) >= LEAST_SEEDS
            if groups:
                yield name, first.margin, problem, groups, rows if several else []


def control_entries(
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
            for budget, rows in _groups(problem, model, experiment, material):
                result = _judge(rows, problem, experiment.role, material, planted)
                entry: dict[str, Any] = {"experiment": name, "role": experiment.role}
                entry |= dict(zip(PROBLEM, problem, strict=True))
                entry["folds"] = [] if experiment.fold is None else [experiment.fold]
                entry["compares_sizes"] = False
                entries.append(entry | described_control(model, budget, planted, result))
    return entries


def control_name(entry: Mapping[str, Any]) -> str:
    """`control_null of patchtst 2M`; no size where all are judged together."""
    size = "" if entry["budget"] in ("*", NO_BUDGET) else f" {entry['budget']}"
    return f"{entry['experiment']} of {entry['model']}{size}"


def failed_controls(entries: Sequence[Mapping[str, Any]], model: str) -> list[str]:
    """The failed controls that concern a model, by name: every null and law control, its own others.

    A wrong interval or verdict invalidates everything; a planted signal that another model missed says
    nothing about this one.
    """
    return [
        control_name(entry)
        for entry in entries
        if not entry["passed"] and (entry["role"] in TAINTS_ALL or entry["model"] == model)
    ]


def undeclared_controls(
    entries: Sequence[Mapping[str, Any]], model: str, budgets: Sequence[str] = ()
) -> list[str]:
    """The controls that a study lacks for verdicts about a model, in words.

    Args:
        entries: outcomes of the controls that are declared.
        model: that the verdicts are about.
        budgets: the sizes that are compared, if any.
    """
    found: dict[str, set[str]] = {}
    compared = False
    for entry in entries:
        own = entry["model"] == model
        compared = compared or (own and bool(entry["compares_sizes"]))
        words = {str(entry["budget"])} if own else set()
        found[entry["role"]] = found.get(entry["role"], set()) | words
    verdicts = {str(entry.get("expects")) for entry in entries if entry["role"] == "law_control"}
    return lacking_controls(model, budgets, found, compared, verdicts)


def lacking_controls(
    model: str, budgets: Sequence[str], found: Mapping[str, Set[str]], compared: bool, verdicts: Set[str]
) -> list[str]:
    """The missing controls that weaken verdicts about a model, in words; empty if none is missing.

    Args:
        model: that the verdicts are about.
        budgets: the sizes that are compared; fewer than two compare none.
        found: by role of each kind of control that is declared, its budgets with this model.
        compared: whether a null control compares sizes of this model.
        verdicts: what the law controls expect.
    """
    sizes = list(budgets) if len(budgets) > 1 else []
    lacking = []
    if "null_control" not in found:
        lacking.append("no null control")
    elif sizes and not compared:
        lacking.append(f"no null control of {model} in several sizes and {LEAST_SEEDS} seeds")
    for role, word in (("leak_control", "leak"), ("positive_control", "positive")):
        own = found.get(role, set())
        if not own:
            lacking.append(f"no {word} control of {model}")
        elif missing := [budget for budget in sizes if budget not in own]:
            lacking.append(f"no {word} control of {model} at {', '.join(missing)}")
    if sizes and (unseen := [verdict for verdict in ("scales", "flat") if verdict not in verdicts]):
        lacking.append(f"no law control that expects {' or '.join(unseen)}")
    return lacking


def _groups(
    problem: Problem, model: str, experiment: PlannedExperiment, material: StudyRuns
) -> Iterator[tuple[str, list[Row]]]:
    for budget in (*experiment.budgets, NO_BUDGET):
        rows = material.index.find(problem, model, budget, experiment.seeds)
        blind = experiment.role == "positive_control" and any(row["family"] == _BLIND for row in rows)
        if rows and not blind:
            yield budget, rows


def _judged_null(
    rows: list[Row],
    problem: Problem,
    level: float,
    false_gain: tuple[float, float] | None,
    material: StudyRuns,
) -> ControlResult:
    if all(row["status"] != "done" for row in rows):
        return _NOT_RUN
    return null_control(_auc(rows, problem, material, shifted_auc), level, false_gain)


def _judge(
    rows: list[Row], problem: Problem, role: str, material: StudyRuns, planted: float | None
) -> ControlResult:
    if all(row["status"] != "done" for row in rows):
        return _NOT_RUN
    auc = _auc(rows, problem, material)
    if role == "leak_control":
        return leak_control(
            {int(row["seed"]): bool(row["too_good"]) for row in rows if row["status"] == "done"}, auc
        )
    return positive_control(auc, planted)


def described_control(
    model: str, budget: str, planted: float | None, result: ControlResult, level: float = NULL_LEVEL
) -> dict[str, Any]:
    """The part of an entry that says how a control came out."""
    return {
        "model": model,
        "budget": budget,
        "auc": result.auc,
        "low": result.low,
        "high": result.high,
        "level": level,
        "planted_auc": planted,
        "required_auc": result.required_auc,
        "passed": result.passed,
        "reason": result.reason,
    }


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


def _false_gain(
    rows: Sequence[Row], margin: float, level: float, material: StudyRuns
) -> tuple[float, float] | None:
    """A gain from size beyond the margin and beyond chance, where there is nothing to learn."""
    if not rows:
        return None
    curve = measure_curve(AXES["parameters"], rows, material)
    if curve.gain is None or curve.absent:
        return None
    low, _ = curve.gain.interval(level)
    if low is None or low <= 0 or curve.gain.value < curve.margin(margin):
        return None
    return curve.gain.value, low
