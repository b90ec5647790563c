"""Trials that need more memory: a smaller micro-batch beforehand, half of it when memory runs out."""

import itertools
import resource
import sys
from dataclasses import replace

import numpy as np
import psutil
import pytest
import torch

from lib.config.base import StrictModel
from lib.config.hpo import Choice, SearchSpace
from lib.config.model import Architecture
from lib.config.resolve import ResolvedRun, resolve
from lib.config.validation import validate
from lib.config.yaml_files import read_yaml
from lib.datasets.windows import SplitSamples
from lib.errors import ModelError
from lib.models.contract import ModelMetadata, Problem
from lib.models.network import NetworkModel
from lib.models.transformer.grid import architecture_grid
from lib.models.transformer.parameters import activations_per_sample
from lib.models.transformer.patchtst import NetworkFactory, PatchTSTSettings
from lib.tuning.memory_model import fit_within_memory, for_lack_of_memory, spare_memory
from lib.tuning.search import run_search
from tests.conftest import ROOT
from tests.unit.training_samples import CHANNELS, TinyNetwork, context, in_child, make_samples, recipe

BASE = Architecture(d_model=64, n_heads=4, n_layers=2, d_ff=64)


# -- beforehand: by the size of the activations --


def kept_for_backward(network, inputs) -> int:
    """Numbers per sample that PyTorch really keeps for the backward pass, weights apart."""
    own = {p.untyped_storage().data_ptr() for p in network.parameters()}
    kept, alive = {}, []

    def pack(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage.nbytes()
        alive.append(tensor)  # else a freed address would be used, and counted, again
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        network(inputs)
    return sum(kept.values()) // 4 // len(inputs)


@pytest.mark.parametrize("mode", ["mixed", "independent", "cross"])
@pytest.mark.parametrize("pooling", ["last", "mean"])
@pytest.mark.parametrize(
    ("dropout_at", "dropout"),
    [("everywhere", 0.1), ("branches", 0.1), ("paths", 0.1), ("branches", 0)],
)
def test_the_analytic_size_of_the_activations_is_what_pytorch_keeps(mode, pooling, dropout_at, dropout):
    settings = PatchTSTSettings(channel_mode=mode, pooling=pooling, dropout_at=dropout_at).model_dump()
    base = BASE.model_copy(update={"dropout": dropout})
    for architecture in architecture_grid("2M", settings, 20, 80, base)[::12]:
        network = NetworkFactory(settings, architecture, 80, np.zeros(20), np.ones(20))().train()
        measured = kept_for_backward(network, torch.randn(2, 80, 20))
        stated = activations_per_sample(settings, architecture, 20, 80)
        assert stated == pytest.approx(measured, rel=0.12), architecture.label()


def resolved(architecture: Architecture, **changes) -> ResolvedRun:
    content = {
        "run": {"budget": "2M"}, "experiment": "e", "condition": "base", "role": "question", "question": "?",
        "source": "files", "vintage": "v", "model": "transformer:patchtst",
        "settings": {"channel_mode": "mixed"},
        "architecture": architecture.model_dump(), "recipe": {"effective_batch": 256}, "context_length": 80,
        "labels": "real", "splits": SPLITS, "tuning": "architectural", "micro_batch": 64,
    }  # fmt: skip
    return validate(ResolvedRun, content | changes, "run")


SPLITS = read_yaml(ROOT / "config" / "config.yaml")["data"]["splits"]
FOUND = {
    "micro_batch": 64, "largest_safe": 128, "channels": 20, "context_length": 80, "precision": "fp32",
}  # fmt: skip


def test_a_deep_and_narrow_architecture_begins_with_a_smaller_micro_batch(capsys):
    grid = architecture_grid("2M", PatchTSTSettings().model_dump(), 20, 80, BASE)
    wide, deep = grid[2], grid[-1]
    declared = resolved(wide)
    settings = PatchTSTSettings().model_dump()
    ratio = activations_per_sample(settings, deep, 20, 80) / activations_per_sample(settings, wide, 20, 80)
    assert 3 < ratio < 8
    assert spare_memory(resolved(deep), declared, FOUND).micro_batch == (32 if ratio < 4 else 16)
    assert "the effective batch stays" in capsys.readouterr().err
    assert spare_memory(resolved(deep), declared, FOUND | {"largest_safe": 1}).micro_batch == 1
    assert "1 windows" in capsys.readouterr().err
    # What fits stays as fast as it was found; the declared shape, and lighter ones, always do.
    assert spare_memory(resolved(wide), declared, FOUND | {"largest_safe": 64}).micro_batch == 64
    assert spare_memory(resolved(wide), resolved(deep), FOUND).micro_batch == 64
    assert spare_memory(resolved(deep), declared, FOUND | {"largest_safe": 1024}).micro_batch == 64
    assert capsys.readouterr().err == ""
    assert spare_memory(resolved(deep, micro_batch=None), declared, None).micro_batch is None


def test_longer_windows_count_too():
    declared, longer = resolved(BASE), resolved(BASE, context_length=320)
    assert spare_memory(longer, declared, FOUND).micro_batch < 64


def test_the_final_run_keeps_to_the_micro_batch_of_the_trial_that_was_found():
    declared = resolved(BASE)
    best = {"parameters": {}, "best_value": 0.6, "n_trials": 3}
    specification = declared.model_copy(update={"micro_batch": None})
    assert resolve(specification, FOUND, best | {"micro_batch": None}).micro_batch == 64
    smaller = resolve(specification, FOUND, best | {"micro_batch": 8})
    assert smaller.micro_batch == 8
    assert smaller.fingerprint() == resolve(specification, FOUND, best).fingerprint()


# -- afterwards: half the micro-batch --


class Hungry(NetworkModel):
    """A network for which a forward pass of more than `fits` windows is too much."""

    metadata = ModelMetadata(has_budget=False, input="window", network=True)
    Settings = StrictModel
    fits, error, tried, bytes_per_window = 4, torch.OutOfMemoryError("the card is full"), [], 0

    def factory(self):
        def build():
            network = TinyNetwork(seed=self.seed, dropout=0.0)

            def forward(windows):
                if network.training:
                    type(self).tried.append(len(windows))
                    if len(windows) > self.fits:
                        raise self.error
                    torch.empty(len(windows), self.bytes_per_window // 4)
                return TinyNetwork.forward(network, windows)

            network.forward = forward
            return network

        return build


def problem() -> Problem:
    return Problem(
        "direction", 1, CHANNELS, make_samples().context_length, make_samples().channel_names,
        np.zeros(CHANNELS), np.ones(CHANNELS),
    )  # fmt: skip


def samples() -> SplitSamples:
    train, selection = make_samples(80), make_samples(40, seed=1)
    return SplitSamples(
        train=train, selection=selection, calibration=selection, test=selection,
        channel_mean=np.zeros(CHANNELS), channel_std=np.ones(CHANNELS),
    )  # fmt: skip


def build(**changes) -> Hungry:
    kind = type("Hungry", (Hungry,), {"tried": [], **changes})
    return kind(StrictModel(), problem(), None, recipe(), 1)


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("the card is full"),
        MemoryError(),
        RuntimeError("MPS backend out of memory (allocated 9 GB)"),
        RuntimeError("Invalid buffer size: 24.00 GiB"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"),
    ],
)
def test_out_of_memory_halves_the_micro_batch_and_changes_no_result(tmp_path, capsys, error):
    direct = build().fit(samples().train, samples().selection, context(tmp_path / "a", micro_batch=4))
    made = [build(error=error) for _ in range(3)]
    attempts = iter(made)
    found = fit_within_memory(lambda: next(attempts), samples(), context(tmp_path / "b", micro_batch=16), 16)
    assert [model.tried[0] for model in made] == [16, 8, 4]
    assert found.micro_batch == 4
    losses = [row["validation_loss"] for row in found.history]
    assert losses == [row["validation_loss"] for row in direct.history]
    said = capsys.readouterr().err
    assert "out of memory; once more with 8 windows per forward pass" in said
    assert "with 4 windows" in said


@pytest.mark.skipif(sys.platform == "darwin", reason="macOS does not enforce a limit on address space")
def test_memory_that_really_runs_out_on_a_cpu_is_recognised(tmp_path):
    """150 MB for each window, in a process that may have 1 GB more than it has."""

    def work():
        size = psutil.Process().memory_info().vms
        resource.setrlimit(resource.RLIMIT_AS, (size + 1_000_000_000, resource.RLIM_INFINITY))
        found = fit_within_memory(
            lambda: build(fits=16, bytes_per_window=150_000_000),
            samples(),
            context(tmp_path, micro_batch=16),
            16,
        )
        (tmp_path / "found").write_text(str(found.micro_batch))

    child = in_child(work)
    child.wait(240)
    assert child.returncode == 0
    assert int((tmp_path / "found").read_text()) in (2, 4)


def test_a_checkpoint_that_was_begun_with_more_does_not_hold_a_trial_back(tmp_path):
    """Memory that other work takes meanwhile: what fitted until the second validation no longer does."""
    place = context(tmp_path, micro_batch=16)
    stop = {"at": 6}

    def interrupt(step: int, loss: float) -> None:
        if step == stop["at"]:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build(fits=16).fit(samples().train, samples().selection, replace(place, report=interrupt))
    assert list((tmp_path / "state").glob("checkpoint-*.pt"))
    assert fit_within_memory(lambda: build(fits=4), samples(), place, 16).micro_batch == 4


def test_a_trial_fails_only_when_a_single_window_is_too_much(tmp_path):
    made = []

    def one():
        made.append(build(fits=0))
        return made[-1]

    with pytest.raises(ModelError, match="out of memory with 1 windows"):
        fit_within_memory(one, samples(), context(tmp_path, micro_batch=8), 16)
    assert [model.tried for model in made] == [[8], [4], [2], [1]]


def test_other_errors_are_not_tried_again(tmp_path):
    made = []

    def one():
        made.append(build(error=ValueError("shapes do not fit")))
        return made[-1]

    with pytest.raises(ValueError, match="shapes"):
        fit_within_memory(one, samples(), context(tmp_path, micro_batch=8), 16)
    assert len(made) == 1
    assert not for_lack_of_memory(RuntimeError("shapes do not fit"))


def test_a_search_in_which_large_trials_run_out_of_memory_loses_none_of_them(tmp_path):
    space = SearchSpace(parameters={"fits": Choice(type="choice", values=[1, 4, 16])})
    folders = itertools.count()

    def objective(parameters, report):
        place = context(tmp_path / str(next(folders)), micro_batch=16)
        result = fit_within_memory(lambda: build(fits=parameters["fits"]), samples(), place, 16)
        report.describe(micro_batch=result.micro_batch if result.micro_batch < 16 else None)
        return result.best_loss + 1 / parameters["fits"]  # the largest is not the best for its own sake

    found = run_search(space, objective, tmp_path / "search", "test", 8, seed=1)
    assert found.best["n_failed"] == 0
    assert set(found.trials["fits"]) == {1, 4, 16}
    assert (found.best["parameters"]["fits"], found.best["micro_batch"]) == (16, None)
