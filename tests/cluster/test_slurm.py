"""A study on a real Slurm: through the profile, and on after a time limit and a preemption."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cluster.slurm import SlurmCluster, missing_programs
from tests.conftest import Project, make_project

pytestmark = [
    pytest.mark.slurm,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(bool(missing_programs()), reason=f"not installed: {', '.join(missing_programs())}"),
]

RUN = "results/runs/base/Aa20/daily/direction/h5/patchtst-mixed/2M/seed1"
STATE = "results/state/runs/base/Aa20/daily/direction/h5/patchtst-mixed/2M/seed1"
RESULTS = ("metrics.json", "predictions/val.parquet", "predictions/test.parquet", "model/weights.safetensors")
LONG = {"max_steps": 1600, "patience_steps": 1600, "checkpoint_every_steps": 50}
"""Long enough to be interrupted between two looks of Slurm's controller at its time limits."""
PATIENCE_SECONDS = 600
# As a user runs it; only the interval at which Snakemake asks Slurm is shorter than on a shared controller.
SLURM = ("--profile", "profiles/slurm", "--slurm-init-seconds-before-status-checks", "2")


@pytest.fixture(scope="module")
def cluster() -> Iterator[SlurmCluster]:
    with tempfile.TemporaryDirectory(prefix="slurm-") as folder, SlurmCluster(Path(folder)) as running:
        yield running


def submit(project: Project, cluster: SlurmCluster, *arguments: str) -> subprocess.Popen[str]:
    """Snakemake on the login node."""
    words = project.command(*SLURM, *arguments)
    at = words.index("--cores")  # how many CPUs a job may have is the profile's matter here
    command = words[:at] + words[at + 2 :]
    return subprocess.Popen(
        command,
        cwd=project.folder,
        env={**project.environment, **cluster.environment},
        stdout=(project.folder / "slurm.log").open("w"),
        stderr=subprocess.STDOUT,
        text=True,
    )


def log_of(project: Project) -> str:
    return (project.folder / "slurm.log").read_text()


def jobs_of(cluster: SlurmCluster, state: str) -> list[str]:
    return cluster.command("squeue", "--noheader", f"--states={state}", "--format=%i").split()


def wait_for(workflow: subprocess.Popen[str], project: Project, condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert workflow.poll() is None, log_of(project)
        assert time.monotonic() < deadline, log_of(project)
        time.sleep(0.2)


def training_job(workflow: subprocess.Popen[str], project: Project, cluster: SlurmCluster) -> str:
    """The Slurm job of a training that has written a checkpoint."""
    wait_for(workflow, project, lambda: list((project.folder / STATE).glob("**/checkpoint-*.sha256")))
    (job,) = jobs_of(cluster, "RUNNING")
    return job


def stops(project: Project) -> int:
    """How often a training said that it saved its state and stopped."""
    logs = (project.folder / ".snakemake" / "slurm_logs").rglob("*.log")
    return sum(log.read_text(errors="replace").count("Training stopped by SIGTERM") for log in logs)


def assert_as_undisturbed(project: Project) -> None:
    provenance = (project.folder / RUN / "provenance.json").read_text()
    assert '"resumed": true' in provenance, "it continued, it did not start again"
    for name in RESULTS:
        ours, theirs = project.folder / RUN / name, project.folder / "undisturbed" / name
        assert ours.read_bytes() == theirs.read_bytes(), name
    assert not (project.folder / STATE).exists(), "state is pruned after success"


def test_a_study_goes_through_the_profile_to_its_report(project: Project, cluster: SlurmCluster):
    project.study()
    project.experiment(models=["base_rate", "logistic", "patchtst-mixed"], budgets=["2M"])
    workflow = submit(project, cluster, "results/report.html")
    assert workflow.wait(timeout=PATIENCE_SECONDS * 2) == 0, log_of(project)
    assert (project.folder / "results/report.html").stat().st_size > 10_000
    assert len(list((project.folder / "results/runs").rglob("metrics.json"))) == 3

    # Short jobs share submissions: both models without a budget one, each dataset and its check one.
    log = log_of(project)
    submissions = [line for line in log.splitlines() if "has been submitted with SLURM jobid" in line]
    assert sum("group_short" in line for line in submissions) == 1
    assert sum("rule_train" in line for line in submissions) == 1
    assert sum("group_datasets" in line for line in submissions) == 1
    assert not any("import_prices" in line for line in submissions), "downloads stay on the login node"

    again = subprocess.run(
        [*workflow.args, "-n"], cwd=project.folder, env={**project.environment, **cluster.environment},
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert "Nothing to be done" in again.stdout + again.stderr


@pytest.fixture(scope="module")
def trained(tmp_path_factory, market) -> Project:
    """A project whose one run was trained here without any interruption, its results kept aside."""
    project = make_project(tmp_path_factory.mktemp("undisturbed"), market)
    project.experiment(models=["patchtst-mixed"], budgets=["2M"])
    project.study(training=LONG)
    done = project.snakemake(f"{RUN}/metrics.json")
    assert done.returncode == 0, done.stdout
    shutil.copytree(project.folder / RUN, project.folder / "undisturbed")
    return project


@pytest.fixture
def fresh(trained: Project) -> Project:
    """The project with its data and batch size, and nothing of the run."""
    for name in ("results/runs", "results/state", ".snakemake/slurm_logs"):
        shutil.rmtree(trained.folder / name, ignore_errors=True)
    return trained


def test_a_training_that_meets_its_time_limit_is_submitted_again_and_continues(fresh, cluster):
    workflow = submit(fresh, cluster, f"{RUN}/metrics.json")
    job = training_job(workflow, fresh, cluster)
    # It asked for hours. From here on its limit is near enough for the warning that the profile asks for.
    cluster.command("scontrol", "update", f"JobId={job}", "TimeLimit=2")
    assert workflow.wait(timeout=PATIENCE_SECONDS) == 0, log_of(fresh)
    assert stops(fresh) == 1, "it was warned, and saved its state"
    assert "Trying to restart job" in log_of(fresh)
    assert_as_undisturbed(fresh)


def test_a_training_that_is_killed_without_warning_continues_from_its_last_checkpoint(fresh, cluster):
    workflow = submit(fresh, cluster, f"{RUN}/metrics.json")
    for process in cluster.processes_of(training_job(workflow, fresh, cluster)):
        os.kill(process, signal.SIGKILL)
    assert workflow.wait(timeout=PATIENCE_SECONDS) == 0, log_of(fresh)
    assert stops(fresh) == 0, "nobody had time to save anything"
    assert "Trying to restart job" in log_of(fresh)
    assert_as_undisturbed(fresh)


def test_a_preempted_training_is_queued_again_by_slurm_and_continues(fresh, cluster):
    workflow = submit(fresh, cluster, f"{RUN}/metrics.json")
    job = training_job(workflow, fresh, cluster)
    urgent = (
        "sbatch",
        "--partition=urgent",
        "--exclusive",
        "--time=1",
        "--output=/dev/null",
        "--wrap=sleep 3",
    )
    cluster.command(*urgent)
    wait_for(workflow, fresh, lambda: job in jobs_of(cluster, "PENDING"))
    # Slurm holds a requeued job back for two minutes.
    cluster.command("scontrol", "update", f"JobId={job}", "StartTime=now")
    assert workflow.wait(timeout=PATIENCE_SECONDS) == 0, log_of(fresh)
    assert "Restarts=1" in cluster.command("scontrol", "show", "job", job)
    assert "Trying to restart job" not in log_of(fresh), "no attempt of Snakemake's is spent on it"
    assert_as_undisturbed(fresh)


def test_ctrl_c_cancels_the_jobs_and_the_same_command_continues(fresh, cluster):
    workflow = submit(fresh, cluster, f"{RUN}/metrics.json")
    training_job(workflow, fresh, cluster)
    workflow.send_signal(signal.SIGINT)
    assert workflow.wait(timeout=PATIENCE_SECONDS) != 0
    assert not (fresh.folder / RUN / "metrics.json").exists()
    workflow = submit(fresh, cluster, f"{RUN}/metrics.json")
    assert workflow.wait(timeout=PATIENCE_SECONDS) == 0, log_of(fresh)
    assert stops(fresh) == 1
    assert_as_undisturbed(fresh)
