"""Checkpoints that are written beside the training: the loop goes on, and nothing is lost or mixed up."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

import pytest
import torch

from lib.errors import StudyError, TrainingDiverged, TrainingStopped
from lib.training import checkpoint
from lib.training.checkpoint import CheckpointStore, read_checkpoint
from lib.training.checkpointing import Checkpointing
from lib.training.writer import Writer, host_copy
from tests.unit.training_samples import StopAt, fit, in_child, rows, wait_until, weights_hash


@pytest.fixture
def slow_disk(monkeypatch):
    """Every file takes a third of a second; returns the threads that wrote."""
    threads: list[str] = []
    write = checkpoint.write_checkpoint

    def slowly(path, payload):
        threads.append(threading.current_thread().name)
        time.sleep(0.3)
        write(path, payload)

    monkeypatch.setattr(checkpoint, "write_checkpoint", slowly)
    return threads


def test_a_copy_is_independent_and_written_over_by_the_next():
    turned = torch.arange(6.0).view(2, 3).t()
    value = {
        "a": torch.ones(3),
        "b": [turned, (torch.tensor(2.0), 5, "x", None)],
        "c": torch.ones(2).bfloat16(),
    }
    first = host_copy(value)
    value["a"] += 1
    assert first["a"].tolist() == [1, 1, 1]
    assert torch.equal(first["b"][0], turned)
    assert first["b"][1] == (2.0, 5, "x", None)
    assert (first["c"].dtype, first["c"].tolist()) == (torch.bfloat16, [1, 1])
    place = first["a"].data_ptr()
    second = host_copy(value, first)
    assert (second["a"].tolist(), second["a"].data_ptr()) == ([2, 2, 2], place)
    value["a"] = torch.zeros(4)  # of another shape: nothing to write over
    assert host_copy(value, second)["a"].tolist() == [0, 0, 0, 0]


def test_what_the_work_raised_is_raised_once_where_it_is_waited_for():
    def fail() -> None:
        raise StudyError("no")

    writer = Writer()
    writer.start(fail)
    with pytest.raises(StudyError, match="no"):
        writer.join()
    writer.join()
    writer.start(fail)
    with pytest.raises(StudyError, match="no"):
        writer.start(lambda: None)


def test_the_loop_does_not_wait_for_the_disk(tmp_path, monkeypatch, slow_disk):
    waited: list[float] = []
    save = Checkpointing.save

    def timed(keeper, at):
        begin = time.perf_counter()
        save(keeper, at)
        waited.append(time.perf_counter() - begin)

    monkeypatch.setattr(Checkpointing, "save", timed)
    fit(tmp_path, runtime={"checkpoint_every_steps": 9})
    assert slow_disk == ["checkpoint_0", "MainThread"]  # after step 9, and the result
    assert max(waited) < 0.3


def test_what_is_written_is_the_state_at_the_save_and_not_what_came_after(tmp_path, uninterrupted, slow_disk):
    """Each file is written while training goes on, with new weights and perhaps new best ones."""
    with pytest.raises(TrainingStopped):
        fit(tmp_path, thermal=StopAt(11))
    assert len(CheckpointStore(tmp_path / "state", 3).checkpoints()) == 3
    for path in CheckpointStore(tmp_path / "state", 3).checkpoints()[1:]:  # each in turn as if the last
        path.rename(path.with_name(f"{path.name}.later"))
    network, result = fit(tmp_path)
    assert result.resumed
    assert (weights_hash(network), rows(result)) == uninterrupted


def test_best_weights_that_are_being_written_are_not_written_over(tmp_path, slow_disk):
    network, _ = fit(tmp_path / "other")
    optimizer = torch.optim.AdamW(network.parameters())
    from lib.config.training import Runtime
    from lib.training.checkpoint import Position
    from lib.training.devices import Device

    store = CheckpointStore(tmp_path / "state", 3)
    keeper = Checkpointing(store, network, optimizer, Device.choose(Runtime(device="cpu", threads=1)), {})
    keeper.keep_best()
    best = {name: value.clone() for name, value in keeper.best.items()}
    keeper.save(Position(step=6, best_step=3))
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(1)
    keeper.keep_best()
    assert keeper.writer.busy(), "the case must show best weights that change while they are written"
    keeper.settle()
    found = read_checkpoint(tmp_path / "state" / "best-s00000003.pt")["model"]
    assert all(torch.equal(found[name], best[name]) for name in best)


def test_a_stop_and_a_result_wait_for_what_is_being_written(tmp_path, slow_disk):
    with pytest.raises(TrainingStopped):
        fit(tmp_path, thermal=StopAt(10))  # right after the checkpoint of step 9
    state = tmp_path / "state"
    assert "s00000010" in CheckpointStore(state, 3).checkpoints()[-1].name
    fit(tmp_path)
    assert sorted(path.name for path in state.iterdir()) == [
        "finished.pt",
        "finished.pt.sha256",
        "state.json",
    ]


@pytest.mark.faults("A disk that becomes full while a checkpoint is written", happens="a warning, training goes on, earlier checkpoints stay; killed then, it continues to equal bytes", user="make space; after a kill the same command")  # fmt: skip  # noqa: E501
def test_a_write_that_fails_is_told_and_the_next_is_tried(tmp_path, monkeypatch, uninterrupted, capsys):
    write, tried = checkpoint.write_checkpoint, []

    def once_full(path: Path, payload):
        tried.append(path.name)
        if len(tried) == 1:
            raise StudyError(f"{path}: the checkpoint could not be written (no space is left)")
        write(path, payload)

    monkeypatch.setattr(checkpoint, "write_checkpoint", once_full)
    with pytest.raises(TrainingStopped) as stop:
        fit(tmp_path, thermal=StopAt(8))
    assert "NOT saved" not in str(stop.value)
    assert capsys.readouterr().err.count("could not be written (no space is left)") == 1
    network, result = fit(tmp_path)
    assert result.resumed
    assert (weights_hash(network), rows(result)) == uninterrupted


def test_a_stop_that_cannot_be_saved_says_so(tmp_path, monkeypatch):
    def full(path: Path, payload):
        raise StudyError(f"{path}: no space is left")

    monkeypatch.setattr(checkpoint, "write_checkpoint", full)
    with pytest.raises(TrainingStopped, match=r"NOT saved: .*no space is left"):
        fit(tmp_path, thermal=StopAt(2))


def test_a_divergence_names_the_checkpoint_that_was_still_being_written(tmp_path, slow_disk):
    from tests.unit.training_samples import TinyNetwork

    network = TinyNetwork()
    passes = iter(range(1, 1000))

    def break_weights(broken) -> None:
        if next(passes) == 16:  # the fourth step
            with torch.no_grad():
                broken.head.weight.fill_(float("nan"))

    network.fault = break_weights
    with pytest.raises(TrainingDiverged, match=r"last good checkpoint is .*checkpoint-s00000003"):
        fit(tmp_path, network)


@pytest.mark.faults("SIGKILL while a checkpoint is written", happens="the one before stays in force; continued to equal bytes", user="the same command")  # fmt: skip  # noqa: E501
def test_a_kill_in_the_middle_of_a_write_leaves_the_checkpoint_before(tmp_path, uninterrupted):
    def torn() -> None:
        """The second file stops half-way for ever, as a training that goes on meanwhile."""
        save, files = torch.save, []

        def half(payload, path) -> None:
            files.append(path)
            save(payload, path)
            if len(files) == 2:
                os.truncate(path, path.stat().st_size // 2)
                (tmp_path / "half").touch()
                time.sleep(1000)

        torch.save = half
        fit(tmp_path)

    killed = in_child(torn)
    wait_until((tmp_path / "half").exists)
    killed.kill()
    killed.wait()
    assert killed.returncode == -signal.SIGKILL
    state = tmp_path / "state"
    assert list(state.glob(".*.tmp"))
    assert [path.name[:20] for path in CheckpointStore(state, 3).checkpoints()] == ["checkpoint-s00000003"]
    network, result = fit(tmp_path)
    assert result.resumed
    assert (weights_hash(network), rows(result)) == uninterrupted
