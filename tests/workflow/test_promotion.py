"""From a run to forecasts of the newest bars, and from many runs to a meta-module, with real Snakemake."""

import json
import shutil
import subprocess
import sys
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest
import yaml
from test_plugin import PLUGIN, add_plugin

from lib.data.io import read_json, sha256_of, write_json_atomic
from lib.data.manifest import write_checksums
from lib.errors import StudyError
from lib.extras.production.promote import promote as promote_here
from tests.conftest import PATIENCE_SECONDS, Project, make_prepared

RUN = "results/runs/base/Aa20/daily/direction/h5/{model}/none/seed1"
NAME = "logistic-Aa20-daily-direction-h5"


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, finished: Project) -> Project:
    """A project whose runs are trained, evaluated and drawn, tracked by MLflow."""
    project = make_prepared(finished, tmp_path_factory.mktemp("production") / "study")
    project.study(tracking={"mlflow": True})
    targets = [f"{RUN.format(model=model)}/metrics.json" for model in ("logistic", "base_rate")]
    done = project.snakemake(*targets, "plots")
    assert done.returncode == 0, done.stdout
    return project


def promote(project: Project, run: str, *more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "workflow_scripts.promote", run, *more],
        cwd=project.folder,
        env=project.environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_SECONDS,
    )


@pytest.fixture(scope="module")
def promoted(trained: Project) -> Project:
    done = promote(trained, RUN.format(model="logistic"))
    assert done.returncode == 0, done.stderr
    assert f"results/production/{NAME}/v1: promoted" in done.stdout
    assert f"MLflow's registry: {NAME}, version 1" in done.stdout
    return trained


def test_a_run_leaves_pictures_and_an_mlflow_run_of_itself(trained):
    folder = trained.folder / RUN.format(model="logistic")
    for name in ("confusion_matrix", "feature_importance"):
        assert "<svg" in (folder / "plots" / f"{name}.svg").read_text(encoding="utf-8")
    weights = pl.read_parquet(folder / "importance.parquet")
    assert weights.height == 20
    assert weights["importance"].is_sorted(descending=True)
    assert pl.read_parquet(trained.folder / RUN.format(model="base_rate") / "importance.parquet").is_empty()

    from mlflow.tracking import MlflowClient

    client = MlflowClient(f"sqlite:///{trained.folder}/results/tracking/mlflow.db")
    [experiment] = [e for e in client.search_experiments() if e.name != "Default"]
    runs = {run.info.run_name: run for run in client.search_runs([experiment.experiment_id])}
    assert len(runs) == 2
    own = next(run for name, run in runs.items() if "logistic" in name)
    assert own.info.status == "FINISHED"
    assert own.data.metrics["best_loss"] < 1
    measured = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))["splits"]["test"]
    assert own.data.metrics["test_log_loss"] == measured["log_loss"]
    assert own.data.params["model"] == "linear:logistic"
    assert {"params.yaml", "provenance.json"} <= {f.path for f in client.list_artifacts(own.info.run_id)}


def test_a_promoted_model_stands_in_mlflows_registry_with_the_folder_it_was_copied_to(promoted):
    from mlflow.tracking import MlflowClient

    client = MlflowClient(f"sqlite:///{promoted.folder}/results/tracking/mlflow.db")
    version = client.get_model_version(NAME, "1")
    assert version.source.endswith(f"results/production/{NAME}/v1")
    assert version.tags["version"] == "1"


def test_a_forecast_of_a_past_day_is_the_runs_own_prediction_bit_for_bit(promoted):
    test = pl.read_parquet(promoted.folder / RUN.format(model="logistic") / "predictions/test.parquet")
    row = test.row(test.height // 2, named=True)
    target = f"results/forecasts/{NAME}/{row['date']}.parquet"
    done = promoted.snakemake(target)
    assert done.returncode == 0, done.stdout
    [said] = pl.read_parquet(promoted.folder / target).to_dicts()
    assert said["date"] == row["date"]
    assert said["probability_1"] == row["probability_1"]
    assert said["prediction"] == row["prediction"]


def test_the_forecast_of_the_newest_bar_says_for_which_dates_it_is(promoted):
    target = f"results/forecasts/{NAME}.parquet"
    done = promoted.snakemake(target)
    assert done.returncode == 0, done.stdout
    [said] = pl.read_parquet(promoted.folder / target).to_dicts()
    newest = date(2008, 12, 31)
    assert (said["symbol"], said["date"], said["horizon"]) == ("SPY", newest, 5)
    assert said["until"] == date(2009, 1, 8), "five sessions on, New Year's Day being none"
    assert "SPY: from the bar of 2008-12-31, for the 5 bar(s) until 2009-01-08" in done.stdout
    assert 0 < said["probability_1"] < 1
    assert said["probability_low"] <= said["probability_high"]
    assert said["conformal_set"] in ("0", "1", "0 1", "none")
    assert said["version"] == 1
    again = promoted.snakemake("-n", target)
    assert "Nothing to be done" in again.stdout


def test_promoting_the_same_run_again_changes_nothing_and_another_is_a_new_version(promoted):
    again = promote(promoted, RUN.format(model="logistic"))
    assert "the same run is current already" in again.stdout
    other = promote(promoted, RUN.format(model="base_rate"), "--name", "spare")
    assert "results/production/spare/v1: promoted" in other.stdout
    third = promote(promoted, RUN.format(model="logistic"), "--name", "spare")
    assert "results/production/spare/v2: promoted" in third.stdout
    current = read_json(promoted.folder / "results/production/spare/current.json")
    assert (current["version"], current["run"]["model"]) == (2, "logistic")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda run: (run / "metrics.json").unlink(), r"not a whole run, it lacks metrics.json"),
        (lambda run: shutil.rmtree(run / "model"), "it lacks model/checksums.json"),
        (lambda run: (run / "model/model.json").write_text("{}"), "model.json: its content differs"),
        (
            lambda run: pl.read_parquet(run / "predictions/val.parquet")[1:].write_parquet(
                run / "predictions/val.parquet"
            ),
            "predictions/val.parquet: its content differs from the record",
        ),
    ],
)
def test_a_run_that_is_not_whole_is_not_promoted(trained, tmp_path, damage, message):
    run = tmp_path / "run"
    shutil.copytree(trained.folder / RUN.format(model="logistic"), run)
    damage(run)
    with pytest.raises(StudyError, match=message):
        promote_here(run, tmp_path / "production", "damaged", datetime.now(UTC))
    assert not (tmp_path / "production/damaged").exists()


def test_a_mistyped_run_is_answered_with_the_nearest_one(trained, tmp_path, monkeypatch):
    monkeypatch.chdir(trained.folder)
    run = RUN.format(model="logistic")
    with pytest.raises(StudyError, match=f"no such run. Did you mean {run}"):
        promote_here(Path(run.replace("logistic", "logistc")), tmp_path, "typed", datetime.now(UTC))


def with_parameters(project: Project, run: Path, **changes: object) -> Path:
    """A whole copy of a run, hashes included, that says other things of itself."""
    shutil.copytree(project.folder / RUN.format(model="logistic"), run)
    params = yaml.safe_load((run / "params.yaml").read_text()) | changes
    (run / "params.yaml").write_text(yaml.safe_dump(params))
    provenance = read_json(run / "provenance.json")
    provenance["files"]["params.yaml"] = sha256_of(run / "params.yaml")
    write_json_atomic(run / "provenance.json", provenance)
    return run


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"labels": "shifted"},
            "a control learned from shifted labels or planted channels; it forecasts nothing",
        ),
        ({"role": "positive_control"}, "a control learned from shifted labels or planted channels"),
        ({"role": "meta_module"}, "a meta-module's channels are forecasts of its base models"),
    ],
)
def test_what_must_not_forecast_is_not_promoted_though_it_is_whole(trained, tmp_path, changes, message):
    production, now = tmp_path / "production", datetime.now(UTC)
    assert promote_here(with_parameters(trained, tmp_path / "whole"), production, "whole", now).new
    with pytest.raises(StudyError, match=message):
        promote_here(with_parameters(trained, tmp_path / "run", **changes), production, "refused", now)
    assert not (production / "refused").exists()


def test_other_channels_altered_models_and_unknown_names_are_refused(promoted):
    copied = promoted.folder / "results/production/other"
    shutil.copytree(promoted.folder / f"results/production/{NAME}", copied)
    model = copied / "v1/model/model.json"
    write_json_atomic(model, json.loads(json.dumps(read_json(model)).replace("rsi_14", "rsi_15")))
    done = promoted.snakemake("results/forecasts/other.parquet")
    assert done.returncode != 0
    assert "v1/model/model.json: its content differs from the record" in done.stdout

    for folder in (copied / "v1/model", copied / "v1"):
        write_checksums(folder)
    done = promoted.snakemake("results/forecasts/other.parquet")
    assert done.returncode != 0
    assert "missing: rsi_15; unknown: rsi_14" in done.stdout

    done = promoted.snakemake("results/forecasts/logistic-Aa20-daily-direction-h6.parquet")
    assert f"not there. Did you mean {NAME}?" in done.stdout


def test_other_sources_and_other_versions_of_features_are_refused(promoted):
    home = promoted.folder / "results/production/aged"
    shutil.copytree(promoted.folder / f"results/production/{NAME}", home)
    whole = read_json(home / "current.json")
    assert whole["learned_from"]["source"] == "files"
    assert whole["learned_from"] == read_json(home / "v1/promotion.json")["learned_from"]

    def refusal(**changes: object) -> str:
        learned = whole["learned_from"] | changes
        write_json_atomic(home / "current.json", whole | {"learned_from": learned})
        done = promoted.snakemake("results/forecasts/aged.parquet")
        assert done.returncode != 0
        return done.stdout

    older = whole["learned_from"]["features"] | {"version": 0}
    assert "channels of the same name may mean other numbers" in refusal(features=older)
    assert "learned from source yahoo, this configuration reads files" in refusal(source="yahoo")


def test_a_model_of_ones_own_is_promoted_with_its_file(prepared):
    run = RUN.format(model="momentum")
    add_plugin(prepared)
    prepared.experiment(models=["momentum"])
    assert prepared.snakemake(f"{run}/metrics.json").returncode == 0
    done = promote(prepared, run, "--name", "own")
    assert done.returncode == 0, done.stderr
    copy = prepared.folder / "results/production/own/v1/plugin.py"
    assert copy.read_text() == PLUGIN

    # The user goes on with the file: the promoted model forecasts as it did, and the old run stays behind.
    (prepared.folder / "own/momentum.py").write_text(PLUGIN.replace("return 0.5 +", "return 0.4 +"))
    row = pl.read_parquet(prepared.folder / run / "predictions/test.parquet").row(100, named=True)
    target = f"results/forecasts/own/{row['date']}.parquet"
    done = prepared.snakemake(target)
    assert done.returncode == 0, done.stdout
    assert pl.read_parquet(prepared.folder / target)["probability_1"].item() == row["probability_1"]
    refused = promote(prepared, run, "--name", "again")
    assert refused.returncode != 0
    assert "Traceback" not in refused.stderr
    assert f"plugin own/momentum.py: its code is not what {run} was trained with" in refused.stderr

    copy.write_text(PLUGIN.replace("return 0.5 +", "return 0.4 +"))
    write_checksums(copy.parent)
    (prepared.folder / target).unlink()
    done = prepared.snakemake(target)
    assert done.returncode != 0
    assert "plugin.py: its code is not what results/production/own/v1 was promoted with" in done.stdout


META = {
    "question": "Does it gain?",
    "dataset": "Aa20",
    "timescale": "daily",
    "task": "direction",
    "horizon": 1,
    "bases": [
        {"datasets": ["Aa20"], "timescales": ["daily"], "tasks": ["direction"], "horizons": [1],
         "models": ["logistic", "base_rate"]},
        {"datasets": ["Aa20"], "timescales": ["weekly"], "tasks": ["direction"], "horizons": [1],
         "models": ["logistic"]},
    ],
    "features": ["volatility_20"],
    "learners": ["logistic"],
}  # fmt: skip


@pytest.mark.slow
def test_a_meta_module_goes_from_folds_to_its_comparison_and_signal(project: Project):
    (project.folder / "config/meta/small.yaml").write_text(yaml.safe_dump(META))
    folds = {"first_test": "2004-01-01", "test_months": 24, "validation_months": 12}
    splits = yaml.safe_load((project.folder / "study.yaml").read_text())["data"]["splits"]
    project.study(
        data={"walk_forward": folds, "splits": splits | {"allow_small": True}},
        meta=["small"],
        context_length={"weekly": 8},
    )
    done = project.snakemake("results/meta/small/comparison.json")
    assert done.returncode == 0, done.stdout
    folder = project.folder / "results/meta/small"
    table = pl.read_parquet(folder / "dataset.parquet")
    assert table.columns[2:6] == [
        "logistic.Aa20.daily.direction.h1",
        "base_rate.Aa20.daily.direction.h1",
        "logistic.Aa20.weekly.direction.h1",
        "volatility_20",
    ]
    assert table["date"].min() >= date(2004, 1, 1)
    result = read_json(folder / "comparison.json")
    assert result["rows"][0]["name"] == "logistic"
    assert {gain["reference"] for gain in result["gains"]} == {"best_single", "average"}
    signal = pl.read_parquet(folder / "signal.parquet")
    assert signal["calibrated_probability"].is_between(0, 1).all()
    learner = project.folder / "results/runs/meta-small/Aa20/daily/direction/h1/logistic/none/seed42"
    assert yaml.safe_load((learner / "params.yaml").read_text())["context_length"] == 1
    relative = learner.relative_to(project.folder)
    assert project.snakemake(f"{relative}/metrics.json").returncode == 0
    refused = promote(project, str(relative))
    assert refused.returncode != 0
    assert "a meta-module's channels are forecasts of its base models" in refused.stderr
    assert "Nothing to be done" in project.snakemake("-n", "results/meta/small/comparison.json").stdout
