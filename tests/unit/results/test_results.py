"""The door for readers, and docs/results.md, which explains every column behind it."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from lib.data.io import write_json_atomic, write_parquet_atomic
from lib.errors import DataError
from lib.jobs.outputs import HISTORY, IMPORTANCE
from lib.models.predictions import Predictions
from lib.results import daily, histories, importances, metrics, predictions, runs, scaling
from lib.results.meanings import (
    DAILY_COLUMNS,
    HISTORY_COLUMNS,
    IMPORTANCE_COLUMNS,
    METRICS_COLUMNS,
    PREDICTION_COLUMNS,
    RUNS,
)
from lib.results.results_page import with_tables
from lib.scaling.run_columns import RUNS_SCHEMA
from lib.scoring.evaluation_tables import metrics_table
from lib.scoring.run_scores import DAILY_SCHEMA
from tests.unit.reporting_study import scaling as made_scaling

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "results.md").read_text(encoding="utf-8")


def forecasts(classes: tuple[int, ...]) -> Predictions:
    n, k = 4, len(classes)
    return Predictions(
        dates=np.arange("2020-01-01", "2020-01-05", dtype="datetime64[D]"),
        symbols=np.full(n, "SPY"),
        horizon=1,
        target=np.ones(n),
        prediction=np.ones(n),
        probability=np.full((n, k), 1 / k) if k else None,
        classes=classes,
    )


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """A folder with two done runs, of two and of three classes, the first declared twice, and one missing."""
    rows = []
    for task, classes in (("direction", (0, 1)), ("triple_barrier", (-1, 0, 1)), ("regression", None)):
        path = f"results/runs/base/Aa20/daily/{task}/h1/ridge/none/seed1"
        row = dict.fromkeys(RUNS_SCHEMA) | {"path": path, "task": task, "model": "ridge", "budget": "none"}
        rows.append(row | {"status": "done" if classes else "missing"})
        if not classes:
            continue
        folder = tmp_path / path
        (folder / "predictions").mkdir(parents=True)
        for file, part in (("test", "test"), ("val", "selection")):
            write_parquet_atomic(forecasts(classes).to_frame(part), folder / f"predictions/{file}.parquet")
        history = pl.DataFrame([{"step": 10, "selection_loss": 0.7}], schema=HISTORY)
        write_parquet_atomic(history, folder / "history.parquet")
        weights = pl.DataFrame([{"channel": "rsi", "importance": 2.0}], schema=IMPORTANCE)
        write_parquet_atomic(weights, folder / "importance.parquet")
        days = pl.DataFrame([{"symbol": "SPY", "loss": 0.6}], schema=DAILY_SCHEMA)
        write_parquet_atomic(days, folder / "daily.parquet")
    write_parquet_atomic(
        pl.DataFrame([*rows, rows[0]], schema=RUNS_SCHEMA), tmp_path / "results/runs.parquet"
    )
    measured = {rows[0]["path"]: {"splits": {"test": {"auc": 0.6, "auc_low": 0.5, "auc_high": 0.7}}}}
    write_parquet_atomic(metrics_table(measured), tmp_path / "results/metrics.parquet")
    answered = {"questions": [{"question": "Does it?", "verdict": "flat"}]}
    write_json_atomic(tmp_path / "results/scaling.json", answered)
    return tmp_path


def test_the_tables_of_a_study_are_opened_from_anywhere(study):
    table = runs(study)
    assert table.schema == pl.Schema(RUNS_SCHEMA)
    found = predictions(table)
    assert found.height == 8, "the run that is declared twice is read once, the missing one is not"
    assert found.columns[0] == "path"
    assert set(found["path"]) == {str(study / path) for path in table["path"][:2]}
    assert found.filter(pl.col("probability_-1").is_null()).height == 4
    assert found.join(table.unique("path"), on="path").height == 8
    assert set(predictions(table, "validation")["part"]) == {"selection"}
    assert histories(table)["selection_loss"].to_list() == [0.7, 0.7]
    assert importances(table)["channel"].to_list() == ["rsi", "rsi"]
    assert daily(table)["loss"].to_list() == [0.6, 0.6]
    [auc] = metrics(study).join(table.unique("path"), on="path").to_dicts()
    assert (auc["split"], auc["metric"], auc["value"], auc["low"], auc["high"]) == (
        "test",
        "auc",
        0.6,
        0.5,
        0.7,
    )
    assert scaling(study)["questions"][0]["verdict"] == "flat"


def test_what_is_not_there_is_told_with_what_to_do(study):
    with pytest.raises(DataError, match=r"studies/NAME.*snakemake --cores 1 results/phase2/runs\.parquet"):
        runs(study, phase="phase2")
    table = runs(study)
    with pytest.raises(DataError, match="none of these 1 runs is done"):
        predictions(table.filter(status="missing"))
    with pytest.raises(DataError, match="no split `train`; there are test and validation"):
        predictions(table, "train")


def test_the_examples_of_the_page_run(study, monkeypatch):
    monkeypatch.chdir(study)
    blocks = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert len(blocks) == 2
    for block in blocks:
        names: dict = {}
        exec(block, names)
    assert names["verdicts"] == [("Does it?", "flat")]
    assert names["by_size"]["len"].to_list() == [8], "of the run that is declared twice, each forecast once"


def test_the_door_imports_no_more_than_it_takes_to_read():
    code = "import sys, lib.results; print({'torch', 'sklearn', 'scipy', 'pandas'} & set(sys.modules))"
    out = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "set()"


def test_every_column_has_its_meaning_and_no_meaning_lacks_a_column():
    described = [column for group in RUNS for column in group.columns()]
    assert sorted(described) == sorted(RUNS_SCHEMA)
    for group in (HISTORY_COLUMNS, IMPORTANCE_COLUMNS, DAILY_COLUMNS, METRICS_COLUMNS, PREDICTION_COLUMNS):
        assert group.columns() == list(group.schema)
    for group in (
        *RUNS,
        HISTORY_COLUMNS,
        IMPORTANCE_COLUMNS,
        DAILY_COLUMNS,
        METRICS_COLUMNS,
        PREDICTION_COLUMNS,
    ):
        assert all(meaning.endswith((".", "…")) for _, meaning in group.meanings.values())


def test_the_page_is_current():
    assert with_tables(PAGE) == PAGE, "run `make docs`"
    with pytest.raises(ValueError, match="no place"):
        with_tables("")


def test_the_notebook_shows_a_study_and_draws_its_main_picture(study, tmp_path):
    write_json_atomic(study / "results/scaling.json", made_scaling())
    picture = tmp_path / "law.svg"
    done = subprocess.run(
        [sys.executable, ROOT / "notebooks" / "explore.py", "--study", study, "--picture", picture],
        capture_output=True, text=True, check=False, env=os.environ | {"MPLBACKEND": "agg"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "2 of 3 runs are done" in done.stdout
    assert "4 forecasts of" in done.stdout
    drawn = picture.read_text(encoding="utf-8")
    labels = re.findall(r"<!-- (.+?) -->", drawn)
    assert {"parameters", "test log loss", "Aa20 daily direction patchtst-mixed, horizon 5"} <= set(labels)
    assert drawn.count('id="LineCollection') == 4  # intervals of two problems, and their signs in the legend
