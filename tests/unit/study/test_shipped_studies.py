"""What the shipped studies declare: phases with their names, seeds and trials, and every possible phase 6."""

import copy
import math
from functools import cache
from itertools import product
from pathlib import Path

import pytest
import yaml

from lib.config import load
from lib.config.fold_splits import walk_forward
from lib.errors import ConfigError
from lib.study import plan as planning
from lib.study.plan import Plan
from lib.study.preregistration import confirmatory_contrasts
from tests.benchmarks.statistics import DESIGN, DIRECTION
from tests.unit.shipped import CONFIG, configuration, shipped

IDS = {
    "phase1": {"P1-2M": ("Aa50", "2M"), "P1-20M": ("Aa50", "20M"), "P1-200M": ("Aa50", "200M")},
    "phase2": {f"P2-{tier}": (f"Aa{tier}", "20M") for tier in (20, 50, 100, 200, 500, 1000, 2000)},
    "phase3": {f"P3-{row}": (f"{row}a100", "20M") for row in "ABCDE"},
    "phase4": {f"P4-{column}": (f"A{column}100", "20M") for column in "abcd"},
    "phase5": {
        "P5-1": ("Aa20", "2M"),
        "P5-2": ("Aa20", "200M"),
        "P5-3": ("Aa500", "2M"),
        "P5-4": ("Aa500", "200M"),
        "P5-5": ("Ea100", "2M"),
        "P5-6": ("Ea100", "200M"),
        "P5-7": ("Ed500", "20M"),
        "P5-8": ("Ed500", "200M"),
    },
}
TRIALS = {"phase1": 50, "phase2": 50, "phase3": 50, "phase4": 50, "phase5": 30}
CONFIGURATIONS = sorted(path.stem for path in CONFIG.glob("*.yaml"))
STUDIES = ("study", "study-files", "study-plan")


@pytest.fixture
def read_once(monkeypatch) -> None:
    """Every YAML file is parsed once: a hundred plans take seconds instead of minutes."""
    read = cache(load.read_yaml)
    for module in (load, planning):
        monkeypatch.setattr(module, "read_yaml", lambda path: copy.deepcopy(read(path)))


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_every_shipped_configuration_can_be_planned(name, named_market):
    assert shipped(name, named_market).runs


@pytest.mark.parametrize("name", STUDIES)
def test_phases_one_to_five_are_what_was_planned(name, named_market):
    plan = shipped(name, named_market)
    assert set(plan.ids) == {title for ids in IDS.values() for title in ids}
    for phase, ids in IDS.items():
        for title, (dataset, budget) in ids.items():
            runs = plan.ids[title]
            assert {(run.dataset, run.budget) for run in runs} == {(dataset, budget)}, title
            assert {plan.facts(run)["condition"] for run in runs} == {"base"}
            assert {(run.timescale, run.task, run.horizon, run.model) for run in runs} == {
                ("daily", "direction", 5, "patchtst-mixed")
            }
            assert len({run.seed for run in runs}) >= 5
            trials = TRIALS[phase] if name == "study-plan" else 20
            assert {plan.searches.n_trials(run) for run in runs} == {trials}, title
            assert {plan.searches.number(run) for run in runs} == {1, 2, 3}
            assert set(runs) <= set(plan.scope(phase).runs)
    assert list(plan.study.waiting) == ["p6_expansion"]


@pytest.mark.parametrize("name", ["study", "study-files"])
def test_the_study_has_one_recipe_per_task_and_model_and_three_searches_for_each(name, named_market):
    plan = shipped(name, named_market)
    searches: dict[tuple[str, int, str], set[str]] = {}
    for run in plan.runs:
        if plan.specification(run).role == "question" and run.budget != "none":
            facts = plan.facts(run)
            searches.setdefault((run.task, run.horizon, run.model), set()).add(facts["searched"])
    assert searches
    assert {len(own) for own in searches.values()} == {3}
    for key in set().union(*searches.values()):
        assert key.split("/")[:2] == ["base", "Aa20"]
        assert key.split("/")[6] == "2M"


@pytest.mark.parametrize("name", STUDIES)
def test_what_gain_matters_depends_on_what_is_forecast_alone(name, named_market):
    """Each task and horizon has one margin, whichever phase or ablation asks about it."""
    margins: dict[tuple[str, int], set[float]] = {}
    for experiment in shipped(name, named_market).study.experiments.values():
        if experiment.role == "question":
            for problem in product(experiment.tasks, experiment.horizons):
                margins.setdefault(problem, set()).add(experiment.margin)
    assert margins == {("direction", 5): {0.005}, ("threshold_1pct", 1): {0.01}}


def questions_of(plan: Plan) -> set[tuple]:
    """What the phases and their controls ask and by which rule, whatever their recipe and searches."""
    return {
        (run.label(), plan.facts(run)["fold"], one.declared, one.role, one.analysis, one.margin, one.question)
        for name, one in plan.study.experiments.items()
        if not name.startswith("ablation_")
        for run in plan.grids[name]
    }


def test_the_plan_s_own_searches_are_asked_what_the_study_asks(named_market):
    """So that what is seen of the study's verdicts on known worlds is seen of theirs, too."""
    study, own = shipped("study", named_market), shipped("study-plan", named_market)
    assert questions_of(own) == questions_of(study)
    assert own.config.evaluation == study.config.evaluation
    assert own.config.data == study.config.data


def test_the_plan_s_recipe_is_what_was_planned(named_market):
    plan = shipped("study-plan", named_market)
    found = plan.specification(plan.ids["P1-20M"][0])
    assert (found.recipe.learning_rate, found.recipe.weight_decay) == (1e-4, 1e-5)
    assert (found.recipe.schedule, found.recipe.max_steps, found.recipe.patience_steps) == (
        "cosine",
        2400,
        240,
    )
    assert found.architecture.dropout == 0.5
    assert found.settings["dropout_at"] == "everywhere"
    assert found.settings["normalisation"] == "revin"
    baseline = next(run for run in plan.runs if run.model == "logistic")
    assert plan.specification(baseline).recipe.max_steps == plan.config.training.max_steps


@pytest.mark.parametrize("name", ["study", "study-files", "study-plan", "finding"])
def test_controls_of_sizes_train_by_the_recipe_that_is_judged(name, named_market):
    plan = shipped(name, named_market)
    judged = [run for run in plan.runs if plan.facts(run)["experiment"] == "p1_parameters"]
    searches = {(run.budget, plan.facts(run)["searched"]) for run in judged}
    for control in ("control_null_sizes", "control_leak_sizes", "control_positive_study"):
        runs = [run for run in plan.runs if plan.facts(run)["experiment"] == control]
        assert {run.budget for run in runs} == {"2M", "20M", "200M"}
        for run in runs:
            key = plan.searches.key(run)
            if name == "finding":  # which searches nothing
                assert key is None
                assert plan.specification(run).recipe == plan.specification(judged[0]).recipe
                continue
            assert key is not None
            if control == "control_null_sizes":
                assert (run.budget, "/".join(key.values())) in searches
            searched = plan.searches.specification(key)
            assert (searched.labels, searched.planted) == ("true", "none")
            assert searched.condition == key["variant"] == searched.run["variant"]
            assert searched.recipe == plan.specification(run).recipe


def test_the_ablation_trains_each_recipe_before_the_first_fold_s_test(named_market):
    plan, study = shipped("ablation", named_market), shipped("study", named_market)
    first = walk_forward(study.config.data.walk_forward, study.config.data.splits)[0].test_start
    found = {run.variant: plan.specification(run) for run in plan.runs if run.budget == "2M"}
    assert len(found) > 15
    assert len({own.to_json() for own in found.values()}) == len(found)
    assert all(own.splits.test_end < first and own.condition == name for name, own in found.items())
    assert found["dropout-0"].architecture.dropout == 0.0
    assert found["skip"].settings["skip"] is True
    assert found["patches-4"].architecture.patch_length == 4
    assert found["plan"].recipe.schedule == "cosine"
    judged = study.specification(study.ids["P1-2M"][0])
    assert found["default"].settings == judged.settings == found["base"].settings | {"skip": True}
    assert found["default"].architecture == judged.architecture == found["dropout-0"].architecture


def test_weight_decay_is_searched_where_it_acts(named_market):
    plan = shipped("study", named_market)
    space = plan.study.searches["transfer"].parameters
    rate = (space["learning_rate"].low * space["learning_rate"].high) ** 0.5
    shrunk = [
        1 - math.exp(-rate * decay * 300) for decay in (space["weight_decay"].low, space["weight_decay"].high)
    ]
    assert shrunk[0] < 0.0011
    assert 0.2 < shrunk[1] < 0.3


def test_the_full_matrix_is_every_dataset_timescale_task_and_budget(named_market):
    plan = shipped("full-matrix", named_market)
    assert len(plan.runs) == 2880
    assert {run.dataset for run in plan.runs} == {f"{row}{col}100" for row in "ABCDE" for col in "abcd"}
    assert len({(run.timescale, run.task) for run in plan.runs}) == 48
    assert {run.budget for run in plan.runs} == {"2M", "20M", "200M"}


def test_the_rehearsal_touches_every_row_column_tier_timescale_task_and_budget(named_market):
    runs = [run for run in shipped("reduced-study", named_market).runs if run.variant == "base"]
    assert {run.dataset[0] for run in runs} == set("ABCDE")
    assert {run.dataset[1] for run in runs} == set("abcd")
    assert {int(run.dataset[2:]) for run in runs} == {20, 50, 100, 200}
    assert {run.timescale for run in runs} == {
        "daily",
        "2d",
        "3d",
        "5d",
        "weekly",
        "2wk",
        "monthly",
        "multires",
    }
    assert len({run.task for run in runs}) == 6
    assert {run.budget for run in runs} >= {"2M", "20M", "200M"}


def selected(name: str, market: Path, file: Path, confirmation: str = "open", **chosen: str) -> Plan:
    """A study, in the working directory, for which this configuration was chosen."""
    content = configuration(name)
    file.write_text(yaml.safe_dump({"chosen": {"model": "patchtst-mixed", **chosen}}))
    evaluation = content["evaluation"] | {"confirmation": confirmation}
    changed = {"selection": content["selection"] | {"file": str(file)}, "evaluation": evaluation}
    return shipped(name, market, changed)


@pytest.mark.parametrize("name", STUDIES)
def test_whatever_is_selected_the_whole_study_can_be_planned(
    name, named_market, tmp_path, monkeypatch, read_once
):
    monkeypatch.chdir(tmp_path)
    candidates = {key for ids in IDS.values() for key in ids.values()}
    assert len(candidates) == 24
    for number, (dataset, budget) in enumerate(sorted(candidates)):
        plan = selected(name, named_market, Path(f"{number}.yaml"), dataset=dataset, budget=budget)
        runs = list(plan.grids["p6_expansion"])
        assert len(runs) == 240
        assert {(run.variant, run.dataset, run.budget) for run in runs} == {("expansion", dataset, budget)}
        assert len({(run.timescale, run.task) for run in runs}) == 48
        assert {plan.searches.n_trials(run) for run in runs} == {20 if name == "study-plan" else 10}
        searches = plan.scope("phase6").search_paths("{variant}/{timescale}/{task}")
        assert len([path for path in searches if path.startswith("expansion")]) == 48
        assert set(runs) <= set(plan.scope().runs)


def test_the_expansion_waits_while_the_years_that_it_is_tested_on_are_closed(
    named_market, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    plan = selected("study", named_market, Path("chosen.yaml"), "closed", dataset="Aa50", budget="2M")
    assert "would be tested on the confirmation's years" in plan.study.waiting["p6_expansion"]
    assert "p6_expansion" not in plan.grids
    with pytest.raises(ConfigError, match="`confirmation: open` under `evaluation:`"):
        plan.scope("phase6")


def test_the_expansion_may_take_all_budgets(named_market, tmp_path, monkeypatch):
    read = load.read_yaml

    def at_all_budgets(path):
        found = read(path)
        return found | {"budgets": ["2M", "20M", "200M"]} if path.stem == "p6_expansion" else found

    monkeypatch.setattr(load, "read_yaml", at_all_budgets)
    monkeypatch.chdir(tmp_path)
    plan = selected("study", named_market, Path("chosen.yaml"), dataset="Aa50", budget="2M")
    cells = {(run.timescale, run.task, run.budget) for run in plan.grids["p6_expansion"]}
    assert len(cells) == 144


def test_error_rates_and_power_are_measured_at_the_size_of_the_study(named_market):
    """`make bench-statistics` simulates the questions of size as the study asks them."""
    plan = shipped("study-files", named_market)
    for name, world in (("p1_parameters_touch", DESIGN), ("p1_parameters", DIRECTION)):
        folds = [one for one in plan.study.experiments.values() if one.declared == name]
        first = folds[0]
        assert (first.margin, first.horizons, len(first.seeds), len(folds)) == (
            world.margin, [world.horizon], world.seeds, world.folds,
        )  # fmt: skip
        assert world.days == pytest.approx(world.folds * 2 * 251, rel=0.01)
        assert world.contrasts == confirmatory_contrasts(plan)
