"""The table of runs: one row per declared run, found or not, always with the same columns."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml

from lib.scaling.run_columns import RUNS_SCHEMA
from lib.scaling.run_table import collect_runs, read_run

KEY: dict[str, Any] = {
    "variant": "base", "dataset": "Aa20", "timescale": "daily", "task": "direction", "horizon": 5,
    "model": "patchtst-mixed", "budget": "2M", "seed": 42,
}  # fmt: skip
DECLARED = KEY | {"experiment": "phase1", "role": "question", "question": "More parameters?", "path": "r/1"}
FILES = {
    "metrics.json": {
        "run": KEY,
        "parameters": {"total": 2_010_000, "embedding": 9_000, "head": 193},
        "fit": {"best_step": 24, "train_gap": 0.02},
        "calibration": {
            "chosen": "platt",
            "methods": [{"method": "none", "test_log_loss": 0.7}, {"method": "platt", "test_log_loss": 0.69}],
        },
        "conformal": {"level": 0.9, "coverage": 0.88, "mean_width": None, "mean_size": 1.7},
        "training_shares": [0.47, 0.53],
        "trading": {"sharpe": 0.4, "hold": {"sharpe": 0.5}},
        "splits": {
            "validation": {"n": 140, "auc": 0.6},
            "calibration": {"n": 60, "auc": 0.58},
            "test": {
                "n": 200,
                "auc": 0.57,
                "auc_low": 0.5,
                "auc_high": 0.64,
                "collapsed": False,
                "effective_n": 40.0,
            },
        },
    },
    "params.yaml": {
        "model": "transformer:patchtst",
        "settings": {"channel_mode": "mixed", "normalisation": "zscore", "pooling": "last"},
        "architecture": {"d_model": 192, "n_heads": 8, "n_layers": 6, "d_ff": 480},
        "recipe": {"learning_rate": 1e-4, "weight_decay": 1e-5, "effective_batch": 256},
        "micro_batch": 64,
        "windows": {"train": 3000, "selection": 140, "calibration": 60, "test": 200},
    },
    "provenance.json": {
        "hardware": {"device": "cpu"},
        "seconds": {"load": 1.0, "fit": 30.0, "predict": 1.0, "total": 33.0},
        "peak_memory_mb": 812.5,
        "fit": {"best_step": 24, "steps": 48, "samples_per_second": 900.0, "precision": "bf16"},
    },
}


def write(folder: Path) -> Path:
    folder.mkdir()
    for name, content in FILES.items():
        dump = json.dumps(content) if name.endswith("json") else yaml.safe_dump(content)
        (folder / name).write_text(dump, encoding="utf-8")
    return folder


def test_a_finished_run_fills_its_row(tmp_path: Path) -> None:
    folder = write(tmp_path / "run")
    row = collect_runs([DECLARED | {"path": str(folder)}], lambda path: read_run(Path(path))).row(
        0, named=True
    )
    expected = KEY | {
        "status": "done", "experiment": "phase1", "family": "transformer", "channel_mode": "mixed",
        "normalisation": "zscore", "pooling": "last", "d_model": 192, "n_layers": 6, "n_heads": 8,
        "d_ff": 480, "param_count": 2_010_000, "embedding_count": 9_000, "head_count": 193,
        "selection_auc": 0.6,
        "calibration_auc": 0.58, "test_auc": 0.57, "test_auc_low": 0.5, "test_collapsed": False,
        "n_train": 3000, "n_test": 200, "train_base_rate": 0.53, "effective_n_test": 40.0, "best_step": 24,
        "steps": 48, "train_seconds": 30.0, "total_seconds": 33.0, "samples_per_second": 900.0,
        "train_gap": 0.02, "calibration_method": "platt", "test_calibrated_log_loss": 0.69,
        "test_conformal_coverage": 0.88, "test_conformal_width": 1.7, "trading_sharpe": 0.4,
        "trading_hold_sharpe": 0.5, "row": "A", "column": "a", "tier": 20, "hpo_trials": 0,
        "peak_memory_mb": 812.5, "device": "cpu", "precision": "bf16", "micro_batch": 64,
        "effective_batch": 256, "learning_rate": 1e-4, "weight_decay": 1e-5, "path": str(folder),
    }  # fmt: skip
    assert {name: row[name] for name in expected} == expected
    assert row["test_mse"] is None


def test_what_a_model_without_batches_does_not_have_is_empty() -> None:
    rounds = {"micro_batch": 0, "samples_per_second": 0.0, "steps": 21, "precision": "fp64", "device": "cpu"}
    provenance = FILES["provenance.json"] | {"fit": rounds, "peak_memory_mb": 0.0}
    for model, settings, rate in (
        ("boosting:xgboost", {"learning_rate": 0.05}, 0.05),
        ("naive:base_rate", {}, None),
    ):
        params = FILES["params.yaml"] | {"model": model, "settings": settings, "micro_batch": None}
        files = {"metrics": FILES["metrics.json"], "params": params, "provenance": provenance}
        row = collect_runs([DECLARED], lambda _, files=files: files).row(0, named=True)
        assert row["learning_rate"] == rate, "its own, not the study's recipe"
        empty = ("weight_decay", "effective_batch", "micro_batch", "samples_per_second", "peak_memory_mb")
        assert [row[name] for name in empty] == [None] * len(empty)
        assert row["steps"] == 21


def test_a_run_was_begun_with_its_first_step_and_not_after_a_pause() -> None:
    began = "2026-01-01T00:00:00+00:00"
    provenance = FILES["provenance.json"] | {"begun": began, "finished": "2026-03-01T00:00:00+00:00"}
    files = {"metrics": FILES["metrics.json"], "params": FILES["params.yaml"], "provenance": provenance}
    row = collect_runs([DECLARED], lambda _: files).row(0, named=True)
    assert row["started"] == began, "not the end less the 33 seconds that it worked"


def test_settings_of_other_models_with_the_names_of_patchtst_are_not_taken_for_its_words() -> None:
    nhits = {"model": "timeseries:nhits", "settings": {"pooling": [2, 2, 1], "normalisation": 3}}
    files = {"metrics": FILES["metrics.json"], "params": nhits, "provenance": FILES["provenance.json"]}
    row = collect_runs([DECLARED], lambda path: files).row(0, named=True)
    assert (row["status"], row["family"], row["pooling"], row["normalisation"]) == (
        "done", "timeseries", None, None,
    )  # fmt: skip


def test_a_run_whose_files_are_absent_is_listed_as_missing(tmp_path: Path) -> None:
    runs = collect_runs([DECLARED, DECLARED | {"seed": 43}], lambda path: read_run(tmp_path / path))
    assert runs["status"].to_list() == ["missing", "missing"]
    assert runs["seed"].to_list() == [42, 43]
    assert runs["test_auc"].null_count() == 2
    assert dict(runs.schema) == {name: dtype() for name, dtype in RUNS_SCHEMA.items()}


@pytest.mark.parametrize(
    ("name", "text"),
    [("metrics.json", '{"splits": '), ("params.yaml", "a: [1,"), ("provenance.json", "3")],
)
def test_a_damaged_file_makes_the_run_missing_and_is_logged(
    tmp_path: Path, name: str, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    folder = write(tmp_path / "run")
    (folder / name).write_text(text, encoding="utf-8")
    assert read_run(folder) is None
    assert name in caplog.text


def test_an_incomplete_run_is_missing(tmp_path: Path) -> None:
    folder = write(tmp_path / "run")
    (folder / "params.yaml").unlink()
    assert read_run(folder) is None


def test_a_run_that_cannot_be_used_says_why() -> None:
    row = collect_runs([DECLARED], lambda path: None, {"r/1": "broken"}).row(0, named=True)
    assert (row["status"], row["problem"]) == ("failed", "broken")


def test_what_a_variant_stands_for_is_what_was_declared_and_never_read_from_its_name() -> None:
    facts = {"condition": "frac25-wf01-ctx60", "fold": None, "train_fraction": 1.0, "context_length": 80}
    row = collect_runs([DECLARED | facts | {"variant": "frac25-wf01-ctx60"}], lambda path: None).to_dicts()[0]
    assert {name: row[name] for name in facts} == facts


def test_no_declared_run_gives_an_empty_table_of_the_same_columns() -> None:
    assert collect_runs([], lambda path: None).columns == list(RUNS_SCHEMA)


def test_the_table_survives_parquet(tmp_path: Path) -> None:
    runs = collect_runs([DECLARED], lambda path: None)
    runs.write_parquet(tmp_path / "runs.parquet")
    assert pl.read_parquet(tmp_path / "runs.parquet").equals(runs)
