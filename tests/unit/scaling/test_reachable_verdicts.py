"""No shipped configuration asks a question that its own design keeps from ever being answered."""

import json
from collections.abc import Mapping

import pytest

from lib.config.experiment import PlannedExperiment
from lib.config.workflow import EvaluationConfig
from lib.scaling.axes import Axis, Row, grouped
from lib.scaling.control_runs import control_outcomes
from lib.scaling.controls import undeclared_controls
from lib.scaling.folds import evidence_of
from lib.scaling.hypotheses import Hypothesis, hypotheses_of
from lib.scaling.preconditions import LEAST_SEEDS
from lib.scaling.run_index import RunIndex, StudyRuns
from lib.scaling.run_table import collect_runs
from lib.scaling.samples import PredictionFiles
from lib.scoring.calibration import MINIMUM
from lib.study.plan import Plan
from tests.unit.shipped import CONFIG, shipped

STUDIES = ("study", "study-files", "study-plan", "finding")
CONFIGURATIONS = sorted(path.stem for path in CONFIG.glob("*.yaml"))
ONE_SEED = {"config", "full-matrix", "matrix", "reduced-study"}
"""Rehearsals: with one seed each, their questions are not meant to be answered."""
_SESSIONS_PER_DAY = 252 / 365.25


@pytest.fixture(scope="module")
def plans(named_market) -> Mapping[str, Plan]:
    return {name: shipped(name, named_market) for name in CONFIGURATIONS}


def material_of(plan: Plan, phase: str | None = None) -> tuple[dict[str, PlannedExperiment], StudyRuns]:
    """A study none of whose runs is done, as its evaluation sees it."""
    scope = plan.scope(phase)
    rows = [row | {"path": f"{n}"} for n, row in enumerate(json.loads(scope.declared_runs()))]
    index = RunIndex(collect_runs(rows, lambda path: None))
    experiments = {name: plan.study.experiments[name] for name in scope.experiments}
    return experiments, StudyRuns(index, PredictionFiles(lambda path, split: None), EvaluationConfig())


def controls_of(experiments: Mapping[str, PlannedExperiment], material: StudyRuns) -> list[dict]:
    return control_outcomes(experiments, material, None)


def curves_asked(experiments, material) -> list[tuple[Hypothesis, Axis, list[Row]]]:
    return [
        (one, axis, own)
        for one in hypotheses_of(experiments, material.index)
        for axis in one.judged
        for own in grouped(axis, one.rows).values()
    ]


def obstacles(axis: Axis, rows: list[Row], controls: list[dict], plan: Plan) -> set[str]:
    """What keeps a curve from a verdict, however well its runs turn out."""
    found, rows = set(), evidence_of(rows)
    points = axis.points(rows)
    seeds = {label: {r["seed"] for r in rows if axis.point(r) == label} for label in points}
    folds = {label: {r["fold"] for r in rows if axis.point(r) == label} for label in points}
    if min(map(len, seeds.values())) < LEAST_SEEDS or len({frozenset(own) for own in seeds.values()}) > 1:
        found.add("seeds")
    if len({frozenset(own) for own in folds.values()}) > 1:
        found.add("folds")
    if undeclared_controls(controls, str(rows[0]["model"]), points if axis.name == "parameters" else ()):
        found.add("controls")
    if any(calibration_days(plan, row) < MINIMUM for row in rows):
        found.add("calibration")
    return found


def calibration_days(plan: Plan, row: Row) -> float:
    """Sessions of the calibration part whose label ends in time, as far as a calendar can tell."""
    run = plan.run({name: str(row[name]) for name in (
        "variant", "dataset", "timescale", "task", "horizon", "model", "budget", "seed"
    )})  # fmt: skip
    splits = plan.specification(run).splits
    days = (splits.validation_end - splits.validation_start).days * (1 - splits.selection_share)
    return (days - splits.embargo_days) * _SESSIONS_PER_DAY - int(row["horizon"])


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_whatever_a_configuration_asks_can_be_answered_or_is_known_to_be_a_rehearsal(name, plans):
    plan = plans[name]
    experiments, material = material_of(plan)
    controls = controls_of(experiments, material)
    curves = curves_asked(experiments, material)
    found = [obstacles(axis, rows, controls, plan) for _, axis, rows in curves]
    if name in ONE_SEED:
        assert found
        assert all("seeds" in own for own in found)
    else:
        assert not [
            (one.name, axis.name, own) for (one, axis, _), own in zip(curves, found, strict=True) if own
        ]
    assert bool(curves) == (name in {*STUDIES, *ONE_SEED})


@pytest.mark.parametrize("role", ["null_control", "leak_control", "positive_control", "law_control"])
def test_a_study_that_lacks_a_control_is_seen_to_lack_it(role, plans):
    experiments, material = material_of(plans["study"])
    kept = {name: one for name, one in experiments.items() if one.role != role}
    controls = controls_of(kept, material)
    curves = curves_asked(experiments, material)
    lacking = [obstacles(axis, rows, controls, plans["study"]) for _, axis, rows in curves]
    sized = [own for own, (_, axis, _) in zip(lacking, curves, strict=True) if axis.name == "parameters"]
    assert sized
    assert all(own == {"controls"} for own in sized)


@pytest.mark.parametrize("name", STUDIES)
def test_every_phase_has_the_controls_that_its_own_report_needs(name, plans):
    plan = plans[name]
    for phase in ("phase1", "phase2", "phase3", "phase4", "phase5"):
        experiments, material = material_of(plan, phase)
        controls = controls_of(experiments, material)
        curves = curves_asked(experiments, material)
        more = name == "finding" and phase != "phase1"  # which confirms sizes alone
        assert {one.analysis for one, _, _ in curves} == {"exploratory" if more else "confirmatory"}
        assert not any(obstacles(axis, rows, controls, plan) for _, axis, rows in curves), phase
