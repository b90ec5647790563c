"""A pack survives what befalls one of its members, and a kill between any two of its writes."""

from __future__ import annotations

import os
import random
import shutil
import signal
import time
from collections import namedtuple
from dataclasses import replace

import numpy as np
import pytest
import torch
from pack_samples import SEEDS, SELECTION, TRAIN, Network, losses, members, outcome, run_of
from training_samples import in_child, recipe

from lib.errors import StudyError, TrainingDiverged, TrainingStopped
from lib.training import checkpoint, pack, pack_state
from lib.training.engine import train
from lib.training.pack import train_together

WILD = recipe(max_epochs=6, learning_rate=0.3, explosion_factor=2.0)
"""With it the loss of seed 5 explodes in its second or a later epoch; those of 3 and 4 do not."""
DIVERGES = 5
WAYS = {
    "all end together": (recipe(), {}),
    "they stop early, one by one": (recipe(max_epochs=12, patience=2, learning_rate=5e-2), {}),
    "one diverges": (WILD, {}),
    "saved every third epoch": (
        recipe(max_epochs=8, patience=3, learning_rate=5e-2),
        {"checkpoint_every_epochs": 3},
    ),
    "one checkpoint is kept": (recipe(), {"keep_checkpoints": 1}),
}


class Killed(BaseException):
    """Nothing handles it, so what is on the disk is what a SIGKILL would have left."""


@pytest.fixture(autouse=True)
def no_fault():
    Network.fault = None
    yield
    Network.fault = None


@pytest.fixture
def kill_before_write(monkeypatch):
    """Counts the files that are written for good; dies before one of them."""
    count = {"written": 0, "last": 10**9}

    def counted(write):
        def instead(*arguments):
            if count["written"] == count["last"]:
                raise Killed
            count["written"] += 1
            return write(*arguments)

        return instead

    monkeypatch.setattr(os, "fsync", lambda descriptor: None)  # matters to power cuts only, and is slow
    monkeypatch.setattr(checkpoint, "write_checkpoint", counted(checkpoint.write_checkpoint))
    monkeypatch.setattr(pack_state, "write_json_atomic", counted(pack_state.write_json_atomic))
    return count


@pytest.mark.parametrize("way", WAYS)
def test_a_kill_between_any_two_writes_changes_no_byte(tmp_path, kill_before_write, way, capsys):
    chosen, runtime = WAYS[way]
    whole = members(tmp_path / "whole", runtime=runtime)
    expected = outcome(whole, train_together(whole, "bce", chosen))
    writes = kill_before_write["written"]
    assert writes > 12
    assert (expected[DIVERGES] is None) == (way == "one diverges")
    for last in range(writes):
        folder = tmp_path / str(last)
        kill_before_write.update(written=0, last=last)
        with pytest.raises(Killed):
            train_together(members(folder, runtime=runtime), "bce", chosen)
        kill_before_write.update(written=0, last=10**9)
        # Another member's job may be the first to go on; the diverging one must not lead here.
        seeds = SEEDS if last % 2 else (4, 3, 5)
        begun = _of_the_pack(folder, seeds)
        again = members(folder, begun, runtime=runtime)
        found = outcome(again, train_together(again, "bce", chosen))
        assert found == {seed: expected[seed] for seed in begun}, f"killed before write {last}"
        shutil.rmtree(folder)
    assert "catch up" not in capsys.readouterr().err


def _of_the_pack(folder, seeds):
    """The members that the first one's job would train with it."""
    own = run_of(folder, seeds[0])
    before = pack_state.partners(own.state_dir, own.fingerprint)
    return [seed for seed in seeds if not before or str(seed) in before]


def test_two_kills_in_a_row_change_no_byte(tmp_path, kill_before_write):
    whole = members(tmp_path / "whole")
    expected = outcome(whole, train_together(whole, "bce", recipe()))
    for second in range(1, 12):
        folder = tmp_path / str(second)
        for last in (11, second):
            kill_before_write.update(written=0, last=last)
            with pytest.raises(Killed):
                train_together(members(folder), "bce", recipe())
        kill_before_write.update(written=0, last=10**9)
        again = members(folder)
        assert outcome(again, train_together(again, "bce", recipe())) == expected


def test_a_sigkill_at_random_moments_changes_no_byte(tmp_path):
    chosen = recipe(max_epochs=8)
    whole = members(tmp_path / "whole")
    began = time.perf_counter()
    expected = outcome(whole, train_together(whole, "bce", chosen))
    took = time.perf_counter() - began
    stream = random.Random(20261128)
    moments = [stream.uniform(0, took) for _ in range(6)]
    for number, moment in enumerate(moments):
        folder = tmp_path / str(number)
        child = in_child(lambda folder=folder: train_together(members(folder), "bce", chosen))
        child.join(moment)
        child.kill()
        child.join()
        again = members(folder)
        assert outcome(again, train_together(again, "bce", chosen)) == expected, (moment, took)


def test_members_whose_mid_epoch_save_was_killed_go_back_together(tmp_path, capsys):
    whole = members(tmp_path / "whole")
    expected = outcome(whole, train_together(whole, "bce", recipe()))
    _stop_in_forward_pass(44, tmp_path)
    kept = sorted((tmp_path / str(SEEDS[-1]) / "state").glob("checkpoint-*.pt"))
    kept[-1].unlink()
    again = members(tmp_path)
    assert outcome(again, train_together(again, "bce", recipe())) == expected
    assert capsys.readouterr().err.count("goes back from step") == 2


def test_a_damaged_checkpoint_takes_the_whole_pack_back(tmp_path):
    whole = members(tmp_path / "whole")
    expected = outcome(whole, train_together(whole, "bce", recipe()))
    _stop_in_forward_pass(44, tmp_path)
    newest = sorted((tmp_path / str(SEEDS[1]) / "state").glob("checkpoint-*.pt"))[-1]
    newest.write_bytes(newest.read_bytes()[:-100])
    again = members(tmp_path)
    assert outcome(again, train_together(again, "bce", recipe())) == expected


def _stop_in_forward_pass(number, folder):
    passes = iter(range(1, 1000))

    def send():
        if next(passes) == number:
            os.kill(os.getpid(), signal.SIGTERM)

    Network.fault = send
    with pytest.raises(TrainingStopped):
        train_together(members(folder), "bce", recipe())
    Network.fault = None


def test_a_run_begun_alone_is_caught_up_with_and_that_is_said(tmp_path, capsys):
    first, second = SEEDS[:2]
    alone = Network(first)
    Network.fault = _stop_after(30)
    with pytest.raises(TrainingStopped):
        train(alone, TRAIN, SELECTION, "bce", recipe(), run_of(tmp_path, first))
    Network.fault = None
    both = members(tmp_path, (first, second))
    results = train_together(both, "bce", recipe())
    assert "Those behind catch up alone" in capsys.readouterr().err
    for seed, result in zip((first, second), results, strict=True):
        other = train(Network(seed), TRAIN, SELECTION, "bce", recipe(), run_of(tmp_path / "alone", seed))
        torch.testing.assert_close(losses(result), losses(other), rtol=1e-4, atol=1e-6)


def _stop_after(passes):
    left = iter(range(passes, -1, -1))

    def send():
        if next(left, -1) == 0:
            os.kill(os.getpid(), signal.SIGTERM)

    return send


def test_a_companion_that_diverges_leaves_and_the_others_become_what_they_become_alone(tmp_path, capsys):
    together = members(tmp_path)
    results = train_together(together, "bce", WILD)
    assert [result is None for result in results] == [False, False, True]
    told = capsys.readouterr().err
    assert f"{tmp_path / str(DIVERGES) / 'state'}: left out" in told
    assert "times the first epoch's mean" in told
    for seed, result in zip(SEEDS[:2], results[:2], strict=True):
        alone = train(Network(seed), TRAIN, SELECTION, "bce", WILD, run_of(tmp_path / "alone", seed))
        torch.testing.assert_close(losses(result), losses(alone), rtol=1e-2, atol=1e-3)
    # Its own job trains it alone, from its last good checkpoint, and says what is wrong.
    own = run_of(tmp_path, DIVERGES)
    assert pack_state.partners(own.state_dir, own.fingerprint) == {str(DIVERGES)}
    with pytest.raises(TrainingDiverged, match="last good checkpoint is"):
        train(Network(DIVERGES), TRAIN, SELECTION, "bce", WILD, own)


def test_bad_data_of_one_companion_do_not_harm_the_others(tmp_path, capsys):
    matrix = TRAIN.matrix.copy()
    matrix[40] = np.nan
    sound = members(tmp_path, SEEDS[:2])
    bad = replace(members(tmp_path, SEEDS[2:])[0], train=replace(TRAIN, matrix=matrix))
    results = train_together([sound[0], bad, sound[1]], "bce", recipe())
    assert [result is None for result in results] == [False, True, False]
    assert "Cause: the data" in capsys.readouterr().err
    clean = members(tmp_path / "clean", SEEDS[:2])
    for one, other in zip(results[::2], train_together(clean, "bce", recipe()), strict=True):
        torch.testing.assert_close(losses(one), losses(other), rtol=1e-4, atol=1e-6)


def test_a_leader_that_diverges_is_reported_and_the_others_go_on_from_there(tmp_path):
    order = (DIVERGES, 3, 4)
    with pytest.raises(TrainingDiverged):
        train_together(members(tmp_path, order), "bce", WILD)
    whole = members(tmp_path / "whole")
    expected = outcome(whole, train_together(whole, "bce", WILD))
    own = run_of(tmp_path, 3)
    assert pack_state.partners(own.state_dir, own.fingerprint) == {"3", "4"}
    again = members(tmp_path, (3, 4))
    assert outcome(again, train_together(again, "bce", WILD)) == {seed: expected[seed] for seed in (3, 4)}


def test_a_companion_whose_state_does_not_fit_is_left_out(tmp_path, capsys):
    _stop_in_forward_pass(20, tmp_path)
    changed = members(tmp_path)
    changed[1].network.head = torch.nn.Linear(16, 2)
    results = train_together(changed, "bce", recipe())
    assert [result is None for result in results] == [False, True, False]
    assert "does not fit this network" in capsys.readouterr().err


def test_a_companion_that_cannot_be_saved_is_trained_all_the_same(tmp_path, monkeypatch, capsys):
    write = checkpoint.write_checkpoint

    def full(path, payload):
        if path.parent.parent.name == str(SEEDS[1]):
            raise StudyError(f"{path}: no space is left.")
        write(path, payload)

    monkeypatch.setattr(checkpoint, "write_checkpoint", full)
    results = train_together(members(tmp_path), "bce", recipe())
    assert [result.epochs for result in results] == [4, 4, 4]
    assert "no space is left" in capsys.readouterr().err


def test_the_disk_must_hold_the_checkpoints_of_all_members(tmp_path, monkeypatch):
    one = members(tmp_path / "one", SEEDS[:1])[0]
    need = checkpoint.CheckpointStore(tmp_path, keep=3).most_bytes(one.network)
    usage = namedtuple("usage", "total used free")

    def with_free(free):
        monkeypatch.setattr(pack.shutil, "disk_usage", lambda folder: usage(0, 0, free))

    with_free(2 * need)
    with pytest.raises(StudyError, match="the 3 runs that are trained together need"):
        train_together(members(tmp_path), "bce", recipe())
    with_free(3 * need)
    assert len(train_together(members(tmp_path), "bce", recipe())) == 3
