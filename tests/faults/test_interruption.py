"""A training that is interrupted continues, and ends in the same bytes as one that was not."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator

import psutil
import pytest
from hurt import flip
from random_kills import know_batch_size

from tests.conftest import PATIENCE_SECONDS, ROOT, Project, make_project

RUN = "results/runs/base/Aa20/daily/direction/h5/patchtst-mixed/2M/seed1"
STATE = "results/state/runs/base/Aa20/daily/direction/h5/patchtst-mixed/2M/seed1"
RESULTS = ("metrics.json", "predictions/val.parquet", "predictions/test.parquet", "model/weights.safetensors")
TRAINING = {
    "max_steps": 120,
    "patience_steps": 120,
    "checkpoint_every_steps": 10,
    "lock_timeout_seconds": PATIENCE_SECONDS,
}
THERMAL = {
    "sensor": "file:temperature",
    "check_every_steps": 1,
    "monitor": 55,
    "warn": 60,  # so low that the training slows down to the limit at once when it is hot
    "cooldown_seconds": 1,
    "max_cooldowns": 1000,
}


@pytest.fixture(scope="module")
def trained(tmp_path_factory, market) -> Project:
    """A project whose one run was trained without any interruption, its results kept aside."""
    project = make_project(tmp_path_factory.mktemp("faults"), market)
    project.experiment(models=["patchtst-mixed"], budgets=["2M"])
    know_batch_size(project, "patchtst-mixed")
    show(project, 50)
    project.study(
        training=TRAINING,
        thermal=THERMAL,
    )
    done = project.snakemake(f"{RUN}/metrics.json")
    assert done.returncode == 0, done.stdout
    shutil.copytree(project.folder / RUN, project.folder / "undisturbed")
    return project


@pytest.fixture
def fresh(trained: Project) -> Iterator[Project]:
    """The project with its data and batch size, and nothing of the run."""
    for name in ("results/runs", "results/state"):
        shutil.rmtree(trained.folder / name, ignore_errors=True)
    show(trained, 50)
    yield trained
    assert not list((trained.folder / "results").rglob("*.tmp"))


def show(project: Project, degrees: float) -> None:
    """A temperature for the file sensor."""
    temporary = project.folder / "temperature.new"
    temporary.write_text(str(degrees))
    temporary.replace(project.folder / "temperature")


def begin(project: Project, *arguments: str, log: str = "interrupted.log") -> subprocess.Popen[str]:
    """A workflow in a process group of its own."""
    with (project.folder / log).open("w") as file:
        return subprocess.Popen(
            project.command(*arguments, f"{RUN}/metrics.json"),
            cwd=project.folder,
            env=project.environment,
            stdout=file,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )


def start(project: Project) -> subprocess.Popen[str]:
    """A workflow whose training has written a checkpoint.

    From then on it is hot, so that the training pauses and cannot be over before it is interrupted.
    """
    process = begin(project)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not list((project.folder / STATE).glob("**/checkpoint-*.sha256")):
        assert process.poll() is None, (project.folder / "interrupted.log").read_text()
        assert time.monotonic() < deadline, "no checkpoint appeared"
        time.sleep(0.02)
    show(project, 88)
    return process


def training_process(workflow: subprocess.Popen[str]) -> psutil.Process:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        for child in psutil.Process(workflow.pid).children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess):
                if any(".train.py" in word for word in child.cmdline()) and "bash" not in child.name():
                    return child
        assert workflow.poll() is None
        assert time.monotonic() < deadline, "no training appeared"
        time.sleep(0.05)


def finish(project: Project, *arguments: str) -> None:
    """The same command again; the results must be those of the undisturbed run."""
    assert not (project.folder / RUN / "metrics.json").exists(), (
        "the interruption came too late to test anything"
    )
    show(project, 50)
    done = project.snakemake("--rerun-incomplete", *arguments, f"{RUN}/metrics.json")
    assert done.returncode == 0, done.stdout
    provenance = (project.folder / RUN / "provenance.json").read_text()
    assert '"resumed": true' in provenance, "it continued, it did not start again"
    for name in RESULTS:
        ours, theirs = project.folder / RUN / name, project.folder / "undisturbed" / name
        assert ours.read_bytes() == theirs.read_bytes(), name
    assert not (project.folder / STATE).exists(), "state is pruned after success"


@pytest.mark.faults("SIGKILL of a training, as the out-of-memory killer sends it", happens="continued from the last checkpoint to equal bytes", user="the same command")  # fmt: skip  # noqa: E501
def test_sigkill_of_the_training(fresh):
    workflow = start(fresh)
    training_process(workflow).kill()
    assert workflow.wait(timeout=PATIENCE_SECONDS) != 0
    finish(fresh)


@pytest.mark.slow
@pytest.mark.faults("SIGKILL of a training that has written all its outputs", happens="Snakemake deletes them; made again from the kept result to equal bytes, nothing is trained twice", user="the same command")  # fmt: skip  # noqa: E501
def test_sigkill_after_the_last_output(fresh):
    workflow = begin(fresh)
    training, last = training_process(workflow), fresh.folder / RUN / "provenance.json"
    while not last.exists():
        assert workflow.poll() is None, (fresh.folder / "interrupted.log").read_text()
        time.sleep(0.001)
    history = last.with_name("history.parquet")
    before = history.read_bytes()
    training.kill()
    assert workflow.wait(timeout=PATIENCE_SECONDS) != 0
    assert not last.exists(), "Snakemake deletes what a failed job wrote"
    finish(fresh)
    assert history.read_bytes() == before, "with the same timings: nothing was trained again"


@pytest.mark.slow
@pytest.mark.faults("Ctrl-C during a training", happens="continued from a checkpoint of that moment to equal bytes", user="the same command")  # fmt: skip  # noqa: E501
def test_ctrl_c(fresh):
    workflow = start(fresh)
    os.killpg(workflow.pid, signal.SIGINT)
    assert workflow.wait(timeout=PATIENCE_SECONDS) != 0
    finish(fresh)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
@pytest.mark.faults(
    "SIGTERM and SIGHUP of a training",
    happens="continued from a checkpoint of that moment to equal bytes",
    user="the same command",
)
def test_a_training_that_is_told_to_end_saves_first(fresh, number):
    workflow = start(fresh)
    training_process(workflow).send_signal(number)
    assert workflow.wait(timeout=PATIENCE_SECONDS) != 0
    assert "the same command continues" in (fresh.folder / "interrupted.log").read_text()
    finish(fresh)


@pytest.mark.slow
@pytest.mark.faults("Heat above the limit", happens="checkpoint, stop with a message", user="the same command when it is cool")  # fmt: skip  # noqa: E501
def test_a_thermal_stop(fresh):
    workflow = start(fresh)
    show(fresh, 99)
    assert workflow.wait(timeout=PATIENCE_SECONDS) != 0
    log = (fresh.folder / "interrupted.log").read_text()
    assert "99" in log
    assert "--rerun-incomplete" in log
    assert "Traceback" not in log
    finish(fresh)


@pytest.mark.slow
@pytest.mark.faults("SIGKILL of everything during a training", happens="continued from the last checkpoint to equal bytes", user="`snakemake --unlock`, then the same command")  # fmt: skip  # noqa: E501
def test_sigkill_of_everything_needs_an_unlock(fresh):
    workflow = start(fresh)
    os.killpg(workflow.pid, signal.SIGKILL)
    workflow.wait()
    locked = fresh.snakemake(f"{RUN}/metrics.json")
    assert locked.returncode != 0
    assert "unlock" in locked.stdout.lower()
    assert fresh.snakemake("--unlock").returncode == 0
    finish(fresh)


@pytest.mark.slow
@pytest.mark.faults(
    "Snakemake is killed and started again while its training lives on (an orphan)",
    happens="the new job waits for the orphan's lock; one writer at a time, one whole result, equal bytes",
    user="`snakemake --unlock`, then the same command",
)
def test_a_training_whose_snakemake_was_killed_is_waited_for(fresh):
    first = start(fresh)
    orphan = training_process(first)
    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    assert orphan.is_running(), "it pauses, because it is hot"
    assert fresh.snakemake("--unlock").returncode == 0
    second = begin(fresh, "--rerun-incomplete", log="second.log")
    waiting = training_process(second)
    time.sleep(10)  # importing PyTorch takes less; after that it waits for the lock
    assert orphan.is_running()
    assert waiting.is_running()
    assert not (fresh.folder / RUN / "predictions" / "test.parquet").exists()
    show(fresh, 50)
    orphan.wait(timeout=PATIENCE_SECONDS)
    assert second.wait(timeout=PATIENCE_SECONDS) == 0, (fresh.folder / "second.log").read_text()
    for name in RESULTS:
        ours, theirs = fresh.folder / RUN / name, fresh.folder / "undisturbed" / name
        assert ours.read_bytes() == theirs.read_bytes(), name


@pytest.mark.slow
@pytest.mark.faults("A configuration changed between kill and restart", happens="the old state is set aside with a warning, never resumed", user="nothing")  # fmt: skip  # noqa: E501
def test_a_state_of_other_parameters_is_set_aside_and_not_resumed(fresh):
    workflow = start(fresh)
    training_process(workflow).kill()
    workflow.wait(timeout=PATIENCE_SECONDS)
    show(fresh, 50)
    fresh.study(
        training=TRAINING | {"max_steps": 10},
        thermal=THERMAL,
    )
    done = fresh.snakemake(f"{RUN}/metrics.json")
    fresh.study(
        training=TRAINING,
        thermal=THERMAL,
    )
    assert done.returncode == 0, done.stdout
    assert "training starts over" in done.stdout
    assert '"resumed": false' in (fresh.folder / RUN / "provenance.json").read_text()
    assert [p for p in (fresh.folder / STATE).parent.iterdir() if "aside" in p.name]


@pytest.mark.faults("A flipped byte in stored weights", happens="named by `make verify`; the model does not load", user="delete the run's folder, then the same command")  # fmt: skip  # noqa: E501
def test_verify_names_a_flipped_byte(trained: Project, tmp_path):
    # Of a copy: the other tests compare their runs with this one.
    shutil.copytree(trained.folder / "undisturbed", tmp_path / "results" / "runs" / "one")
    flip(next(tmp_path.rglob("weights.safetensors")))
    done = subprocess.run(
        [trained.command()[0], "-m", "workflow_scripts.verify"],
        cwd=tmp_path,
        env=trained.environment | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "weights.safetensors: its content differs" in done.stdout


CURVE = ("50", "75", "88", "91", "80", "60", "nan", "-40", "300", "", None, "55", "86", "65")
"""Up through all bands and down; then a sensor that lies, is empty, vanishes, and is back."""


@pytest.mark.slow
@pytest.mark.faults(
    "Heat through all bands during a real training; then a sensor that lies, vanishes and is back",
    happens="pauses and warnings, no stop; the same bytes as without",
    user="nothing",
)
def test_heat_and_a_lying_sensor_change_no_number(fresh, record_property) -> None:
    path, study = fresh.folder / "temperature", (fresh.folder / "study.yaml").read_text()
    fresh.study(training=TRAINING, thermal=THERMAL | {"cooldown_seconds": 0.05})
    workflow, shown = start(fresh), 0
    while workflow.poll() is None:
        degrees = CURVE[shown % len(CURVE)]
        shown += 1
        temporary = path.with_suffix(".new")
        if degrees is None:
            path.unlink(missing_ok=True)
        else:
            temporary.write_text(degrees)
            temporary.replace(path)
        time.sleep(0.1)
    (fresh.folder / "study.yaml").write_text(study)
    log = (fresh.folder / "interrupted.log").read_text()
    assert workflow.returncode == 0, log
    assert shown > len(CURVE), "the training was over before the curve was"
    assert log.count("implausible temperature") == 1, log
    for name in RESULTS:
        ours, theirs = fresh.folder / RUN / name, fresh.folder / "undisturbed" / name
        assert ours.read_bytes() == theirs.read_bytes(), name
    assert json.loads((fresh.folder / RUN / "provenance.json").read_text())["temperature_pause_seconds"] > 0
    record_property("times", shown // len(CURVE))
