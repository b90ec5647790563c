"""Checkpoint files: whole or not at all, harmless, and no more of them than needed."""

from __future__ import annotations

import hashlib
import os
import pickle
import subprocess
from pathlib import Path

import pytest
import torch

from lib.errors import IntegrityError, StudyError
from lib.training import checkpoint
from lib.training.checkpoint import (
    FORMAT,
    CheckpointStore,
    Position,
    read_checkpoint,
    write_checkpoint,
)
from lib.training.engine import train
from tests.unit.training_samples import TinyNetwork, context, make_samples, recipe


def payload(value: float = 0.0) -> dict:
    return {
        "format": FORMAT,
        "model": {"w": torch.full((100,), value)},
        "plain": [1, 2.5, None, "text", (1, 2)],
    }


def test_what_is_written_is_read_again(tmp_path):
    write_checkpoint(tmp_path / "a.pt", payload(3.0))
    found = read_checkpoint(tmp_path / "a.pt")
    assert torch.equal(found["model"]["w"], torch.full((100,), 3.0))
    assert found["plain"] == [1, 2.5, None, "text", (1, 2)]


def test_sha256sum_can_check_the_hash_file(tmp_path):
    write_checkpoint(tmp_path / "a.pt", payload())
    text = (tmp_path / "a.pt.sha256").read_text()
    assert text == f"{hashlib.sha256((tmp_path / 'a.pt').read_bytes()).hexdigest()}  a.pt\n"


@pytest.mark.faults("A checkpoint that is torn, altered or without its hash", happens="noticed; the one before it is taken", user="nothing")  # fmt: skip  # noqa: E501
def test_one_flipped_bit_is_noticed(tmp_path):
    write_checkpoint(tmp_path / "a.pt", payload())
    flip_a_bit(tmp_path / "a.pt")
    with pytest.raises(IntegrityError, match="damaged"):
        read_checkpoint(tmp_path / "a.pt")


@pytest.mark.faults("A checkpoint that is torn, altered or without its hash", happens="noticed; the one before it is taken", user="nothing")  # fmt: skip  # noqa: E501
def test_a_file_without_its_hash_counts_as_not_whole(tmp_path):
    write_checkpoint(tmp_path / "a.pt", payload())
    (tmp_path / "a.pt.sha256").unlink()
    with pytest.raises(IntegrityError, match="not whole"):
        read_checkpoint(tmp_path / "a.pt")


class Malicious:
    def __init__(self, proof: Path) -> None:
        self.proof = proof

    def __reduce__(self):
        return os.system, (f"touch {self.proof}",)


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
@pytest.mark.parametrize("writer", ["torch", "pickle"])
@pytest.mark.faults("A malicious checkpoint (pickle that runs code)", happens="refused; nothing is run", user="delete the file")  # fmt: skip  # noqa: E501
def test_a_pickle_that_would_run_code_is_refused_and_not_run(tmp_path, writer):
    path, proof = tmp_path / "a.pt", tmp_path / "proof"
    content = {"format": FORMAT, "model": Malicious(proof)}
    if writer == "torch":
        torch.save(content, path)
    else:
        path.write_bytes(pickle.dumps(content))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    (tmp_path / "a.pt.sha256").write_text(f"{digest}  a.pt\n")
    with pytest.raises(IntegrityError, match="refused"):
        read_checkpoint(path)
    assert not proof.exists()
    subprocess.run(Malicious(proof).__reduce__()[1][0], shell=True, check=True)
    assert proof.exists()  # the attack itself works


def test_only_the_newest_are_kept_with_the_best_weights_they_need(tmp_path):
    store = CheckpointStore(tmp_path, keep=2)
    best = {"w": torch.ones(3)}
    for step, best_step in [(10, 10), (20, 10), (30, 30), (40, 30), (50, 30)]:
        at = Position(step=step, best_step=best_step)
        store.save(payload(float(step)), at, None if step == best_step else best)
    assert sorted(path.name for path in tmp_path.glob("*.pt")) == [
        "best-s00000030.pt",
        "checkpoint-s00000040-b00000030.pt",
        "checkpoint-s00000050-b00000030.pt",
    ]
    newest, kept_best = store.latest()
    assert newest["model"]["w"][0] == 50
    assert torch.equal(kept_best["w"], best["w"])


@pytest.mark.faults("A checkpoint that is torn, altered or without its hash", happens="noticed; the one before it is taken", user="nothing")  # fmt: skip  # noqa: E501
def test_a_checkpoint_whose_best_weights_are_lost_is_skipped(tmp_path, capsys):
    store = CheckpointStore(tmp_path, keep=3)
    store.save(payload(1.0), Position(step=1, best_step=1), None)
    store.save(payload(2.0), Position(step=2, best_step=1), {"w": torch.ones(3)})
    (tmp_path / "best-s00000001.pt").unlink()
    found, best = store.latest()
    assert (found["model"]["w"][0], best) == (1, None)
    assert "best-s00000001.pt: not whole" in capsys.readouterr().err


@pytest.mark.faults("A checkpoint that is torn, altered or without its hash", happens="noticed; the one before it is taken", user="nothing")  # fmt: skip  # noqa: E501
def test_damaged_best_weights_are_set_aside_with_all_that_need_them_and_written_anew(tmp_path, capsys):
    best = {"w": torch.ones(3)}

    def positions(*steps: int):
        return [Position(step=step, best_step=2) for step in steps]

    store = CheckpointStore(tmp_path, keep=3)
    for at in positions(5, 10, 15):
        store.save(payload(float(at.step)), at, best)
    flip_a_bit(tmp_path / "best-s00000002.pt")
    resumed = CheckpointStore(tmp_path, keep=3)
    assert resumed.latest() is None
    message = capsys.readouterr().err
    assert message.count("best-s00000002.pt: damaged") == 1
    assert message.count("useless without the weights of step 2") == 3
    assert "no usable checkpoint is left" in message
    assert (tmp_path / "best-s00000002.pt.damaged").exists()

    for at in positions(5, 10):
        resumed.save(payload(float(at.step)), at, best)
    newest, found = CheckpointStore(tmp_path, keep=3).latest()
    assert newest["model"]["w"][0] == 10
    assert torch.equal(found["w"], best["w"])
    assert capsys.readouterr().err == ""


def test_a_best_file_that_nothing_vouches_for_is_written_anew(tmp_path):
    """It may be damaged as well as the checkpoint that named it."""
    store = CheckpointStore(tmp_path, keep=3)
    store.save(payload(1.0), Position(step=1, best_step=1), None)
    store.save(payload(3.0), Position(step=3, best_step=2), {"w": torch.ones(3)})
    for path in (store.checkpoints()[-1], tmp_path / "best-s00000002.pt"):
        flip_a_bit(path)
    resumed = CheckpointStore(tmp_path, keep=3)
    assert resumed.latest()[0]["model"]["w"][0] == 1
    resumed.save(payload(3.0), Position(step=3, best_step=2), {"w": torch.ones(3)})
    newest, best = CheckpointStore(tmp_path, keep=3).latest()
    assert (newest["model"]["w"][0], best["w"][0]) == (3, 1)


def flip_a_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[600] ^= 1
    path.write_bytes(content)


def test_leftovers_of_a_killed_writer_are_removed(tmp_path):
    leftover = tmp_path / ".checkpoint-s00000001-b00000000.pt.123.tmp"
    leftover.write_bytes(b"half")
    assert CheckpointStore(tmp_path, 3).latest() is None
    assert not leftover.exists()


def test_after_training_only_the_result_is_left(tmp_path):
    train(TinyNetwork(), make_samples(), make_samples(40, 1), "bce", recipe(), context(tmp_path))
    names = sorted(path.name for path in (tmp_path / "state").iterdir())
    assert names == ["finished.pt", "finished.pt.sha256", "state.json"]


def test_of_large_models_one_checkpoint_is_kept(tmp_path):
    large = torch.nn.Linear(10_001, 10_001, device="meta")
    assert [CheckpointStore.of(network, tmp_path, 3).keep for network in (large, TinyNetwork())] == [1, 3]


@pytest.mark.faults("Too little disk for the checkpoints", happens="refused before training, with the need", user="make space, or keep fewer checkpoints")  # fmt: skip  # noqa: E501
def test_too_little_disk_space_is_told_before_training_starts(tmp_path, monkeypatch):
    network = TinyNetwork()
    network.fault = lambda _: pytest.fail("trained")
    usage = type("Usage", (), {"free": 5_000_000})
    monkeypatch.setattr(checkpoint.shutil, "disk_usage", lambda _: usage)
    network.head.register_buffer("ballast", torch.zeros(1_000_000))
    with pytest.raises(StudyError, match=r"need up to 0\.03 GB, free are 0\.01 GB.*keep_checkpoints: 3"):
        train(network, make_samples(), make_samples(40, 1), "bce", recipe(), context(tmp_path))


@pytest.mark.parametrize("averaged", [False, True])
def test_the_stated_disk_need_is_enough_and_not_exaggerated(tmp_path, averaged):
    network = torch.nn.Linear(500, 500)
    optimizer = torch.optim.AdamW(network.parameters())
    network(torch.ones(1, 500)).sum().backward()
    optimizer.step()
    store = CheckpointStore(tmp_path, keep=3)
    need = store.require_space(network, averaged)
    most = 0
    for step in range(1, 8):
        content = {"model": network.state_dict(), "optimizer": optimizer.state_dict()}
        content |= {"average": list(network.parameters())} if averaged else {}
        at = Position(step=step, best_step=max(1, step - 1))
        store.save(content, at, network.state_dict())
        most = max(most, sum(path.stat().st_size for path in tmp_path.iterdir()))
    assert need / 2 < most <= need
