"""Whole made-up studies: every axis finds its planted law, and bad input weakens instead of crashing."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from lib.config.workflow import EvaluationConfig
from lib.scaling.axes import AXES
from lib.scaling.interactions import interactions_of, measure_interaction
from lib.scaling.run_index import RunIndex, StudyRuns
from lib.scaling.samples import PredictionFiles, read_predictions
from lib.scoring.folders import RunFolder, evaluate_folder, evaluate_folders
from tests.unit.made_study import SYMBOL, Study, World, big_study, make_study, small_study, summarise

CFG = EvaluationConfig(bootstrap_draws=200)
WORLD = World(parameters=0.35, features=0.35, data=0.6, per_column=0.15, seed_noise=0.02)


Grown = tuple[Study, pl.DataFrame, dict[str, Any]]


def wanted(*names: str) -> dict[str, Any]:
    study = big_study(seeds=(42, 43, 44))
    kept = {name: study[name] for name in names}
    one = {"tasks": ["threshold_1pct"]}
    kept |= {name: e.model_copy(update=one) for name, e in kept.items() if name.startswith("data_")}
    fewer = {
        "phase5": {"datasets": ["Aa20", "Aa50", "Aa200", "Aa500"]},
        "phase4": {"datasets": ["Aa20", "Ad20"]},
        "phase1": {"tasks": ["direction", "regression"], "budgets": ["2M", "200M"]},
    }
    return kept | {name: kept[name].model_copy(update=own) for name, own in fewer.items()}


@pytest.fixture(scope="module")
def grown(tmp_path_factory: pytest.TempPathFactory) -> Grown:
    folder = tmp_path_factory.mktemp("grown")
    shares = ("data_frac12", "data_frac25", "data_frac50")
    study = make_study(folder, wanted("phase5", "phase4", "phase1", *shares), WORLD)
    runs, summary = summarise(study, CFG)
    json.dumps(summary, allow_nan=False)
    return study, runs, summary


def test_every_axis_is_asked_about_once(grown: Grown) -> None:
    _, _, summary = grown
    questions = [(q["experiment"], q["axis"], len(q["curves"])) for q in summary["questions"]]
    assert questions == [
        ("phase5", "parameters", 4),
        ("phase5", "features", 3),
        ("phase4", "parameters", 2),
        ("phase4", "quality", 3),
        ("phase1", "parameters", 2),
        ("data_frac12, data_frac25, data_frac50", "data", 3),
    ]


def test_each_axis_finds_its_planted_direction(
    grown: Grown,
) -> None:
    for question in grown[2]["questions"]:
        assert question["pooled"][0]["gain"]["estimate"] > 0, question["axis"]
        for curve in question["curves"]:
            if question["scale"] == "log":
                assert len(curve["band"]) == 50
            else:
                assert curve["slope"]["estimate"] is None
                assert curve["forms"] == []
    data = next(q for q in grown[2]["questions"] if q["axis"] == "data")
    assert [p["point"] for p in data["curves"][0]["points"]] == ["0.125", "0.25", "0.5", "1"]
    assert [p["size"] for p in data["curves"][0]["points"]] == [250, 500, 1000, 2000]
    found = {curve["budget"]: (curve["verdict"], curve["gate"]) for curve in data["curves"]}
    assert found["20M"] == found["200M"] == ("scales", "gain")
    assert found["2M"] == ("undecidable", "skill"), (
        "on every share its forecasts are no better than the base rate"
    )
    assert data["gate"] == "curves"


def test_features_have_a_saturation_point_and_four_scale_points_a_law(
    grown: Grown,
) -> None:
    features = next(q for q in grown[2]["questions"] if q["axis"] == "features")
    curve = features["curves"][0]
    assert curve["dataset"] == "Aa*"
    assert curve["saturation"]["point"] in ("50", "200", "500")
    assert sum(row["share"] for row in curve["saturation"]["shares"]) == pytest.approx(1)
    assert curve["law"]["alpha"]["low"] <= curve["law"]["alpha"]["high"]
    parameters = next(q for q in grown[2]["questions"] if q["axis"] == "parameters")
    assert parameters["curves"][0]["law"] is None
    assert "no degrees of freedom" in parameters["curves"][0]["forms"][3]["note"]


def test_curves_are_pooled_in_nats(grown: Grown) -> None:
    mixed = next(q for q in grown[2]["questions"] if q["experiment"] == "phase1")
    gains = []
    for curve in mixed["curves"]:
        zero = curve["points"][0]["base_rate_log_loss"]
        scale = 1.0 if curve["task"] != "regression" else 1 / (2 * zero)
        gains.append(curve["gain"]["estimate"] * scale)
    (pooled,) = mixed["pooled"]
    assert (pooled["curves"], pooled["timescale"]) == (2, "daily")
    assert pooled["gain"]["estimate"] == pytest.approx(sum(gains) / 2, rel=1e-6)
    assert pooled["heterogeneity_p"] is not None


def test_interactions_are_differences_in_differences(
    grown: Grown,
) -> None:
    found = grown[2]["interactions"]
    pairs = {tuple(entry["axes"]) for entry in found}
    assert pairs == {("parameters", "features"), ("parameters", "quality"), ("parameters", "data")}
    for entry in found:
        at = {tuple(point["points"]): point["value"] for point in entry["grid"]}
        first, second = entry["points"]
        by_hand = (at[first[0], second[-1]] - at[first[-1], second[-1]]) - (
            at[first[0], second[0]] - at[first[-1], second[0]]
        )
        assert entry["effect"]["estimate"] == pytest.approx(by_hand)
        assert [gain["at"] for gain in entry["simple_gains"]] == second
        # The error of a forecast shrinks in both, so each helps less where the other has helped already.
        assert entry["effect"]["estimate"] < 0


def test_shares_of_the_data_give_a_diagnosis_and_a_joint_law(
    grown: Grown,
) -> None:
    (diagnosis,) = grown[2]["diagnosis"]
    assert len(diagnosis["rows"]) == 12
    assert diagnosis["gap_rises_with_size"] is True
    assert diagnosis["reading"] == "undecidable"
    assert diagnosis["data_gain_at_largest"]["low"] < 0.005
    assert diagnosis["data_gain_at_largest"]["estimate"] > 0
    assert all(row["gap"] is not None and row["best_step"] == 40 for row in diagnosis["rows"])
    (law,) = grown[2]["joint_law"]
    assert len(law["points"]) == 12
    # The planted world is not additive, but the law still follows it.
    fitted, measured = ([point[name] for point in law["points"]] for name in ("fitted", "value"))
    assert np.corrcoef(fitted, measured)[0, 1] > 0.8


def test_more_data_that_help_returns_are_told_in_the_unit_of_their_loss(tmp_path: Path) -> None:
    study = big_study(budgets=("2M", "20M"), seeds=(42, 43, 44))
    one = {"tasks": ["regression"]}
    kept = {name: study[name].model_copy(update=one) for name in ("phase1", "data_frac50")}
    kept["control_positive"] = study["control_positive"]
    made = make_study(tmp_path, kept, World(parameters=0.0, data=1.0, base_error=3.0))
    _, summary = summarise(made, CFG)
    (diagnosis,) = summary["diagnosis"]
    gain = diagnosis["data_gain_at_largest"]
    # In squared error the whole gain is far below 0.005, the margin in nats.
    assert diagnosis["margin"] < gain["low"] < gain["estimate"] < 0.005 / 10
    assert diagnosis["reading"] == "data-limited"
    assert "Weakened: no null control is declared" in diagnosis["reason"]


def test_a_diagnosis_passes_the_gates_of_every_verdict(tmp_path: Path) -> None:
    study = big_study(budgets=("2M", "20M"), seeds=(42, 43, 44))
    names = ("phase1", "data_frac50", "control_positive")
    one = {"tasks": ["threshold_1pct"]}
    kept = {n: study[n].model_copy(update=one) if n != "control_positive" else study[n] for n in names}
    made = make_study(tmp_path, kept, World(parameters=0.0, data=1.0, base_error=1.0))

    def reading() -> tuple[str, str]:
        (found,) = summarise(made, CFG)[1]["diagnosis"]
        return found["reading"], found["reason"]

    assert reading()[0] == "data-limited"
    whole = [Path(r["path"]) for r in made.rows if r["experiment"] == "phase1" and r["budget"] == "20M"]
    positive, *_ = [Path(r["path"]) for r in made.rows if r["role"] == "positive_control"]
    planted = pl.read_parquet(positive / "predictions" / "test.parquet")
    change_test(positive, lambda f: f.with_columns(probability_1=pl.lit(0.5)))
    assert (reading()[0], "A control did not pass" in reading()[1]) == ("undecidable", True)
    planted.write_parquet(positive / "predictions" / "test.parquet")
    shutil.rmtree(whole[0])
    assert (reading()[0], "Only two seeds at 20M on 100.0%" in reading()[1]) == ("undecidable", True)
    for path in whole[1:]:
        shutil.rmtree(path)
    assert (reading()[0], "No usable run of 20M on 100.0%" in reading()[1]) == ("undecidable", True)


def test_every_test_set_says_what_it_can_show(grown: Grown) -> None:
    for entry in grown[2]["power"]:
        assert entry["effective_n"] == pytest.approx(entry["n"] / 5)
        if entry["problem"]["task"] != "regression":
            assert 0.5 < entry["detectable_auc"] < 0.75
            assert entry["enough"] is (entry["detectable_log_loss"] <= entry["margin"])
            assert "chance of 80%" in entry["text"]


def test_trading_is_deflated_by_all_tries(grown: Grown) -> None:
    _, runs, summary = grown
    trials = summary["trading"]["trials"]
    took = runs.filter(pl.col("trading_bar_sharpe").is_not_null())
    assert trials == {**trials, "searches": 30, "runs": took.height, "total": took.height + 30}
    assert set(took["task"]) == {"direction", "regression"}
    for row in summary["trading"]["rows"]:
        assert row["deflated_sharpe"] <= row["excess_probabilistic_sharpe"]


def test_two_axes_of_the_dataset_make_one_grid(tmp_path: Path) -> None:
    study = big_study(budgets=("2M",), seeds=(42, 43, 44))
    phase = study["phase5"].model_copy(update={"datasets": ["Aa20", "Aa50", "Ba20", "Ba50"]})
    made = make_study(tmp_path, {"phase5": phase}, WORLD)
    runs, summary = summarise(made, CFG)
    assert {(q["axis"], q["curves"][0]["dataset"]) for q in summary["questions"]} == {
        ("features", "Aa*"), ("assets", "*a20"),
    }  # fmt: skip
    (entry,) = summary["interactions"]
    assert entry["key"]["dataset"] == "*a*"
    material = StudyRuns(RunIndex(runs), PredictionFiles(read_predictions), CFG)
    rows = material.index.rows
    (group,) = interactions_of([AXES["features"], AXES["assets"]], rows)
    missing = [row for row in group[2] if row["dataset"] != "Ba50"]
    assert measure_interaction(group[0], group[1], missing, material).effect is None


# --- Bad input ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """A small study that is in order and evaluated; its copies evaluate only what is spoilt in them."""
    declared = small_study()
    ends = {"budgets": ["2M", "200M"]}
    laws = {name: declared[name].model_copy(update=ends) for name in ("control_law", "control_law_twin")}
    study = make_study(tmp_path_factory.mktemp("whole"), declared | laws, WORLD)
    summarise(study, CFG)
    return study


Spoil = Callable[[Callable[[Study], object]], tuple[pl.DataFrame, dict[str, Any]]]


@pytest.fixture
def spoilt(tmp_path: Path, whole: Study) -> Spoil:
    def made(spoil: Callable[[Study], object]) -> tuple[pl.DataFrame, dict[str, Any]]:
        folder = tmp_path / "copy"
        shutil.copytree(whole.folder, folder)
        rows = [
            row | {"path": str(row["path"]).replace(str(whole.folder), str(folder))} for row in whole.rows
        ]
        study = Study(whole.experiments, rows, folder)
        spoil(study)
        runs, summary = summarise(study, CFG)
        json.dumps(summary, allow_nan=False)
        assert summary["questions"]
        return runs, summary

    return made


def run_of(study: Study, budget: str = "20M", seed: int = 42) -> Path:
    row = next(
        r for r in study.rows if r["experiment"] == "phase1" and r["budget"] == budget and r["seed"] == seed
    )
    return Path(row["path"])


def change_test(folder: Path, change: Any) -> None:
    path = folder / "predictions" / "test.parquet"
    change(pl.read_parquet(path)).write_parquet(path)


def kinds(summary: dict[str, Any]) -> set[str]:
    return {problem["kind"] for problem in summary["problems"]}


def the_curve(summary: dict[str, Any]) -> dict[str, Any]:
    return summary["questions"][0]["curves"][0]


def test_a_whole_study_passes_its_controls_and_has_no_problems(spoilt: Spoil) -> None:
    _, summary = spoilt(lambda study: None)
    assert summary["controls_passed"] is True
    assert summary["problems"] == []
    assert summary["warnings"] == []


def test_a_missing_run_is_listed_and_weakens_the_verdict(spoilt: Spoil) -> None:
    runs, summary = spoilt(lambda study: shutil.rmtree(run_of(study)))
    assert (runs["status"] == "missing").sum() == 1
    assert "missing" in kinds(summary)
    assert the_curve(summary)["points"][1]["seeds"] == 2
    assert the_curve(summary)["verdict"] == "undecidable"
    assert "Only two seeds at 20M" in the_curve(summary)["reason"]


def test_a_missing_run_beside_three_others_weakens_a_verdict_in_words(tmp_path: Path) -> None:
    grid = {"seeds": [42, 43, 44, 45], "tasks": ["threshold_1pct"]}
    phase = big_study()["phase1"].model_copy(update=grid)
    made = make_study(tmp_path, {"phase1": phase}, WORLD)
    shutil.rmtree(run_of(made))
    _, summary = summarise(made, CFG)
    assert the_curve(summary)["verdict"] == "scales"
    assert "Weakened: some seeds are missing at 20M" in the_curve(summary)["reason"]


def test_a_failed_run_is_listed_with_its_reason(spoilt: Spoil) -> None:
    runs, summary = spoilt(
        lambda study: (run_of(study) / "predictions" / "val.parquet").write_bytes(b"PAR1 torn")
    )
    row = runs.filter(pl.col("status") == "failed").row(0, named=True)
    assert "its files are damaged" in row["problem"]
    assert "failed" in kinds(summary)
    assert the_curve(summary)["points"][1]["seeds"] == 2


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        ("not_finite", lambda f: f.with_columns(probability_1=pl.lit(float("nan")))),
        ("duplicate", lambda f: pl.concat([f, f[:3]])),
        ("empty", lambda f: f.clear()),
        ("other_dates", lambda f: f[20:]),
        ("other_targets", lambda f: f.with_columns(target=1 - pl.col("target"))),
    ],
)
def test_a_spoilt_run_is_named_and_the_rest_is_measured(spoilt: Spoil, kind: str, change: Any) -> None:
    _, summary = spoilt(lambda study: change_test(run_of(study), change))
    assert kind in kinds(summary)
    curve = the_curve(summary)
    if kind == "other_targets":
        assert curve["verdict"] == "undecidable"
    elif kind == "other_dates":
        assert {point["seeds"] for point in curve["points"]} == {3}
        assert curve["verdict"] == "scales"
        assert "20 test samples that not all runs hold are left out" in curve["reason"]
    else:
        assert [point["seeds"] for point in curve["points"]] == [3, 2, 3]


def test_a_size_whose_runs_all_collapsed_decides_nothing(spoilt: Spoil) -> None:
    def spoil(study: Study) -> None:
        for seed in (42, 43, 44):
            change_test(run_of(study, "200M", seed), lambda f: f.with_columns(probability_1=pl.lit(0.4)))

    _, summary = spoilt(spoil)
    assert "collapsed" in kinds(summary)
    assert the_curve(summary)["verdict"] == "undecidable"
    assert "nothing was learned" in the_curve(summary)["reason"]


def test_a_single_seed_decides_nothing(spoilt: Spoil) -> None:
    def spoil(study: Study) -> None:
        for seed in (43, 44):
            shutil.rmtree(run_of(study, "2M", seed))

    _, summary = spoilt(spoil)
    assert "single_seed" in kinds(summary)
    assert the_curve(summary)["verdict"] == "undecidable"


def test_one_size_left_decides_nothing(spoilt: Spoil) -> None:
    def spoil(study: Study) -> None:
        for budget in ("20M", "200M"):
            for seed in (42, 43, 44):
                shutil.rmtree(run_of(study, budget, seed))

    _, summary = spoilt(spoil)
    assert {"missing", "one_size"} <= kinds(summary)
    assert the_curve(summary)["verdict"] == "undecidable"
    assert len(the_curve(summary)["points"]) == 1


def test_a_test_set_of_one_class_is_measured_by_loss_alone(spoilt: Spoil) -> None:
    def spoil(study: Study) -> None:
        for row in study.rows:
            if row["experiment"] in ("phase1", "baselines"):
                change_test(Path(row["path"]), lambda f: f.with_columns(target=pl.lit(1.0)))

    _, summary = spoilt(spoil)
    assert "one_class" in kinds(summary)
    assert all(point["auc"] is None and point["value"] is not None for point in the_curve(summary)["points"])
    assert summary["power"][0]["detectable_auc"] is None


def leaking(frame: pl.DataFrame) -> pl.DataFrame:
    """Forecasts that know a part of the target."""
    return frame.with_columns(probability_1=0.3 + 0.4 * pl.col("target") + pl.col("probability_1") / 100)


def test_a_failed_control_forbids_a_verdict_and_is_named(spoilt: Spoil) -> None:
    def spoil(study: Study) -> None:
        for row in study.rows:
            if row["role"] == "null_control":
                change_test(Path(row["path"]), leaking)

    _, summary = spoilt(spoil)
    assert summary["controls_passed"] is False
    assert "by more than chance although nothing can be learned" in summary["controls_text"]
    assert the_curve(summary)["verdict"] == "undecidable"
    assert "control" in kinds(summary)


def test_evaluation_is_left_alone_until_something_that_matters_changes(whole: Study, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(run_of(whole), folder)
    run, metrics = RunFolder(folder, whole.folder / "data" / "daily.parquet", SYMBOL), folder / "metrics.json"
    first = metrics.read_bytes()
    assert not evaluate_folder(run, CFG, version=1)
    assert evaluate_folder(run, CFG, version=2)
    assert evaluate_folder(run, CFG.model_copy(update={"confidence": 0.9}), version=2)
    change_test(folder, lambda f: f[5:])
    assert evaluate_folder(run, CFG, version=1)
    assert metrics.read_bytes() != first
    shutil.copytree(run_of(whole), folder, dirs_exist_ok=True)
    metrics.write_text("{", encoding="utf-8")
    assert evaluate_folder(run, CFG, version=1)
    assert metrics.read_bytes() == first


def test_a_pool_of_processes_writes_the_same_bytes(whole: Study, tmp_path: Path) -> None:
    made = {}
    folders = []
    for number, row in enumerate(whole.rows[:8]):
        folder = tmp_path / str(number)
        shutil.copytree(row["path"], folder)
        made[folder] = (folder / "metrics.json").read_bytes()
        (folder / "metrics.json").unlink()
        folders.append(RunFolder(folder, whole.folder / "data" / "daily.parquet", SYMBOL))
    assert evaluate_folders(folders, CFG, version=1, processes=2) == {}
    assert {folder: (folder / "metrics.json").read_bytes() for folder in made} == made
