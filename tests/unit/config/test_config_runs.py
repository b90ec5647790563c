"""Experiments expand into runs; declarations and findings merge into resolved parameters."""

from pathlib import Path

import pytest

from lib.config.load import Study, load_study
from lib.config.resolve import resolve, specify
from lib.config.run_key import Run, expand
from lib.config.yaml_files import read_yaml
from lib.errors import ConfigError

CONFIG = Path(__file__).parents[3] / "config"
HAS_BUDGET = {"patchtst-mixed": True, "base_rate": False, "logistic": False, "xgboost": False}
BATCH = {"micro_batch": 16, "precision": "bf16", "compile": False}
BEST = {"parameters": {"learning_rate": 0.002, "dropout": 0.1}, "best_value": 0.6, "n_trials": 3}


@pytest.fixture
def study() -> Study:
    return load_study(read_yaml(CONFIG / "config.yaml"), CONFIG)


def first_run(study: Study) -> Run:
    return next(iter(expand({"quickstart": study.experiments["quickstart"]}, HAS_BUDGET)))


def test_the_grid_is_the_product_of_its_axes(study):
    experiment = study.experiments["quickstart"]
    runs = list(expand({"quickstart": experiment}, HAS_BUDGET))
    axes = (experiment.tasks, experiment.horizons, experiment.budgets, experiment.seeds)
    expected = 1
    for axis in axes:
        expected *= len(axis)
    assert len(runs) == len(set(runs)) == expected


def test_models_without_budgets_run_once_and_say_so(study):
    runs = expand({"b": study.experiments["quickstart_baselines"]}, HAS_BUDGET)
    assert {run.budget for run in runs} == {"none"}


def test_one_run_declared_in_two_ways_is_refused(study):
    experiment = study.experiments["quickstart"]
    other = experiment.model_copy(update={"training": {"max_steps": 1}})
    with pytest.raises(ConfigError, match="Give b its own `variant:`"):
        expand({"a": experiment, "b": other}, HAS_BUDGET)
    assert expand({"a": experiment, "b": experiment}, HAS_BUDGET)


def test_a_model_that_needs_budgets_must_be_given_some(study):
    experiment = study.experiments["quickstart"].model_copy(update={"budgets": []})
    with pytest.raises(ConfigError, match="needs `budgets:`"):
        expand({"a": experiment}, HAS_BUDGET)


def test_found_parameters_go_where_they_belong(study):
    resolved = resolve(specify(study, first_run(study), "quickstart"), BATCH, BEST)
    assert resolved.recipe.learning_rate == 0.002
    assert resolved.architecture is not None
    assert resolved.architecture.dropout == 0.1
    assert (resolved.micro_batch, resolved.precision) == (16, "bf16")
    declared = resolve(specify(study, first_run(study), "quickstart"), BATCH, BEST, "fp32")
    assert declared.precision == "fp32"  # what the study declares holds for all its runs
    assert resolved.hpo is not None


def test_the_micro_batch_never_exceeds_the_effective_batch(study):
    resolved = resolve(specify(study, first_run(study), "quickstart"), BATCH | {"micro_batch": 4096})
    assert resolved.micro_batch == resolved.recipe.effective_batch


def test_the_fingerprint_ignores_what_only_the_machine_chose(study):
    specification = specify(study, first_run(study), "quickstart")
    one = resolve(specification, BATCH)
    other_machine = resolve(specification, {"micro_batch": 4, "precision": "fp32", "compile": True})
    tuned = resolve(specification, BATCH, BEST)
    assert one.fingerprint("data") == other_machine.fingerprint("data")
    assert one.fingerprint("data") != tuned.fingerprint("data")
    assert one.fingerprint("data") != one.fingerprint("other data")


def test_a_specification_is_the_same_text_every_time(study):
    run = first_run(study)
    assert specify(study, run, "quickstart").to_json() == specify(study, run, "quickstart").to_json()
