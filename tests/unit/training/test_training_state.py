"""The state directory: one user at a time, and only for the run it was made for."""

from __future__ import annotations

import os
import time

import pytest

from lib.data.io import write_json_atomic
from lib.errors import TrainingStopped
from lib.training.engine import train
from lib.training.state import IDENTITY, open_state, retire, retire_older
from tests.unit.training_samples import TinyNetwork, context, in_child, make_samples, recipe, wait_until


def test_a_second_process_is_kept_out_and_told_why(tmp_path):
    folder, ready = tmp_path / "state", tmp_path / "ready"

    def hold():
        with open_state(folder, "a", timeout=5):
            ready.touch()
            time.sleep(60)

    holder = in_child(hold)
    wait_until(ready.exists)
    with (
        pytest.raises(TrainingStopped, match="another process still trains this run"),
        open_state(folder, "a", timeout=0.1),
    ):
        pytest.fail("entered")
    holder.kill()
    holder.wait()
    with open_state(folder, "a", timeout=5) as state:  # a killed holder leaves no lock behind
        assert state.folder.is_dir()


def test_a_state_says_when_it_was_begun_whatever_pauses_follow(tmp_path):
    folder = tmp_path / "state"
    write_json_atomic(folder / IDENTITY, {"fingerprint": "a", "begun": "2020-01-01T00:00:00+00:00"})
    with open_state(folder, "a") as state:
        assert state.begun == "2020-01-01T00:00:00+00:00", "a run that goes on was begun when it was begun"
    with open_state(folder, "b") as state:
        assert state.begun > "2026", "another run starts over"


def test_one_who_waits_gets_in_when_the_holder_leaves(tmp_path):
    ready = tmp_path / "ready"

    def hold_for_a_moment():
        with open_state(tmp_path / "state", "a"):
            ready.touch()
            time.sleep(0.2)

    holder = in_child(hold_for_a_moment)
    wait_until(ready.exists)
    with open_state(tmp_path / "state", "a", timeout=60):
        pass
    holder.wait()
    assert holder.returncode == 0


def test_a_job_can_hold_the_state_around_its_training(tmp_path):
    with open_state(tmp_path / "state", "f"):
        train(TinyNetwork(), make_samples(), make_samples(40, 1), "bce", recipe(), context(tmp_path))
        assert (tmp_path / "state" / "finished.pt").exists()
        retire(tmp_path / "state")
    assert not (tmp_path / "state").exists()


def test_a_state_that_a_process_holds_is_not_retired(tmp_path):
    ready = tmp_path / "ready"

    def hold() -> None:
        with open_state(tmp_path / "state", "a"):
            ready.touch()
            time.sleep(60)

    holder = in_child(hold)
    wait_until(ready.exists)
    retire(tmp_path / "state")
    assert (tmp_path / "state").exists()
    holder.kill()
    holder.wait()
    retire(tmp_path / "state")
    assert not (tmp_path / "state").exists()


def test_the_states_of_the_runs_done_last_stay_and_those_not_done_all_stay(tmp_path):
    states, outputs = tmp_path / "states", tmp_path / "outputs"
    for number in range(6):
        state = states / "daily" / f"seed{number}"
        state.mkdir(parents=True)
        (state / "finished.pt").touch()
        if number != 0:  # trained, not predicted yet
            outputs.mkdir(exist_ok=True)
            (outputs / state.name).touch()
            os.utime(outputs / state.name, (number, number))
    (states / "daily" / "begun").mkdir()
    aside = states / "daily" / "seed1.aside-1"
    aside.mkdir()
    (aside / "finished.pt").touch()
    retire_older(states, lambda state: outputs / state.name, keep=2)
    left = sorted(path.name for path in (states / "daily").iterdir() if path.is_dir())
    assert left == ["begun", "seed0", "seed1.aside-1", "seed4", "seed5"]


def test_a_state_of_other_parameters_is_set_aside_and_never_resumed(tmp_path, capsys):
    arguments = make_samples(), make_samples(40, 1), "bce", recipe()
    train(TinyNetwork(), *arguments, context(tmp_path, fingerprint="old"))
    result = train(TinyNetwork(), *arguments, context(tmp_path, fingerprint="new"))
    assert not result.resumed
    assert (tmp_path / "state.aside-1" / "finished.pt").exists()
    assert "made with other parameters or data" in capsys.readouterr().err
    again = train(TinyNetwork(), *arguments, context(tmp_path, fingerprint="old"))
    assert not again.resumed
    assert sorted(path.name for path in tmp_path.glob("state.aside-*")) == ["state.aside-1", "state.aside-2"]


@pytest.mark.parametrize("identity", [None, "", "[]", '{"other": 1}'])
def test_a_state_that_does_not_say_whose_it_is_is_set_aside(tmp_path, identity):
    folder = tmp_path / "state"
    folder.mkdir()
    (folder / "checkpoint-e00001-s00000001-b00000.pt").write_bytes(b"?")
    if identity is not None:
        (folder / "state.json").write_text(identity)
    with open_state(folder, "a"):
        assert [path.name for path in folder.iterdir()] == ["state.json"]
    assert (tmp_path / "state.aside-1").is_dir()
