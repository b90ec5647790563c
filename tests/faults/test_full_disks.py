"""Disks that are full or read-only while a stage writes: one message, nothing half-made, and it goes on."""

from __future__ import annotations

import contextlib
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
import yaml
from hurt import LOGISTIC
from random_kills import know_batch_size, log_of, next_job, workflow

from tests.conftest import PATIENCE_SECONDS, Project, make_project

AGAIN = "make space (or the folder writable), then the same command"
pytestmark = pytest.mark.slow


@contextlib.contextmanager
def mounted(folder: Path, *options: str) -> Iterator[None]:
    """Something mounted on a folder; skipped where this user may not mount."""
    folder.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(["mount", *options, str(folder)], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"this user may not mount: {done.stderr.strip()[:80]}")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def tiny_disk(folder: Path, kilobytes: int) -> contextlib.AbstractContextManager[None]:
    return mounted(folder, "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs")


STAGES = {
    "import of raw data": ("data/raw/test-1", 24, "data/raw/test-1/manifest.json"),
    "features": ("data/processed/test-1/Aa20", 128, "data/processed/test-1/Aa20/daily.parquet"),
    "predictions": (LOGISTIC, 24, f"{LOGISTIC}/predictions/test.parquet"),
}
"""Where the disk is full, its size in kB, and a target of the stage."""


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.faults(
    "A disk that is full during import, features, predictions",
    happens="one message with the file and the free space, nothing half-made; then equal results",
    user=AGAIN,
)
def test_a_full_disk_is_told_and_survived(project: Project, finished: Project, stage: str) -> None:
    name, kilobytes, target = STAGES[stage]
    with tiny_disk(project.folder / name, kilobytes):
        (project.folder / name / ".keep").touch()  # Snakemake removes empty folders, and cannot this one
        done = project.snakemake(target)
        assert done.returncode != 0, done.stdout
        assert "StorageError" in done.stdout, done.stdout
        assert "No space left on device" in done.stdout
        assert "This is a bug" not in done.stdout, done.stdout
        assert not (project.folder / target).exists()
        assert not list((project.folder / name).rglob("*.tmp"))
    done = project.snakemake("--rerun-incomplete", f"{LOGISTIC}/metrics.json")
    assert done.returncode == 0, done.stdout
    for file in ("metrics.json", "predictions/test.parquet", "model/model.json"):
        ours, theirs = project.folder / LOGISTIC / file, finished.folder / LOGISTIC / file
        assert ours.read_bytes() == theirs.read_bytes(), file


@pytest.mark.faults(
    "A disk that becomes full during the report",
    happens="one message, no half page; then made",
    user=AGAIN,
)
def test_a_full_disk_during_the_report(copied: Project) -> None:
    results = copied.folder / "results"
    (results / "report.html").unlink()
    aside = copied.folder / "aside"
    results.rename(aside)
    need = sum(p.stat().st_size for p in aside.rglob("*") if p.is_file()) // 1024
    with tiny_disk(results, need * 2 + 1024):
        shutil.copytree(aside, results, dirs_exist_ok=True, symlinks=True)
        _fill(results / "filler", leave=40_000)
        done = copied.snakemake("results/report.html")
        assert done.returncode != 0, done.stdout
        assert "No space left on device" in done.stdout
        assert "This is a bug" not in done.stdout, done.stdout
        assert not (results / "report.html").exists()
        (results / "filler").unlink()
        again = copied.snakemake("--rerun-incomplete", "results/report.html")
        assert again.returncode == 0, again.stdout
        assert (results / "report.html").read_text().rstrip().endswith("</html>")


def _fill(path: Path, leave: int) -> None:
    with contextlib.suppress(OSError), path.open("wb", buffering=0) as filler:  # others write as well
        filler.write(b"x" * max(0, shutil.disk_usage(path.parent).free - leave))


@pytest.mark.faults(
    "A disk that becomes full while a checkpoint is written",
    happens="a warning, training goes on, earlier checkpoints stay; killed then, it continues to equal bytes",
    user="make space; after a kill the same command",
)
def test_a_full_disk_during_a_checkpoint(tmp_path: Path, market) -> None:
    run = "results/runs/base/Aa20/daily/direction/h5/patchtst-mixed/2M/seed1"
    project = make_project(tmp_path / "study", market)
    project.experiment(models=["patchtst-mixed"], budgets=["2M"])
    know_batch_size(project, "patchtst-mixed", precision="bf16")  # slow on most CPUs: time to be killed in
    project.study(
        training={"max_steps": 160, "patience_steps": 160, "checkpoint_every_steps": 10},
        thermal={"sensor": "off"},
    )
    assert project.snakemake(f"{run}/metrics.json").returncode == 0
    shutil.copytree(project.folder / run, project.folder / "undisturbed")
    shutil.rmtree(project.folder / "results" / "runs")
    state = project.folder / "results" / "state" / "runs"
    shutil.rmtree(state, ignore_errors=True)
    with tiny_disk(state, 400_000):
        with workflow(project, f"{run}/metrics.json") as process:
            deadline = time.monotonic() + PATIENCE_SECONDS
            while not list(state.rglob("*.sha256")) and process.poll() is None:
                assert time.monotonic() < deadline
                time.sleep(0.01)
            _fill(state / "filler", leave=1_000_000)
            while "the checkpoint could not be written (no space is left)" not in log_of(project):
                assert process.poll() is None, log_of(project)
                time.sleep(0.01)
            job = next_job(process, frozenset({".train.py"}))
            assert job is not None, "the training was over before it could be killed"
            job[0].kill()
            assert process.wait(timeout=PATIENCE_SECONDS) != 0
        assert "Traceback" not in log_of(project)
        (state / "filler").unlink()
        done = project.snakemake("--rerun-incomplete", f"{run}/metrics.json")
        assert done.returncode == 0, done.stdout
        assert '"resumed": true' in (project.folder / run / "provenance.json").read_text()
    for name in ("metrics.json", "predictions/test.parquet", "model/weights.safetensors"):
        assert (project.folder / run / name).read_bytes() == (
            project.folder / "undisturbed" / name
        ).read_bytes()


@pytest.mark.parametrize("name", ["data/raw/test-1", "results/runs"])
@pytest.mark.faults(
    "A folder that is read-only", happens="one message with the file's name; then made", user=AGAIN
)
def test_a_read_only_folder_is_told(project: Project, name: str) -> None:
    target = {"data/raw/test-1": "data/raw/manifest.json", "results/runs": f"{LOGISTIC}/metrics.json"}[name]
    with mounted(project.folder / name, "-t", "tmpfs", "-o", "ro", "tmpfs"):
        done = project.snakemake(target)
        assert done.returncode != 0, done.stdout
        assert "Read-only file system" in done.stdout, done.stdout
        assert "This is a bug" not in done.stdout
    done = project.snakemake("--rerun-incomplete", target)
    assert done.returncode == 0, done.stdout


@pytest.mark.faults(
    "A disk that is full during a search (its study cannot be written)",
    happens="one message with the file and the free space; the study is kept, and continued",
    user=AGAIN,
)
def test_a_full_disk_during_a_search(project: Project) -> None:
    best = "results/hpo/base/Aa20/daily/direction/h5/mlp/none/search1/best.json"
    project.experiment(models=["mlp"], tuning="quickstart", n_trials=2)
    project.study(training={"max_steps": 3}, thermal={"sensor": "off"})
    state = project.folder / "results" / "state" / "hpo"
    with tiny_disk(state, 20_000):
        assert project.snakemake(best).returncode == 0
        project.experiment(models=["mlp"], tuning="quickstart", n_trials=4)
        _fill(state / "filler", leave=0)
        done = project.snakemake(best)
        assert done.returncode != 0, done.stdout
        assert re.search(r"StudyError: \S+/study\.db: the study cannot be .*disk is full", done.stdout), (
            done.stdout
        )
        assert "This is a bug" not in done.stdout, done.stdout
        assert not list(state.rglob("*damaged*"))
        (state / "filler").unlink()
        done = project.snakemake("--rerun-incomplete", best)
        assert done.returncode == 0, done.stdout
        trials = pl.read_parquet((project.folder / best).with_name("trials.parquet"))
        assert trials.filter(pl.col("state") == "complete").height == 4
        assert trials.height <= 5  # the one that met the full disk may stand there as interrupted


HUNGRY = '''
"""A perceptron whose process, while there is a file `starve`, gets hardly more memory once it trains."""

import resource
from pathlib import Path

import psutil

from lib.models.neural.mlp import MLP
from lib.models.registry import register


def starve(*_):
    if Path("starve").exists():
        limit = psutil.Process().memory_info().vms + (16 << 20)
        resource.setrlimit(resource.RLIMIT_AS, (limit, resource.RLIM_INFINITY))


@register("own:hungry")
class Hungry(MLP):
    def factory(self):
        build = super().factory()

        def built():
            network = build()
            network.register_forward_pre_hook(starve)
            return network

        return built
'''


@pytest.mark.skipif(sys.platform == "darwin", reason="macOS does not enforce a limit on address space")
@pytest.mark.faults(
    "A training that needs more memory than there is (address space of the job limited)",
    happens="one message with what to do, nothing half-made is left; then trained",
    user="make memory free or lower `training.memory_share`, then the same command",
)
def test_too_little_memory_for_a_training(project: Project, monkeypatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # each thread would take some of it
    run = "results/runs/base/Aa20/daily/direction/h5/hungry/none/seed1"
    (project.folder / "hungry.py").write_text(HUNGRY)
    model = {"model": "own:hungry", "plugin": "hungry.py", "settings": {"hidden": [4000, 4000]}}
    (project.folder / "config" / "models" / "hungry.yaml").write_text(yaml.safe_dump(model))
    project.experiment(models=["hungry"])
    project.study(training={"max_steps": 3}, thermal={"sensor": "off"})
    (project.folder / "starve").touch()
    limited = project.snakemake(f"{run}/metrics.json")
    assert limited.returncode != 0, "the limit was too high to test anything"
    assert "ModelError: out of memory with 16 windows per forward pass" in limited.stdout, limited.stdout
    assert "This is a bug" not in limited.stdout, limited.stdout
    assert not (project.folder / run / "predictions" / "test.parquet").exists()
    assert not list((project.folder / "results").rglob("*.tmp"))
    (project.folder / "starve").unlink()
    done = project.snakemake("--rerun-incomplete", f"{run}/metrics.json")
    assert done.returncode == 0, done.stdout
