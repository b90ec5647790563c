"""On an Apple GPU: every operator that our networks need has a kernel there, and nothing is float64.

Shown without one: see `pretended_mps` for what that can and cannot show.
"""

import itertools
from pathlib import Path

import numpy as np
import pytest
import torch

from lib.config.model import Architecture
from lib.config.training import Recipe, Runtime
from lib.datasets.windows import Samples
from lib.models import registry
from lib.models.contract import Problem
from lib.models.network import NetworkModel
from lib.training.batches import Windows
from lib.training.context import TrainingContext
from lib.training.forward import forward, predict_logits, summed_loss
from lib.training.layers import ByteDropout, linear
from lib.training.optim import build_optimizer, clip_gradients
from tests.unit.pretended_mps import INSIDE_PYTORCH, Record, pretended_mps, runs_on_mps

CONTEXT, CHANNELS, WINDOWS = 16, 3, 6
SMALL = Architecture(d_model=8, n_heads=2, n_layers=2, d_ff=8, patch_length=4, patch_stride=4, dropout=0.5)
TASKS = ("direction", "triple_barrier", "regression")
NORMALISATIONS, POOLINGS = (
    ("revin", "revin_stats", "zscore", "none"),
    ("last", "mean", "flatten", "attention"),
)
PATCHTST = "transformer:patchtst"
OTHERS = [name for name in registry.names() if registry.get(name).metadata.network and name != PATCHTST]


def samples(task: str) -> Samples:
    stream = np.random.default_rng(0)
    matrix = stream.normal(size=(WINDOWS + CONTEXT - 1, CHANNELS)).astype(np.float32)
    classes = {"direction": (0, 1), "triple_barrier": (-1, 0, 1)}.get(task)
    target = np.resize(classes, WINDOWS) if classes else stream.normal(size=WINDOWS)
    return Samples(
        matrix=matrix,
        ends=np.arange(CONTEXT - 1, len(matrix)),
        target=target.astype(np.float32),
        dates=np.datetime64("2001-01-01") + np.arange(WINDOWS),
        symbols=np.full(WINDOWS, "X", dtype=object),
        context_length=CONTEXT,
        horizon=1,
        task=task,
        channel_names=tuple(f"c{i}" for i in range(CHANNELS)),
    )


def build(name: str, task: str, **settings: object) -> NetworkModel:
    model = registry.get(name)
    names, zeros = tuple(f"c{i}" for i in range(CHANNELS)), np.zeros(CHANNELS, np.float32)
    problem = Problem(task, 1, CHANNELS, CONTEXT, names, zeros, zeros + 1)
    architecture = SMALL if model.metadata.has_budget else None
    recipe = Recipe(max_steps=1, decay_steps=1, effective_batch=WINDOWS)
    return model(model.Settings(**settings), problem, architecture, recipe, seed=0)


@pytest.fixture(scope="module", autouse=True)
def imported() -> None:
    """What networks import must see the machine as it is."""
    for name in (PATCHTST, *OTHERS):
        build(name, "direction").factory()()


def context(folder: Path) -> TrainingContext:
    return TrainingContext(seed=0, state_dir=folder, micro_batch=4, runtime=Runtime(device="mps", threads=1))


def study(name: str, task: str, folder: Path, **settings: object) -> Record:
    """What a whole training, with validation and a checkpoint, and a forecast ask of the device."""
    model, windows = build(name, task, **settings), samples(task)
    with pretended_mps() as record:
        result = model.fit(windows, windows, context(folder))
        model.forecast(windows)
    assert (result.device, result.precision, result.steps) == ("mps", "fp32", 1)
    return record


def step(task: str, **settings: object) -> Record:
    """What one training step and a forecast of a PatchTST ask of the device: the engine's own parts."""
    model, windows = build(PATCHTST, task, **settings), samples(task)
    loss, outputs = {"direction": "bce", "triple_barrier": "ce"}.get(task, "mse"), model.problem.outputs
    with pretended_mps() as record:
        network = model.factory()().to("mps").train()
        optimizer = build_optimizer(network, model.recipe)
        inputs, target = next(Windows(windows, torch.device("mps")).in_order(WINDOWS))
        summed_loss(forward(network, inputs, outputs), target.abs(), loss).backward()
        clip_gradients(network, 1.0)
        optimizer.step()
        predict_logits(network, windows, context(Path()), outputs)
    return record


def assert_runs_there(record: Record) -> None:
    assert len(record.operators) > 30
    assert not {name for name in record.operators if not runs_on_mps(name)}
    assert not record.unknown_types


@pytest.mark.parametrize("mode", ["mixed", "independent", "cross"])
def test_every_patchtst_needs_only_operators_that_mps_has(mode):
    tasks = itertools.cycle(TASKS)
    for normalisation, pooling in itertools.product(NORMALISATIONS, POOLINGS):
        # More channels than the limit are projected (mixed), or share the weights of their patches (flatten).
        for limit in (64, 2) if mode == "mixed" or pooling == "flatten" else (64,):
            chosen = {"channel_mode": mode, "normalisation": normalisation, "pooling": pooling}
            assert_runs_there(step(next(tasks), channel_projection=limit, **chosen))


@pytest.mark.parametrize(("name", "task"), itertools.product((PATCHTST, *OTHERS), TASKS))
def test_a_whole_training_of_every_network_does_so(name, task, tmp_path):
    assert_runs_there(study(name, task, tmp_path))


def test_what_pytorch_itself_calls_on_mps_is_there():
    assert all(runs_on_mps(name) for name in INSIDE_PYTORCH)


def test_our_own_code_takes_its_branches_for_accelerators(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr("lib.training.layers._prefers_onednn", lambda: asked.append("linear"))
    monkeypatch.setattr(
        "lib.training.layers._scaled_mask", lambda shape, inputs, _: asked.append(inputs.device.type) or 1.0
    )
    study(PATCHTST, "direction", tmp_path)
    assert set(asked) == {"mps"}
    asked.clear()
    ByteDropout(0.5)(linear(torch.ones(3, 3), torch.ones(3, 3)))
    assert asked == ["linear", "cpu"]


def test_an_operator_without_a_kernel_and_a_type_that_mps_lacks_are_found():
    values = torch.rand(4, 4) + 1
    with pretended_mps() as record:
        assert values.device.type == "mps"
        torch.linalg.eigvals(values)
        values.sum(dtype=torch.float64)
    with pytest.raises(AssertionError):
        assert_runs_there(record)
    assert {name for name in record.operators if not runs_on_mps(name)} == {"linalg_eig"}
    assert record.unknown_types == {"sum"}
