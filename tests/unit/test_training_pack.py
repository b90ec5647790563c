"""Runs trained together end as if each had been trained alone, and survive what single runs survive."""

from __future__ import annotations

import os
import signal

import pytest
import torch
from pack_samples import SEEDS, SELECTION, TRAIN, Network, losses, members, run_of
from training_samples import CHANNELS, LENGTH, context, make_samples, recipe, weights_hash

from lib.errors import ModelError, TrainingStopped
from lib.training import layers
from lib.training.context import OUTPUTS
from lib.training.engine import train
from lib.training.pack import Member, train_together


@pytest.fixture(autouse=True)
def no_fault():
    Network.fault = None
    yield
    Network.fault = None


@pytest.mark.parametrize("own_dropout", [True, False])
def test_each_member_becomes_what_it_becomes_alone(tmp_path, monkeypatch, own_dropout):
    """Other windows, other dropout, other weights for each seed; early stopping ends them one by one.

    Without the project's own dropout PyTorch's kernel is used, as on an accelerator.
    """
    if not own_dropout:
        monkeypatch.setattr(layers, "_draws_bytes", lambda device: False)
    chosen = recipe(max_epochs=12, patience=2, learning_rate=5e-2)
    pack = members(tmp_path / "pack")
    together = train_together(pack, "bce", chosen)
    assert len({result.epochs for result in together}) > 1, "the case must show members that end apart"
    for seed, member, result in zip(SEEDS, pack, together, strict=True):
        network = Network(seed)
        alone = train(network, TRAIN, SELECTION, "bce", chosen, run_of(tmp_path / "alone", seed))
        assert (result.epochs, result.best_epoch, result.steps) == (
            alone.epochs,
            alone.best_epoch,
            alone.steps,
        )
        torch.testing.assert_close(losses(result), losses(alone), rtol=1e-4, atol=1e-6)
        for mine, other in zip(member.network.parameters(), network.parameters(), strict=True):
            torch.testing.assert_close(mine, other, rtol=1e-3, atol=1e-5)


def test_a_pack_that_needs_too_much_memory_is_told_with_what_to_do(tmp_path):
    def fault():
        raise RuntimeError("MPS backend out of memory (MPS allocated: 18.13 GB)")

    Network.fault = fault
    with pytest.raises(ModelError, match=r"out of memory with 3 runs trained together. Lower training.pack"):
        train_together(members(tmp_path), "bce", recipe())


def test_a_member_of_a_pack_finds_its_finished_state_when_its_own_turn_comes(tmp_path):
    pack = members(tmp_path)
    together = train_together(pack, "bce", recipe())
    for seed, member, result in zip(SEEDS, pack, together, strict=True):
        network = Network(seed)

        def no_training():
            raise AssertionError("it was trained again")

        Network.fault = no_training
        again = train(network, TRAIN, SELECTION, "bce", recipe(), run_of(tmp_path, seed))
        Network.fault = None
        assert losses(again) == losses(result)
        assert weights_hash(network) == weights_hash(member.network)


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    pack = members(tmp_path_factory.mktemp("whole"))
    results = train_together(pack, "bce", recipe())
    return [weights_hash(member.network) for member in pack], [losses(result) for result in results]


@pytest.mark.parametrize("forward_pass", [1, 5, 12, 13, 20, 31, 44])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_at_any_moment_resumes_to_the_same_bytes(tmp_path, uninterrupted, forward_pass, number):
    passes = iter(range(1, 1000))

    def send():
        if next(passes) == forward_pass:
            os.kill(os.getpid(), number)

    Network.fault = send
    with pytest.raises(TrainingStopped, match=f"pack stopped by {number.name}"):
        train_together(members(tmp_path), "bce", recipe())
    Network.fault = None
    pack = members(tmp_path)
    results = train_together(pack, "bce", recipe())
    assert ([weights_hash(m.network) for m in pack], [losses(r) for r in results]) == uninterrupted


def test_the_machine_is_watched_once_a_step_and_heat_saves_all(tmp_path, uninterrupted):
    class StopAt:
        last = maximum = None
        steps: list[int] = []

        def check(self, step: int) -> None:
            self.steps.append(step)
            if step == 5:
                raise TrainingStopped("too hot")

    with pytest.raises(TrainingStopped, match="too hot"):
        train_together(members(tmp_path, thermal=StopAt()), "bce", recipe())
    assert StopAt.steps == [1, 2, 3, 4, 5]
    pack = members(tmp_path)
    results = train_together(pack, "bce", recipe())
    assert ([weights_hash(m.network) for m in pack], [losses(r) for r in results]) == uninterrupted


def test_members_of_other_length_are_refused(tmp_path):
    pack = members(tmp_path, seeds=(3,))
    other = Member(Network(4), make_samples(60), SELECTION, context(tmp_path / "other", seed=4))
    with pytest.raises(ModelError, match="equally many training windows"):
        train_together([*pack, other], "bce", recipe())


@pytest.mark.parametrize("loss", ["bce", "ce"])
@pytest.mark.parametrize("mode", ["mixed", "independent", "cross"])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_the_real_network_can_be_stacked(tmp_path, mode, precision, loss):
    import numpy as np

    from lib.config.model import Architecture
    from lib.models.transformer.factory import NetworkFactory
    from lib.models.transformer.patchtst import PatchTSTSettings

    settings = PatchTSTSettings(channel_mode=mode, normalisation="revin_stats").model_dump()
    size = Architecture(
        d_model=16, n_heads=2, n_layers=2, d_ff=24, dropout=0.25, patch_length=2, patch_stride=1
    )
    factories = [
        NetworkFactory(settings, size, LENGTH, np.zeros(CHANNELS), np.ones(CHANNELS), seed, OUTPUTS[loss])
        for seed in (1, 2)
    ]
    runs = [context(tmp_path / str(seed), seed=seed, precision=precision, micro_batch=16) for seed in (1, 2)]
    pack = [Member(f(), TRAIN, SELECTION, run) for f, run in zip(factories, runs, strict=True)]
    together = train_together(pack, loss, recipe(max_epochs=2, learning_rate=1e-3))
    tolerance = 1e-3 if precision == "fp32" else 2e-2
    for factory, seed, result in zip(factories, (1, 2), together, strict=True):
        run = context(tmp_path / f"alone{seed}", seed=seed, precision=precision, micro_batch=16)
        alone = train(factory(), TRAIN, SELECTION, loss, recipe(max_epochs=2, learning_rate=1e-3), run)
        torch.testing.assert_close(losses(result), losses(alone), rtol=tolerance, atol=tolerance)
