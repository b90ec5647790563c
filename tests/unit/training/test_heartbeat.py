"""Signs of life: written seldom, read by others, and believed only as far as the lock goes."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from filelock import FileLock

from lib.config.training import ThermalConfig
from lib.errors import TrainingStopped
from lib.training.engine import train
from lib.training.heartbeat import EVERY_SECONDS, FILE, Beat, Heart, read_statuses
from lib.training.progress import Progress
from lib.training.thermal import ThermalGuard
from tests.unit.training_samples import TinyNetwork, context, make_samples, recipe
from workflow_scripts.rehearse_heat import curve

ROOT = Path(__file__).parents[3]
BEAT = Beat("base/Aa20/2M/42", 1, 5, 29, 0.5, 1200.0, 71.0, 90.0, 1.0)


def test_a_beat_is_written_at_most_every_two_seconds(tmp_path):
    clock = [0.0]
    heart = Heart(tmp_path, lambda: clock[0])
    heart.beat(BEAT)
    clock[0] = EVERY_SECONDS / 2
    heart.beat(replace(BEAT, step=6))
    assert read_statuses(tmp_path)[0].beat.step == 5
    clock[0] = EVERY_SECONDS
    heart.beat(replace(BEAT, step=7))
    assert read_statuses(tmp_path)[0].beat == replace(BEAT, step=7)


def test_progress_leaves_its_beat_in_the_state_directory(tmp_path):
    Progress(29, "a training", state_dir=tmp_path).update(7, 0.6, 900.0, None)
    [status] = read_statuses(tmp_path)
    assert (status.beat.label, status.beat.step, status.beat.total_steps) == ("a training", 7, 29)


def test_a_training_shows_life_while_it_validates_and_while_it_cools_down(tmp_path):
    """A clock that stands still but for passes through the network and pauses."""
    clock, seen = [0.0], []
    shown = Progress(40, "a training", now=lambda: clock[0], state_dir=tmp_path / "state")
    sensor = tmp_path / "temperature"
    sensor.write_text("90")

    def sleep(seconds: float) -> None:
        clock[0] += seconds
        look()
        if clock[0] > 800:
            sensor.write_text("65")

    def look() -> None:
        seen.extend((status.beat.doing, status.beat.temperature) for status in read_statuses(tmp_path))

    def slow_forward(network: TinyNetwork) -> None:
        look()
        clock[0] += EVERY_SECONDS

    config = ThermalConfig(sensor=f"file:{sensor}", check_every_steps=1, warn=75.0, cooldown_seconds=60.0)
    guard = ThermalGuard.from_config(config, sleep, lambda: clock[0])
    network = TinyNetwork()
    network.fault = slow_forward
    own = context(tmp_path, thermal=guard, progress=shown)
    train(
        network,
        make_samples(),
        make_samples(400, 1),
        "bce",
        recipe(max_steps=40, validate_every_steps=40),
        own,
    )
    look()
    doings = [doing for doing, _ in seen]
    firsts = [doings.index(doing) for doing in ("running", "slowed by heat", "cooling down", "validating")]
    assert firsts == sorted(firsts)
    assert ("cooling down", 90.0) in seen


def test_a_job_runs_only_while_somebody_holds_its_lock(tmp_path):
    folder = tmp_path / "seed42"
    folder.mkdir()
    Heart(folder).beat(BEAT)
    assert [status.running for status in read_statuses(tmp_path)] == [False]
    with FileLock(tmp_path / "seed42.lock"):
        assert [status.running for status in read_statuses(tmp_path)] == [True]
    assert [status.running for status in read_statuses(tmp_path)] == [False]


@pytest.mark.parametrize("content", ["", "{", "[]", '{"label": "x"}'])
def test_a_torn_beat_is_passed_over(tmp_path, content):
    (tmp_path / FILE).write_text(content)
    assert read_statuses(tmp_path) == []


def test_a_disk_that_refuses_never_stops_training(tmp_path):
    Heart(tmp_path / "gone").beat(BEAT)


def test_the_command_shows_running_and_stopped_jobs(tmp_path):
    def shown() -> str:
        done = subprocess.run(
            [sys.executable, "-m", "workflow_scripts.status"],
            cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(ROOT)},
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        return done.stdout

    assert "nothing is being trained" in shown()
    folder = tmp_path / "results" / "state" / "seed42"
    folder.mkdir(parents=True)
    Heart(folder).beat(BEAT)
    assert "stopped" in shown()
    with FileLock(folder.with_name("seed42.lock")):
        text = shown()
    Heart(folder).beat(replace(BEAT, doing="cooling down"))
    with FileLock(folder.with_name("seed42.lock")):
        assert "cooling down" in shown()
    named = tmp_path / "studies" / "ablation" / "results" / "state" / "seed42"
    named.mkdir(parents=True)
    Heart(named).beat(BEAT)
    assert "ablation: base/Aa20/2M/42" in shown()
    for words in ("base/Aa20/2M/42", "running", "5/29", "0.5000", "1,200", "71", "1m30s"):
        assert words in text


def test_a_rehearsed_curve_goes_through_all_bands_and_ends_in_a_stop(tmp_path, capsys):
    sensor, clock = tmp_path / "temperature", [0.0]
    pauses: list[float] = []

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        clock[0] += seconds

    guard = ThermalGuard.from_config(ThermalConfig(sensor=f"file:{sensor}"), sleep, lambda: clock[0])

    def play() -> None:
        for degrees in curve(stop=True):
            sensor.write_text(str(degrees))
            for step in range(5):
                clock[0] += 1.0
                guard.check(step)

    with pytest.raises(TrainingStopped, match=r"9[68]"):
        play()
    said = capsys.readouterr().err
    for words in ("Warm", "Hot", "Cool again"):
        assert words in said
    assert pauses


def test_the_rehearsal_writes_its_curve(tmp_path):
    sensor = tmp_path / "t"
    done = subprocess.run(
        [sys.executable, "-m", "workflow_scripts.rehearse_heat", sensor, "--seconds", "0", "--stop"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == [word for degrees in curve(True) for word in (str(degrees), "°C")]
    assert sensor.read_text() == f"{curve(True)[-1]}\n"
