"""What is declared before a study runs is what its evaluation tests; a change of it is a new declaration."""

import shutil

import pytest
import yaml

from lib.config.experiment import PlannedExperiment
from lib.config.workflow import EvaluationConfig
from lib.data.io import read_json
from lib.scaling.axes import AXES
from lib.study.plan import Plan, plan_study
from lib.study.preregistration import declaration_hash, declared_tests, record_declarations
from tests.unit.made_study import World, big_study, make_study, summarise
from tests.unit.shipped import CONFIG, shipped


@pytest.fixture(scope="module")
def tests(named_market) -> dict[str, list[str]]:
    """Of the shipped study."""
    return declared_tests(shipped("study", named_market))


def of(tests: dict[str, list[str]], experiment: str, share: str = "") -> list[list[str]]:
    """The sentences of every fold of an experiment."""
    found = [own for name, own in tests.items() if name.startswith(f"{experiment}-wf") and share in name]
    assert found
    return found


def test_the_interaction_of_phase_five_is_declared(tests):
    for name, margin in (("p5_features", "0.005"), ("p5_features_touch", "0.01")):
        for own in of(tests, name):
            assert (
                f"interaction of parameters and input channels (difference of gains), margin {margin}, in "
                "1 grid, over the test dates of 9 folds, adjusted by Holm with all confirmatory questions "
                "(confirmatory)"
            ) in own


def test_shares_of_the_dates_declare_the_axis_of_data_and_not_that_of_size(tests):
    for share in ("12.5", "25", "50"):
        folds = of(tests, "ablation_data", f"-frac{share}")
        assert len(folds) == 9
        for found in folds:
            assert any(test.startswith("gain in loss over training samples, 0.125 to 1 (4") for test in found)
            assert not any(test.startswith("gain in loss over parameters") for test in found)
    for fold in range(1, 10):
        whole = tests[f"ablation_data-wf{fold:02d}"]
        assert any(test.startswith("gain in loss over parameters") for test in whole)


def test_window_lengths_are_compared_with_each_other(tests):
    for bars in (60, 80, 120):
        folds = of(tests, "ablation_context", f"-ctx{bars}")
        assert len(folds) == 5
        for found in folds:
            [gain] = found
            assert gain.startswith(
                "gain in loss over bars of a window, 60 to 120 (3 scale points), margin 0.01"
            )


def test_folds_are_one_question_over_all_their_dates(tests):
    for name in ("p1_parameters-wf01", "p1_parameters-wf09"):
        gain, tables = tests[name]
        assert gain.startswith("gain in loss over parameters, 2M to 200M (3 scale points), margin 0.005")
        assert "in 1 curve, over the test dates of 9 folds, adjusted by Holm" in gain
        assert tables == "paired differences of all models from the one that is best on validation"
    assert [name for name in tests if name.startswith("p5_all-")] == [f"p5_all-wf0{n}" for n in (6, 7, 8, 9)]
    assert "over the test dates of 4 folds" in tests["p5_all-wf06"][0]
    assert "p1_parameters-wf10" not in tests, "2025 is the study's own test"
    assert "p1_parameters" not in tests, "which is closed"


def test_controls_declare_no_tests(tests):
    controls = {name: own for name, own in tests.items() if name.startswith("control_")}
    kinds = {name.split("-")[0].removeprefix("control_") for name in controls}
    assert kinds == {"null_sizes", "leak_sizes", "positive_study", "law", "law_twin"}
    assert not any(controls.values())


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory):
    """A made-up study of sizes, tiers, shares and window lengths, with its evaluation."""
    study = big_study(seeds=(42, 43))
    sizes = study["phase1"].model_copy(update={"tasks": ["direction"]})
    lengths = {
        f"windows-ctx{bars}": sizes.model_copy(
            update={
                "declared": "windows",
                "variant": f"untuned-ctx{bars}",
                "condition": "untuned",
                "context_length": bars,
                "budgets": ["2M"],
            }
        )
        for bars in (60, 80, 120)
    }
    tiers = sizes.model_copy(update={"datasets": ["Aa20", "Aa50"]})
    share = sizes.model_copy(update={"variant": "frac25", "train_fraction": 0.25})
    experiments: dict[str, PlannedExperiment] = {"sizes": sizes, "tiers": tiers, "quarter": share, **lengths}
    made = make_study(tmp_path_factory.mktemp("declared"), experiments, World(seed_noise=0.02))
    return summarise(made, EvaluationConfig(bootstrap_draws=100))[1]


def test_window_lengths_are_one_question_with_a_slope(evaluated):
    [question] = [q for q in evaluated["questions"] if q["axis"] == AXES["context"].name]
    assert question["experiment"] == "windows"
    [curve] = question["curves"]
    assert [point["point"] for point in curve["points"]] == ["60", "80", "120"]
    assert [point["size"] for point in curve["points"]] == [60, 80, 120]
    assert (curve["condition"], curve["context_length"]) == ("untuned", "*")
    assert curve["slope"]["estimate"] is not None


PLANNED = {"quarter": ["quarter-frac25"], "windows": [f"windows-ctx{bars}" for bars in (60, 80, 120)]}
"""Parts of the experiments that are planned apart."""


def test_what_is_tested_is_what_is_declared(evaluated, tmp_path):
    """Axes, numbers of curves and interactions of the summary against the sentences of the declaration."""
    shutil.copytree(CONFIG, tmp_path / "config")
    base = {
        "question": "Does it help?", "datasets": ["Aa20"], "timescales": ["daily"], "tasks": ["direction"],
        "horizons": [5], "models": ["patchtst-mixed"], "budgets": ["2M", "20M", "200M"], "seeds": [42, 43],
    }  # fmt: skip
    files = {
        "sizes": base,
        "tiers": base | {"datasets": ["Aa20", "Aa50"]},
        "quarter": base | {"train_fractions": [0.25]},
        "windows": base | {"variant": "untuned", "budgets": ["2M"], "context_lengths": [60, 80, 120]},
    }
    for name, content in files.items():
        (tmp_path / f"config/experiments/{name}.yaml").write_text(yaml.safe_dump(content))
    content = yaml.safe_load((CONFIG / "config.yaml").read_text()) | {"experiments": list(files)}
    declared = declared_tests(plan_study(content, tmp_path / "config", {}))
    for question in evaluated["questions"]:
        for name in PLANNED.get(question["experiment"], [question["experiment"]]):
            told = [test for test in declared[name] if f" over {question['axis_label']}, " in test]
            assert len(told) == 1, (name, question["axis"])
            assert f"in {len(question['curves'])} curve" in told[0]
    slopes = [test for own in declared.values() for test in own if " over " in test and "paired" not in test]
    assert len(set(slopes)) == len({(q["axis"], len(q["curves"])) for q in evaluated["questions"]})
    pairs = {(i["experiment"], *i["axis_labels"]) for i in evaluated["interactions"]}
    assert pairs == {
        ("tiers", "parameters", "input channels"), ("quarter", "parameters", "training samples"),
    }  # fmt: skip
    for name, first, second in pairs:
        told = declared[PLANNED.get(name, [name])[0]]
        assert any(test.startswith(f"interaction of {first} and {second} ") for test in told)


@pytest.mark.parametrize(
    ("path", "key", "value"),
    [
        ("architectures/patchtst_200m.yaml", "dropout", 0.123),
        ("hpo/transfer_search.yaml", "n_trials", 7),
        ("hpo/transfer_search.yaml", "pruner_warmup_steps", 3),
        ("experiments/p1_parameters.yaml", "n_trials", 49),
        ("experiments/p1_parameters.yaml", "seeds", [1, 2, 3, 4, 5]),
    ],
)
def test_whatever_decides_a_result_changes_the_hash(named_market, tmp_path, path, key, value):
    def planned() -> Plan:
        content = yaml.safe_load((CONFIG / "study.yaml").read_text()) | {"phases": {}}
        content["experiments"] = ["p1_parameters"]
        del content["selection"]
        return plan_study(content, tmp_path / "config", {"MARKET_DATA_DIR": str(named_market)})

    shutil.copytree(CONFIG, tmp_path / "config")
    before = declaration_hash(planned(), "p1_parameters-wf01", [])
    assert declaration_hash(planned(), "p1_parameters-wf01", []) == before
    file = tmp_path / "config" / path
    file.write_text(yaml.safe_dump(yaml.safe_load(file.read_text()) | {key: value}))
    assert declaration_hash(planned(), "p1_parameters-wf01", []) != before


def test_another_experiment_that_changes_what_is_tested_is_a_new_entry(named_market, tmp_path):
    def record(*experiments: str) -> list[dict]:
        plan = shipped(
            "study", named_market, {"phases": {}, "selection": None, "experiments": list(experiments)}
        )
        record_declarations(plan, tmp_path, lambda run: False)
        return read_json(tmp_path / "p3_data-wf01.json")

    assert len(record("p3_data")) == 1
    assert len(record("p3_data", "ablation_channels")) == 1, "other runs say nothing about these"
    assert len(record("p3_data", "p5_data")) == 2, "other sizes join the table of models of Ea100"
