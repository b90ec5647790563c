"""A search and a training, killed again and again at random moments, end in the same bytes as undisturbed."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import time
from pathlib import Path

import polars as pl
import pytest

from tests.conftest import Project, make_project

SEED, KILLS = 20261121, 20
RUN = "results/runs/base/Aa20/daily/direction/h5/patchtst-mixed/2M/seed1"
SEARCH = "results/hpo/base/Aa20/daily/direction/h5/patchtst-mixed/2M"
BYTES = ("metrics.json", "predictions/val.parquet", "predictions/test.parquet", "model/weights.safetensors")
TIMINGS = ("seconds", "samples_per_second", "temperature")
TRAINING = {"max_epochs": 10, "patience": 10, "checkpoint_every_epochs": 1, "window_stride": 6}


def searching_project(folder: Path, market: pl.DataFrame) -> Project:
    """A search of three trials, then the training with what it found; gradients are accumulated."""
    project = make_project(folder, market)
    project.experiment(models=["patchtst-mixed"], budgets=["2M"], tuning="quickstart", n_trials=3)
    project.study(training=TRAINING | {"effective_batch": 64})
    return project


def start(project: Project) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        project.command("--rerun-incomplete", f"{RUN}/metrics.json"),
        cwd=project.folder,
        env=project.environment,
        stdout=(project.folder / "log").open("a"),
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )


def ended(process: subprocess.Popen[bytes], seconds: float) -> bool:
    try:
        process.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        return False
    return True


def results(project: Project) -> tuple[dict[str, bytes], pl.DataFrame, pl.DataFrame, dict]:
    """What must be equal: bytes, and tables without their timings."""
    run, search = project.folder / RUN, project.folder / SEARCH
    trials = pl.read_parquet(search / "trials.parquet").filter(pl.col("state") != "interrupted")
    best = json.loads((search / "best.json").read_text())
    return (
        {name: (run / name).read_bytes() for name in BYTES},
        pl.read_parquet(run / "history.parquet").drop(TIMINGS),
        trials.drop("number", "seconds", "duplicate_of"),
        {key: value for key, value in best.items() if key not in ("seconds", "best_trial")},
    )


def kill_until_done(project: Project, moments: random.Random, kills: int, longest: float) -> int:
    """Kill workflow and job together after random times, at most so often; returns how many kills it took."""
    hit = 0
    while True:
        process = start(project)
        if not ended(process, moments.uniform(2.0, longest) if hit < kills else 400):
            assert hit < kills, "the last, undisturbed invocation did not end"
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            hit += 1
            assert project.snakemake("--unlock").returncode == 0
            continue
        assert process.returncode == 0, (project.folder / "log").read_text()[-3000:]
        return hit


@pytest.mark.slow
@pytest.mark.timeout(2400)
def test_random_kills_change_no_number(tmp_path, market):
    calm = searching_project(tmp_path / "calm", market)
    begin = time.monotonic()
    process = start(calm)
    assert ended(process, 400)
    assert process.returncode == 0, (calm.folder / "log").read_text()[-3000:]
    took = time.monotonic() - begin
    expected = results(calm)

    project = searching_project(tmp_path / "killed", market)
    shutil.copytree(calm.folder / "results" / "batch_sizes", project.folder / "results" / "batch_sizes")
    moments, left = random.Random(SEED), KILLS
    while left:
        for name in ("runs", "hpo", "state"):
            shutil.rmtree(project.folder / "results" / name, ignore_errors=True)
        # Each invocation gets less time than the whole takes, so that most are killed in the middle of it.
        left -= kill_until_done(project, moments, left, longest=min(took, 25.0))
        found = results(project)
        assert found[0] == expected[0]
        assert found[1].equals(expected[1])
        assert found[2].equals(expected[2])
        assert found[3] == expected[3]
