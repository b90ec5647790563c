"""The study before it runs: searches of architectures, channel counts of rich datasets and of multires."""

import json
import shutil
from pathlib import Path

import pytest
import yaml

from lib.config.resolve import RunSpecification, apply_parameters
from lib.config.validation import validate
from lib.errors import ConfigError
from lib.scaling.axes import AXES
from lib.scaling.run_table import collect_runs
from lib.study.checks import uncontrolled_models
from lib.study.plan import Plan, plan_study
from lib.study.preregistration import declaration_hash, declared_tests

CONFIG = Path(__file__).parents[3] / "config"
EXPERIMENT = {
    "question": "Which architecture?",
    "datasets": ["Aa100"],
    "timescales": ["daily"],
    "tasks": ["direction"],
    "horizons": [5],
    "models": ["patchtst-mixed"],
    "budgets": ["2M", "20M"],
    "seeds": [42],
    "tuning": "architectural",
}


@pytest.fixture
def plan(tmp_path: Path, monkeypatch):
    shutil.copytree(CONFIG, tmp_path / "config")
    monkeypatch.chdir(tmp_path)

    def made(
        data: dict | None = None, experiments: list[str] | None = None, experiment: dict | None = None,
        study: dict | None = None, **changes,
    ) -> Plan:  # fmt: skip
        declared = EXPERIMENT | (experiment or {}) | changes
        (tmp_path / "config/experiments/own.yaml").write_text(yaml.safe_dump(declared))
        content = yaml.safe_load((CONFIG / "config.yaml").read_text())
        content |= {"experiments": experiments or ["own"]} | (study or {})
        content["data"] = content["data"] | (data or {})
        return plan_study(content, tmp_path / "config", {})

    return made


def test_a_planted_signal_is_refused_where_its_best_auc_is_not_known(plan):
    planted = {"role": "positive_control", "variant": "planted", "tuning": "none", "horizons": [1],
               "data": {"source": "synthetic", "vintage": "planted-1"}}  # fmt: skip
    assert plan(experiment=planted).runs
    with pytest.raises(ConfigError, match=r"for daily bars only, not for weekly(.|\n)*timescales: \[daily\]"):
        plan(experiment=planted | {"timescales": ["daily", "weekly"]})


def test_models_without_a_control_of_their_own_are_named(plan):
    law = "no law control that expects scales or flat"
    leak = "no leak control of patchtst-mixed"
    assert uncontrolled_models(plan().study) == {
        "patchtst-mixed": ["no null control", leak, "no positive control of patchtst-mixed", law]
    }
    sizes = "no null control of patchtst-mixed in several sizes and 3 seeds"
    quickstart = ["own", "control_null", "control_leak", "control_positive", "control_law"]
    assert uncontrolled_models(plan(experiments=quickstart).study) == {
        "patchtst-mixed": [
            sizes,
            f"{leak} at 20M",
            "no positive control of patchtst-mixed at 20M",
            "no law control that expects flat",
        ]
    }
    whole = ["own", "control_null_sizes", "control_leak_sizes", "control_positive_study", "control_law",
             "control_law_twin"]  # fmt: skip
    folds = {"walk_forward": {"first_test": "2010-01-01", "test_months": 6, "train_years": 8}}
    assert uncontrolled_models(plan(folds, experiments=whole).study) == {}
    others = plan(folds, experiments=whole, experiment={"models": ["patchtst"]})
    [other] = uncontrolled_models(others.study).items()
    assert other[0] == "patchtst"
    assert len(other[1]) == 3


def test_the_study_asks_whether_size_alone_helps():
    for name in ("study", "study-files"):
        content = yaml.safe_load((CONFIG / f"{name}.yaml").read_text())
        declared = [yaml.safe_load((CONFIG / f"experiments/{e}.yaml").read_text())
                    for e in content["experiments"]]  # fmt: skip
        [null] = [e for e in declared if e.get("role") == "null_control"]
        assert null["budgets"] == ["2M", "20M", "200M"]
        assert len(null["seeds"]) == 3


def test_a_search_of_architectures_offers_those_of_the_budget_and_the_run_gets_its_size(plan):
    made = plan()
    for budget in ("2M", "20M"):
        run = next(run for run in made.runs if run.budget == budget)
        content = json.loads(made.searches.declaration(made.searches.key(run)))
        offered = content["space"]["parameters"]["architecture"]
        assert offered["ordered"]
        assert 25 <= len(offered["values"]) <= 35
        declared = validate(RunSpecification, content["specification"], "run")
        label = offered["values"][3]
        found = validate(RunSpecification, apply_parameters(declared, {"architecture": label}), "run")
        assert found.architecture is not None
        assert found.architecture.label() == label
        assert found.architecture.dropout == declared.architecture.dropout


def test_an_architecture_found_at_one_budget_is_not_used_at_another(plan, tmp_path):
    space = tmp_path / "config/hpo/architectural_search.yaml"
    space.write_text(space.read_text().replace("transfer:", "transfer:\n  budget: 2M"))
    with pytest.raises(ConfigError, match="of no use at another budget"):
        plan()


def test_channels_count_the_tier_the_series_and_the_slower_bars(plan, tmp_path):
    made = plan()
    assert made.data.channels("Aa100") == 100
    assert made.data.channels("Aa100", "multires") == 100 + 2 * 23
    assert made.data.channels("Ac50") == 50 + 7 + 7
    assert made.data.channels("Ed2000") > 2000 + 50


META = {
    "question": "Does it gain?",
    "dataset": "Aa20",
    "timescale": "daily",
    "task": "direction",
    "horizon": 1,
    "bases": [{"datasets": ["Aa20"], "timescales": ["daily", "weekly"], "tasks": ["direction"],
               "horizons": [1], "models": ["logistic", "base_rate"]}],
    "features": ["volatility_20"],
    "learners": ["logistic"],
}  # fmt: skip
FOLDS = {"first_test": "2004-01-01", "test_months": 24}


@pytest.fixture
def meta_plan(tmp_path: Path):
    shutil.copytree(CONFIG, tmp_path / "config")

    def made(folds: dict | None = FOLDS, **changes) -> Plan:
        (tmp_path / "config/meta/small.yaml").write_text(yaml.safe_dump(META | changes))
        content = yaml.safe_load((CONFIG / "config.yaml").read_text())
        content |= {"experiments": ["quickstart_baselines"], "meta": ["small"]}
        if folds:
            content["data"] = content["data"] | {"walk_forward": folds}
        return plan_study(content, tmp_path / "config", {})

    return made


def test_a_meta_module_brings_its_learners_and_its_base_models_in_every_fold(meta_plan):
    plan = meta_plan()
    bases = plan.meta.bases("small")
    folds = sorted({run.variant for run in bases})
    assert folds == ["wf01", "wf02", "wf03", "wf04", "wf05", "wf06", "wf07"], (
        "2004 to 2015 by two years, and the study's own test"
    )
    assert len(bases) == len(folds) * 2 * 2
    [learner] = plan.meta.learners("small")
    assert (learner.variant, learner.model) == ("meta-small", "logistic")
    assert plan.specification(learner).context_length == 1
    splits = [plan.specification(run).splits for run in bases if run.model == "logistic"]
    assert len({split.test_start for split in splits}) == len(folds)
    assert learner in plan.runs, "what a meta-module says is reported"
    assert not set(bases) & set(plan.runs), "its base models are not"
    assert "base_models" not in plan.scope().experiments_json() + plan.scope().declared_runs()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"features": ["volatility_21"]}, "has no channel volatility_21. Did you mean volatility_20"),
        ({"horizon": 5}, "no base model forecasts Aa20/daily/direction/h5 itself"),
        ({"learners": ["patchtst-mixed"]}, "a meta-module's learners see the forecasts of one bar"),
        ({"task": "triple_barrier"}, "takes and gives one"),
        ({"folds": None}, "walk-forward folds are not declared"),
        ({"folds": {"first_test": "2014-07-01"}}, "must lie before validation_start"),
    ],
)
def test_a_meta_module_that_cannot_be_is_refused_before_anything_is_trained(meta_plan, changes, message):
    with pytest.raises(ConfigError, match=message):
        meta_plan(**changes)


def test_an_experiment_may_ask_for_walk_forward_folds_itself(plan):
    made = plan(data={"walk_forward": FOLDS}, models=["logistic"], walk_forward=True, tuning="none")
    assert sorted({run.variant for run in made.runs}) == [f"wf0{fold}" for fold in range(1, 7)]
    assert all(run in made.runs for run in made.experiment_of)
    test_start = made.config.data.splits.test_start
    for run in made.runs:
        own = made.specification(run).splits
        assert own.test_end is not None
        assert own.test_end < test_start, "the study's own test is no part of a fold"


def test_some_folds_keep_their_numbers_and_others_than_there_are_are_refused(plan):
    asked = {"models": ["logistic"], "walk_forward": True, "tuning": "none"}
    made = plan(data={"walk_forward": FOLDS}, folds=[3, 2], **asked)
    assert sorted({run.variant for run in made.runs}) == ["wf02", "wf03"]
    assert {made.facts(run)["fold"] for run in made.runs} == {2, 3}
    with pytest.raises(ConfigError, match=r"`folds:` names 7, and `data\.walk_forward` makes 6"):
        plan(data={"walk_forward": FOLDS}, folds=[7], **asked)
    with pytest.raises(ConfigError, match="`folds:` names some of the folds"):
        plan(data={"walk_forward": FOLDS}, folds=[2], models=["logistic"], tuning="none")


def test_the_studys_own_test_is_planned_only_while_the_confirmation_is_open(plan):
    asked = {"models": ["logistic"], "walk_forward": True, "folds": [1], "tuning": "none"}
    closed = plan(data={"walk_forward": FOLDS}, **asked)
    assert [run.variant for run in closed.runs] == ["wf01"]
    evaluation = closed.config.evaluation.model_dump(mode="json") | {"confirmation": "open"}
    opened = plan(data={"walk_forward": FOLDS}, study={"evaluation": evaluation}, **asked)
    assert [(run.variant, opened.facts(run)["fold"]) for run in opened.runs] == [("wf01", 1), ("base", None)]
    assert {opened.facts(run)["condition"] for run in opened.runs} == {"base"}
    assert opened.specification(opened.runs[1]).splits == opened.config.data.splits
    names = [closed, opened]
    first, second = (declaration_hash(made, "own-wf01", []) for made in names)
    assert first == second, "to open it changes no declaration"


def test_settings_are_varied_in_turn_and_each_combination_is_a_model_of_its_own(plan):
    made = plan(
        tuning="none",
        budgets=["2M"],
        vary={"normalisation": ["revin", "zscore"], "pooling": ["last", "mean"]},
    )
    assert [run.model for run in made.runs] == [
        "patchtst-mixed.revin.last",
        "patchtst-mixed.revin.mean",
        "patchtst-mixed.zscore.last",
        "patchtst-mixed.zscore.mean",
    ]
    settings = made.specification(made.runs[1]).settings
    assert (settings["normalisation"], settings["pooling"]) == ("revin", "mean")
    assert settings["channel_mode"] == "mixed", "what is not varied stays as the model file says"
    with pytest.raises(ConfigError, match="unknown key `normalization`"):
        plan(tuning="none", budgets=["2M"], vary={"normalization": ["revin"]})


def test_an_experiments_recipe_comes_before_the_models_and_that_before_the_studys(plan, tmp_path):
    path = tmp_path / "config/models/patchtst-mixed.yaml"
    own = {"training": {"learning_rate": 0.5, "max_steps": 7}}
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | own))
    made = plan(tuning="none", training={"max_steps": 3})
    recipe = made.specification(made.runs[0]).recipe
    assert (recipe.learning_rate, recipe.max_steps) == (0.5, 3)
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | {"training": {"learning_rat": 1}}))
    with pytest.raises(ConfigError, match=r"patchtst-mixed\.yaml.*learning_rate"):
        plan(tuning="none")


def test_shares_of_dates_and_window_lengths_are_runs_of_their_own_variant(plan):
    made = plan(tuning="none", budgets=["2M"], train_fractions=[0.125, 0.5, 1.0], context_lengths=[60, 120])
    found = {run.variant: made.specification(run) for run in made.runs}
    assert list(found) == [
        "frac12.5-ctx60", "frac12.5-ctx120", "frac50-ctx60", "frac50-ctx120", "ctx60", "ctx120",
    ]  # fmt: skip
    assert (found["frac50-ctx120"].train_fraction, found["frac50-ctx120"].context_length) == (0.5, 120)
    assert found["ctx60"].train_fraction == 1.0


def table_of(made: Plan) -> list[dict]:
    """The table of runs of a study of which nothing is trained yet."""
    rows = [row | {"path": str(i)} for i, row in enumerate(json.loads(made.scope().declared_runs()))]
    return collect_runs(rows, lambda path: None).to_dicts()


@pytest.mark.parametrize("share", [0.375, 0.0625, 0.12, 0.125, 0.07, 1 / 3])
def test_a_share_of_the_dates_keeps_its_value_from_the_plan_to_the_table(plan, share):
    made = plan(tuning="none", budgets=["2M"], train_fractions=[share, 1.0])
    rows = {row["variant"]: row for row in table_of(made)}
    assert len(rows) == 2
    [part] = [row for name, row in rows.items() if name != "base"]
    assert part["train_fraction"] == share
    assert float(AXES["data"].point(part)) == pytest.approx(share, rel=1e-14)
    assert (part["condition"], part["fold"], part["context_length"]) == ("base", None, 80)


def test_two_shares_never_share_a_label(plan):
    shares = [0.12, 0.125, 0.0125, 0.375, 0.0375, 3.75e-3, 1.0]
    made = plan(tuning="none", budgets=["2M"], train_fractions=shares)
    assert len({run.variant for run in made.runs}) == len(shares)
    assert "frac37.5" in {run.variant for run in made.runs}


@pytest.mark.parametrize("variant", ["frac25", "wf01", "ctx60", "untuned-wf02-frac50"])
def test_a_variant_of_ones_own_is_a_label_that_nobody_interprets(plan, variant):
    made = plan(tuning="none", variant=variant)
    for row in table_of(made):
        assert (row["variant"], row["condition"]) == (variant, variant)
        assert (row["fold"], row["train_fraction"], row["context_length"]) == (None, 1.0, 80)
    [gain] = [t for t in declared_tests(made)["own"] if t.startswith("gain in loss over parameters")]
    assert gain.startswith("gain in loss over parameters, 2M to 20M"), "it is asked like any other"


PHASES = {"phase1": ["own"], "phase2": ["other"]}


def phased(tmp_path, **changes) -> Plan:
    """A study of two phases, a control and an expansion of what the phases find best."""
    folder = tmp_path / "config"
    small = EXPERIMENT | {"tuning": "none", "budgets": ["2M"]}
    files = {
        "own": small | {"ids": {"P1-2M": {"budget": "2M"}}},
        "other": small | {"datasets": ["Aa100", "Aa20"]},
        "more": {**small, "from_selection": True, "datasets": [], "models": [], "budgets": []},
    }
    for name, content in files.items():
        (folder / f"experiments/{name}.yaml").write_text(yaml.safe_dump(content | changes.get(name, {})))
    content = yaml.safe_load((CONFIG / "config.yaml").read_text())
    content |= {"phases": PHASES, "experiments": ["control_null", "more"]}
    content["selection"] = {"file": "selection.yaml", "phases": ["phase1"]}
    return plan_study(content, folder, {})


def test_a_phase_reports_its_experiments_and_the_controls(plan, tmp_path):
    made = phased(tmp_path)
    assert [run.label() for run in made.scope("phase1").runs] == [
        "base/Aa100/daily/direction/h5/patchtst-mixed/2M/seed42",
        "null/Aa20/daily/direction/h5/patchtst-mixed/2M/seed42",
    ]
    second = made.scope("phase2")
    assert {run.dataset for run in second.runs if run.variant == "base"} == {"Aa20", "Aa100"}, (
        "a run that the first phase declared too belongs to both"
    )
    assert set(json.loads(second.experiments_json())) == {"other", "control_null"}
    assert made.ids["P1-2M"] == [made.scope("phase1").runs[0]]
    assert json.loads(made.scope().declared_runs())[0]["id"] == "P1-2M"
    with pytest.raises(ConfigError, match="phase3: this configuration declares no such phase"):
        made.scope("phase3")


def test_what_is_expanded_waits_for_the_selection_and_then_follows_it(plan, tmp_path):
    made = phased(tmp_path)
    assert "more" in made.study.waiting
    assert "selection.yaml is not there yet" in made.study.waiting["more"]
    chosen = {"dataset": "Aa50", "model": "patchtst", "budget": "20M"}
    (tmp_path / "selection.yaml").write_text(yaml.safe_dump({"chosen": chosen}))
    made = phased(tmp_path)
    [run] = made.grids["more"]
    assert (run.dataset, run.model, run.budget) == ("Aa50", "patchtst", "20M")
    made = phased(tmp_path, more={"budgets": ["2M", "20M", "200M"]})
    assert [run.budget for run in made.grids["more"]] == ["2M", "20M", "200M"], "what is said comes first"
    (tmp_path / "selection.yaml").write_text("chosen: {dataset: Aa50}\n")
    with pytest.raises(ConfigError, match="does not name 'model'"):
        phased(tmp_path)


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        ({"P9": {"budget": "200M"}}, "names none of its runs"),
        ({"P9": {"budgets": "2M"}}, "Did you mean budget"),
    ],
)
def test_names_that_name_nothing_are_refused(plan, tmp_path, ids, message):
    with pytest.raises(ConfigError, match=message):
        phased(tmp_path, own={"ids": ids})
