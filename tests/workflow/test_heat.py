"""A run that heat stopped in the middle: what its files and the tracker say after it was continued."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import time

import polars as pl
import pytest

from tests.conftest import PATIENCE_SECONDS

RUN = "results/runs/base/Aa20/daily/direction/h5/mlp/none/seed1"
STEPS = 3000


def test_the_files_of_a_run_cover_all_its_invocations(prepared):
    sensor = prepared.folder / "temperature"
    sensor.write_text("60")
    prepared.study(
        thermal={"sensor": f"file:{sensor}", "check_every_steps": 1},
        tracking={"mlflow": True},
        training={
            "max_steps": STEPS,
            "patience_steps": STEPS,
            "validate_every_steps": 50,
            "effective_batch": 16,
            "checkpoint_every_steps": 50,
        },
    )
    prepared.experiment(models=["mlp"])
    state = prepared.folder / RUN.replace("runs", "state/runs")
    first = subprocess.Popen(
        prepared.command(f"{RUN}/metrics.json"), cwd=prepared.folder, env=prepared.environment, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    while first.poll() is None and not any(state.glob("checkpoint-s00000[1-9]*.pt")):
        time.sleep(0.01)
    sensor.write_text("97")
    said, _ = first.communicate(timeout=PATIENCE_SECONDS)
    assert "97 °C is above the limit" in said
    statuses = tracked(prepared, "select status from runs where name like '%mlp%'")
    assert statuses == [("KILLED",)]  # to be continued
    sensor.write_text("61")
    done = prepared.snakemake("--rerun-incomplete", "results/runs.parquet")
    assert done.returncode == 0, done.stdout

    provenance = json.loads((prepared.folder / RUN / "provenance.json").read_text())
    assert provenance["fit"]["resumed"]
    assert provenance["temperature_max"] == 97.0
    assert [row["celsius"] for row in provenance["temperatures"] if row["band"] == "stop"] == [97.0]
    history = pl.read_parquet(prepared.folder / RUN / "history.parquet")
    seconds = provenance["seconds"]
    assert seconds["fit"] == pytest.approx(history["seconds"].sum(), abs=0.001)
    assert seconds["total"] == pytest.approx(sum(seconds[n] for n in ("load", "fit", "predict")), abs=0.002)
    runs = pl.read_parquet(prepared.folder / "results" / "runs.parquet")
    assert runs["train_seconds"].to_list() == [seconds["fit"]]

    assert tracked(prepared, "select status from runs where name like '%mlp%'") == [("FINISHED",)]
    points = tracked(prepared, "select step from metrics where key = 'validation_loss' order by step")
    assert [step for (step,) in points] == history["step"].to_list()


def tracked(project, query: str) -> list[tuple]:
    with sqlite3.connect(project.folder / "results" / "tracking" / "mlflow.db") as connection:
        return connection.execute(query).fetchall()
