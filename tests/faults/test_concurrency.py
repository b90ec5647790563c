"""Several jobs, several workflows, several workers at once: shared files stay whole."""

from __future__ import annotations

import subprocess

import polars as pl
import pytest
from hurt import CELL, LOGISTIC
from random_kills import know_batch_size

from lib.data.io import read_json, read_parquet
from lib.data.manifest import verify
from tests.conftest import PATIENCE_SECONDS, Project

pytestmark = pytest.mark.slow


@pytest.mark.faults("Four jobs at once on fresh manifests, tracking database and states", happens="one whole result, equal to that of one job at a time", user="nothing")  # fmt: skip  # noqa: E501
def test_four_jobs_at_once_on_fresh_databases(project: Project, finished: Project) -> None:
    project.study(tracking={"mlflow": True})
    project.experiment(models=["base_rate", "logistic", "persistence", "volatility"], seeds=[1, 2])
    done = project.snakemake("--cores", "4", "results/report.html")
    assert done.returncode == 0, done.stdout
    assert "WARNING: tracking" not in done.stdout
    runs = read_parquet(project.folder / "results" / "runs.parquet")
    assert runs["status"].to_list() == ["done"] * 8
    checked, mismatches = verify(project.folder)
    assert mismatches == []
    assert checked >= 8 * 6
    for name in ("metrics.json", "predictions/test.parquet"):
        ours, theirs = project.folder / LOGISTIC / name, finished.folder / LOGISTIC / name
        assert ours.read_bytes() == theirs.read_bytes(), name


@pytest.mark.faults("Two Snakemakes in one folder at once", happens="the second is refused by the lock, the first ends whole", user="wait for the first")  # fmt: skip  # noqa: E501
def test_two_workflows_in_one_folder(project: Project, finished: Project) -> None:
    first = subprocess.Popen(
        project.command("results/report.html"),
        cwd=project.folder, env=project.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    while not (project.folder / ".snakemake" / "locks").is_dir() or not any(
        (project.folder / ".snakemake" / "locks").iterdir()
    ):
        assert first.poll() is None
    second = project.snakemake("results/report.html")
    assert second.returncode != 0
    assert "cannot be locked" in second.stdout or "lock" in second.stdout.lower()
    assert first.wait(timeout=PATIENCE_SECONDS) == 0
    name = f"{LOGISTIC}/metrics.json"
    assert (project.folder / name).read_bytes() == (finished.folder / name).read_bytes()


@pytest.mark.faults("Three workers of one search on a fresh study", happens="every trial once, one best trial", user="nothing")  # fmt: skip  # noqa: E501
def test_three_workers_of_one_search(project: Project) -> None:
    project.experiment(models=["patchtst-mixed"], budgets=["2M"], tuning="quickstart", searches=1, n_trials=6)
    know_batch_size(project, "patchtst-mixed")
    project.study(
        training={"max_steps": 2, "effective_batch": 16, "threads": 1},
        search={"workers": 3},
        thermal={"sensor": "off"},
    )
    done = project.snakemake("--cores", "3", "results/runs.parquet")
    assert done.returncode == 0, done.stdout
    folder = project.folder / "results" / "hpo" / CELL / "patchtst-mixed" / "2M" / "search1"
    trials = read_parquet(folder / "trials.parquet").filter(pl.col("state") != "interrupted")
    assert read_json(folder / "best.json")["n_trials"] == 6
    assert trials["number"].is_unique().all()
    assert trials.height == 6
    assert sorted(path.name for path in (folder / "workers").iterdir()) == ["2.json", "3.json"]
