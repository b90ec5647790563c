"""Searches as they are planned: seeds of their own, dealt to the runs, shared by a transfer."""

import json
from datetime import date

import pytest
import yaml

from lib.errors import ConfigError
from lib.study.cost import forecast
from lib.study.jobs import everything
from lib.study.plan import Plan
from lib.study.search_plan import trial_seed
from tests.unit.shipped import CONFIG, planned

EXPERIMENT = {
    "question": "Does it?", "datasets": ["Aa20", "Aa50"], "timescales": ["daily"], "tasks": ["direction"],
    "horizons": [5], "models": ["patchtst-mixed"], "budgets": ["20M", "200M"], "seeds": [42, 43, 44, 45, 46],
}  # fmt: skip
FOLDS = {"first_test": "2010-01-01", "test_months": 24, "validation_months": 12, "train_years": 5}


def plan(overrides: dict | None = None, **experiments: dict) -> Plan:
    own = {name: EXPERIMENT | content for name, content in experiments.items()}
    data = yaml.safe_load((CONFIG / "config.yaml").read_text())["data"] | {"walk_forward": FOLDS}
    return planned(own, data=data, overrides=overrides or {})


def declared(made: Plan, run) -> dict:
    return json.loads(made.searches.declaration(made.searches.key(run)))


def test_run_seeds_are_dealt_to_three_searches_with_seeds_of_their_own():
    made = plan(own={"tuning": "default"})
    runs = [run for run in made.runs if (run.dataset, run.budget) == ("Aa20", "20M")]
    assert [made.facts(run)["search"] for run in runs] == [1, 2, 3, 1, 2]
    assert made.specification(runs[2]).search == 3
    seeds = {declared(made, run)["specification"]["run"]["seed"] for run in runs}
    assert len(seeds) == 3
    assert not seeds & {run.seed for run in made.runs}
    assert len({made.facts(run)["searched"] for run in made.runs}) == 2 * 2 * 3, "datasets, sizes, searches"


def test_a_search_has_no_judged_seed():
    taken = {trial_seed(0, number, ()) for number in (1, 2)}
    assert not taken & {trial_seed(0, number, taken) for number in (1, 2)}
    assert trial_seed(0, 1, ()) != trial_seed(1, 1, ())


def test_a_transferred_recipe_is_searched_once_before_the_first_fold_s_test():
    made = plan(
        own={"tuning": "transfer", "walk_forward": True, "folds": [2, 3], "train_fractions": [0.5, 1.0]}
    )
    assert {run.variant for run in made.runs} == {"wf02", "wf03", "wf02-frac50", "wf03-frac50"}
    first = {made.facts(run)["searched"] for run in made.runs if run.seed == 42}
    assert first == {"base/Aa20/daily/direction/5/patchtst-mixed/2M/1"}
    found = made.searches.specification(made.searches.key(made.runs[0]))
    assert found.run["budget"] == "2M"
    assert found.architecture == made.study.architectures["2M"]
    splits = found.splits
    assert splits.train_start == date(2004, 1, 1)
    assert (splits.validation_start, splits.validation_end) == (date(2009, 1, 1), date(2011, 12, 31))
    assert splits.test_start == date(2012, 1, 1), "where fold 2, the first that is trained, is tested"
    assert (found.fold, found.train_fraction) == (None, 1.0)
    assert {made.vintage(run) for run in made.runs} == {
        made.searches.vintage(made.searches.key(made.runs[0]))
    }


def test_the_data_and_shape_of_a_search_are_planned_though_no_run_has_them():
    made = plan(own={"tuning": "transfer", "walk_forward": True, "datasets": ["Aa50"]})
    assert ("embedded-2018", "Aa20", "daily") in made.datasets
    assert json.loads(made.shapes.shape("Aa20", "daily", "patchtst-mixed", "2M"))["channels"] == 20
    assert json.loads(made.shapes.shape("Aa20", "daily", "patchtst-mixed", "200M"))["channels"] == 20


def test_a_transfer_is_checked_at_every_size_once():
    made = plan(own={"tuning": "transfer", "walk_forward": True, "datasets": ["Aa20"]})
    pending = everything(made, made.runs)
    assert [(search[-1], size) for search, size in pending.checks] == [
        ("1", "2M"),
        ("1", "20M"),
        ("1", "200M"),
    ]
    check = json.loads(made.searches.check_declaration(made.searches.key(made.runs[0]), "200M"))
    assert check["rates"] == [0.5, 1.0, 2.0]
    assert check["specification"]["run"]["budget"] == "200M"
    trials = {cost.budget: cost.trials for cost in forecast(made, pending, {})}
    assert trials == {"2M": 3 * 20 + 3, "20M": 3, "200M": 3}


def test_experiments_that_share_a_transferred_recipe_must_search_it_alike():
    shared = {"tuning": "transfer", "walk_forward": True}
    with pytest.raises(ConfigError, match=r"own and other share(.|\n)*Give other its own `variant:`"):
        plan(own=shared, other=shared | {"datasets": ["Aa100"], "n_trials": 5})
    assert plan(own=shared, other=shared | {"datasets": ["Aa100"], "n_trials": 5, "variant": "more"}).runs


def test_a_study_says_what_differs_in_its_experiments():
    made = plan(
        {"own": {"tuning": "default", "n_trials": 7, "recipe": "plan"}}, own={}, other={"variant": "v"}
    )
    assert made.searches.n_trials(made.runs[0]) == 7
    assert made.specification(made.runs[0]).recipe.max_steps == 2400
    assert made.searches.key(made.runs[-1]) is None
    with pytest.raises(ConfigError, match=r"overrides:` names owm(.|\n)*own"):
        plan({"owm": {}}, own={})
