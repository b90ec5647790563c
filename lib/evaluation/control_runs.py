"""The controls among the runs of a study: found, measured and judged by `controls`; which failed or are
lacking.

Those of laws are measured in `law_controls`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import replace
from typing import Any

from lib.config.experiment import PlannedExperiment
from lib.config.runs import NO_BUDGET
from lib.evaluation.axes import AXES, Row
from lib.evaluation.cells import estimate_auc, measure_cell
from lib.evaluation.comparisons import Estimate
from lib.evaluation.controls import (
    NULL_LEVEL,
    ControlResult,
    leak_control,
    null_control,
    positive_control,
)
from lib.evaluation.material import PROBLEM, Material, Problem, problems_of
from lib.evaluation.samples import align
from lib.evaluation.standing import LEAST_SEEDS

PlantedAuc = Callable[[str, str, str, int], float | None]
"""Given experiment, timescale, task and horizon, the best AUC its synthetic market allows, if known."""
TAINTS_ALL = ("null_control", "law_control")
"""If one of these fails, intervals or verdicts are wrong, whatever model they are about."""
_BLIND = "naive"
"""Family of forecasts that look at nothing; they cannot find a planted signal and are not meant to."""


def control_entries(
    name: str, experiment: PlannedExperiment, material: Material, planted_auc: PlantedAuc | None
) -> list[dict[str, Any]]:
    """Outcome of each control of an experiment: one entry per problem, model and budget, over all seeds."""
    entries = []
    for problem in problems_of(experiment):
        planted = None
        if experiment.role == "positive_control" and planted_auc is not None:
            planted = planted_auc(name, problem[2], problem[3], problem[4])
        for model in experiment.models:
            sizes = _sizes(problem, model, experiment, material)
            false_gain = _false_gain(sizes, experiment, material)
            groups = list(_groups(problem, model, experiment, material))
            for number, (budget, rows) in enumerate(groups, start=1):
                last = number == len(groups)
                result = _judge(rows, problem, experiment, material, planted, false_gain if last else None)
                entry: dict[str, Any] = {"experiment": name, "role": experiment.role}
                entry |= dict(zip(PROBLEM, problem, strict=True))
                entry["compares_sizes"] = bool(sizes)
                entries.append(entry | described_control(model, budget, planted, result))
    return entries


def failed_controls(entries: Sequence[Mapping[str, Any]], model: str) -> list[str]:
    """The failed controls that concern a model: every null and law control, its own leak and positive ones.

    A wrong interval or verdict taints everything; a planted signal that another model missed says nothing
    about this one.
    """
    return [
        f"{entry['experiment']}, {entry['model']} {entry['budget']}: {entry['reason'].rstrip('.')}"
        for entry in entries
        if not entry["passed"] and (entry["role"] in TAINTS_ALL or entry["model"] == model)
    ]


def undeclared_controls(
    entries: Sequence[Mapping[str, Any]], model: str, budgets: Sequence[str] = ()
) -> list[str]:
    """The controls that a study lacks for answers about a model, in words.

    Args:
        entries: outcomes of the controls that are declared.
        model: that the answer is about.
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
    """The controls without which answers about a model are weaker, in words; empty if none is lacking.

    Args:
        model: that the answers are about.
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
    problem: Problem, model: str, experiment: PlannedExperiment, material: Material
) -> Iterator[tuple[str, list[Row]]]:
    for budget in (*experiment.budgets, NO_BUDGET):
        rows = material.index.find(problem, model, budget, experiment.seeds)
        blind = experiment.role == "positive_control" and any(row["family"] == _BLIND for row in rows)
        if rows and not blind:
            yield budget, rows


def _judge(
    rows: list[Row],
    problem: Problem,
    experiment: PlannedExperiment,
    material: Material,
    planted: float | None,
    false_gain: tuple[float, float] | None,
) -> ControlResult:
    absent = [row for row in rows if row["status"] != "done"]
    if len(absent) == len(rows):
        return ControlResult(False, "The control has not been run.", None, None, None)
    auc = _auc(rows, problem, material)
    if experiment.role == "null_control":
        return null_control(auc, false_gain)
    if experiment.role == "leak_control":
        return leak_control(
            {int(row["seed"]): bool(row["too_good"]) for row in rows if row["status"] == "done"}, auc
        )
    return positive_control(auc, planted)


def described_control(
    model: str, budget: str, planted: float | None, result: ControlResult
) -> dict[str, Any]:
    """The part of an entry that says how a control came out."""
    return {
        "model": model,
        "budget": budget,
        "auc": result.auc,
        "low": result.low,
        "high": result.high,
        "level": NULL_LEVEL,
        "planted_auc": planted,
        "required_auc": result.required_auc,
        "passed": result.passed,
        "reason": result.reason,
    }


def _auc(rows: list[Row], problem: Problem, material: Material) -> Estimate | None:
    """Test AUC over the seeds with the noise of dates alone: chance is 0.5 whatever the seeds."""
    runs = material.usable(rows)
    if not runs:
        return None
    aligned, noticed = align([samples for _, samples in runs], problem[3], str(runs[0][0]["path"]))
    for kind, text in noticed:
        material.notice(kind, str(runs[0][0]["path"]), text)
    auc = estimate_auc(aligned, range(len(runs)), problem[4]) if aligned else None
    return replace(auc, seed_noise=()) if auc else None


def _sizes(problem: Problem, model: str, experiment: PlannedExperiment, material: Material) -> list[Row]:
    """Declared runs of a null control that say whether size alone helps; empty with one size or few seeds."""
    if experiment.role != "null_control" or len(set(experiment.seeds)) < LEAST_SEEDS:
        return []
    rows = [
        row
        for budget in experiment.budgets
        for row in material.index.find(problem, model, budget, experiment.seeds)
    ]
    return rows if len({row["budget"] for row in rows}) > 1 else []


def _false_gain(
    rows: Sequence[Row], experiment: PlannedExperiment, material: Material
) -> tuple[float, float] | None:
    """A gain from size beyond the margin and beyond chance, where there is nothing to gain."""
    if not rows:
        return None
    cell = measure_cell(AXES["parameters"], rows, material)
    if cell.gain is None or cell.absent:
        return None
    low, _ = cell.gain.interval(NULL_LEVEL)
    if low is None or low <= 0 or cell.gain.value < cell.margin(experiment.margin):
        return None
    return cell.gain.value, low
