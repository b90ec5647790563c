"""An interrupted training continues exactly, whatever interrupted it."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from lib.errors import IntegrityError, TrainingStopped
from lib.training.checkpoint import CheckpointStore
from tests.unit.training_samples import (
    StopAt,
    TinyNetwork,
    fit,
    in_child,
    rows,
    wait_until,
    weights_hash,
)


@pytest.mark.parametrize("step", [1, 2, 3, 4, 8, 11])
def test_a_thermal_stop_after_any_step_resumes_to_the_same_bytes(tmp_path, uninterrupted, step):
    with pytest.raises(TrainingStopped, match="too hot"):
        fit(tmp_path, thermal=StopAt(step))
    network, result = fit(tmp_path)
    assert result.resumed
    assert (weights_hash(network), rows(result)) == uninterrupted


# Three steps of 4 micro-batches, then 3 passes of validation.
@pytest.mark.parametrize("forward_pass", [2, 6, 10, 12, 13, 20, 32])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_during_any_forward_pass_resumes_to_the_same_bytes(
    tmp_path, uninterrupted, forward_pass, number
):
    network = TinyNetwork()
    passes = iter(range(1, 1000))

    def send(_):
        if next(passes) == forward_pass:
            os.kill(os.getpid(), number)

    network.fault = send
    with pytest.raises(TrainingStopped, match=f"stopped by {number.name} after step"):
        fit(tmp_path, network)
    network, result = fit(tmp_path)
    assert (weights_hash(network), rows(result)) == uninterrupted


def test_stopping_again_and_again_changes_nothing(tmp_path, uninterrupted):
    for step in (3, 4, 5, 6, 11):
        with pytest.raises(TrainingStopped):
            fit(tmp_path, thermal=StopAt(step))
    network, result = fit(tmp_path)
    assert (weights_hash(network), rows(result)) == uninterrupted


def test_handlers_of_the_caller_are_back_after_training(tmp_path):
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    fit(tmp_path)
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before


def waiting(folder: Path) -> None:
    """Trains, and waits in its 20th forward pass, before its second validation, for what comes."""
    network, passes = TinyNetwork(), iter(range(1, 1000))

    def fault(_: object) -> None:
        if next(passes) == 20:
            (folder / "waits").touch()
            wait_until(lambda: not (folder / "waits").exists())

    network.fault = fault
    try:
        fit(folder, network)
    except TrainingStopped as stop:
        (folder / "reason.txt").write_text(str(stop))


def test_a_process_killed_and_then_terminated_continues_to_the_same_bytes(tmp_path, uninterrupted):
    waits = tmp_path / "waits"

    def hashed(step: str) -> Iterator[Path]:
        """The hash of the checkpoint of a step, which is written after it."""
        return (tmp_path / "state").glob(f"checkpoint-*{step}*.sha256")

    killed = in_child(lambda: waiting(tmp_path))
    wait_until(waits.exists)
    wait_until(lambda: len(list(hashed("s00000003"))) == 1)
    killed.kill()
    killed.wait()
    assert killed.returncode == -signal.SIGKILL

    waits.unlink()
    terminated = in_child(lambda: waiting(tmp_path))
    wait_until(waits.exists)
    wait_until(lambda: len(list(hashed("s00000006"))) == 1)
    terminated.terminate()
    waits.unlink()
    terminated.wait()
    assert "stopped by SIGTERM" in (tmp_path / "reason.txt").read_text()

    network, result = fit(tmp_path)
    assert result.resumed
    assert (weights_hash(network), rows(result)) == uninterrupted


def test_a_finished_training_is_not_repeated(tmp_path):
    first, result = fit(tmp_path)
    again = TinyNetwork(seed=99)
    again.fault = lambda _: pytest.fail("trained again")
    _, same = fit(tmp_path, again)
    assert weights_hash(again) == weights_hash(first)
    assert (same.best_step, same.best_loss, same.history) == (
        result.best_step,
        result.best_loss,
        result.history,
    )


def test_the_machines_choices_of_the_first_start_are_kept(tmp_path, uninterrupted):
    with pytest.raises(TrainingStopped):
        fit(tmp_path, thermal=StopAt(4))
    network, result = fit(tmp_path, micro_batch=16, precision="bf16")
    assert (result.micro_batch, result.precision) == (4, "fp32")
    assert weights_hash(network) == uninterrupted[0]


def test_a_damaged_checkpoint_falls_back_to_the_one_before_and_still_ends_in_the_same_bytes(
    tmp_path, uninterrupted, capsys
):
    with pytest.raises(TrainingStopped):
        fit(tmp_path, thermal=StopAt(8))
    newest = CheckpointStore(tmp_path / "state", 3).checkpoints()[-1]
    content = bytearray(newest.read_bytes())
    content[len(content) // 2] ^= 1
    newest.write_bytes(content)
    network, result = fit(tmp_path)
    message = capsys.readouterr().err
    assert f"{newest}: damaged" in message
    assert "Resuming after step 6" in message
    assert (weights_hash(network), rows(result)) == uninterrupted


def test_damaged_best_weights_cost_one_fallback_and_not_every_later_resume(tmp_path, capsys):
    """At the default interval several checkpoints in a row need the same best weights."""
    long = {
        "runtime": {"checkpoint_every_steps": 15},
        "recipe": {"max_steps": 51, "patience_steps": 51, "learning_rate": 0.03},
    }
    whole, result = fit(tmp_path / "whole", **long)
    with pytest.raises(TrainingStopped):  # after step 45, by then without a better one since long ago
        fit(tmp_path, thermal=StopAt(3 * 15 + 1), **long)
    state = tmp_path / "state"
    (best,) = state.glob("best-*.pt")
    needing = [path for path in state.glob("checkpoint-*.pt") if path.stem.endswith(best.stem[-8:])]
    assert len(needing) == 3, "the case must show several checkpoints that need the same weights"
    content = bytearray(best.read_bytes())
    content[len(content) // 2] ^= 1
    best.write_bytes(content)
    capsys.readouterr()

    with pytest.raises(TrainingStopped):
        fit(tmp_path, thermal=StopAt(3 * 15 + 1), **long)
    message = capsys.readouterr().err
    assert f"{best}: damaged" in message
    assert "Training starts from the beginning" in message
    network, again = fit(tmp_path, **long)
    message = capsys.readouterr().err
    assert "WARNING" not in message
    assert "Resuming after step 46" in message
    assert (weights_hash(network), rows(again)) == (weights_hash(whole), rows(result))


def test_with_all_checkpoints_damaged_training_starts_anew(tmp_path, uninterrupted):
    with pytest.raises(TrainingStopped):
        fit(tmp_path, thermal=StopAt(8))
    for path in (tmp_path / "state").glob("checkpoint-*.pt"):
        path.write_bytes(b"")
    network, result = fit(tmp_path)
    assert not result.resumed
    assert weights_hash(network) == uninterrupted[0]


def test_a_state_of_another_network_is_refused(tmp_path):
    with pytest.raises(TrainingStopped):
        fit(tmp_path, thermal=StopAt(2))
    other = TinyNetwork()
    other.head = torch.nn.Linear(16, 1, bias=False)
    with pytest.raises(IntegrityError, match="does not fit this network"):
        fit(tmp_path, other)


def test_a_resumed_search_hears_the_earlier_validations_again(tmp_path):
    with pytest.raises(TrainingStopped):
        fit(tmp_path, thermal=StopAt(8))
    heard = []
    _, result = fit(tmp_path, report=lambda step, loss: heard.append((step, loss)))
    assert heard == [(row["step"], row["selection_loss"]) for row in result.history]
    assert np.isfinite([loss for _, loss in heard]).all()
