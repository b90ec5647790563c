"""Every network begins exactly at the base rate of its training windows, whatever its family and size."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.special import softmax
from scipy.stats import entropy
from test_models_contract import NETWORKS, build, market

from lib.config.model import Architecture
from lib.config.yaml_files import read_yaml
from lib.errors import ModelError
from lib.metrics.losses import mean_loss
from lib.models.contract import Problem
from lib.models.start import base_rate_outputs, start_at
from lib.models.transformer.parameters import count_parameters
from lib.models.transformer.patchtst import PatchTSTForecaster
from tests.unit.shipped import CONFIG

TASKS = ["direction", "threshold_1pct", "regression", "triple_barrier"]
SIZES = {"2m": 2e6, "20m": 20e6, "200m": 200e6}


def shipped(size: str) -> Architecture:
    return Architecture(**read_yaml(CONFIG / "architectures" / f"patchtst_{size}.yaml"))


def first_forecast(model, task: str) -> tuple[np.ndarray, np.ndarray]:
    """What a new network answers to windows it will be trained on, and their targets."""
    train = market(0, task)
    network, seen, _ = model._prepared(train, market(1, task))
    windows = torch.from_numpy(np.ascontiguousarray(seen.windows()))
    with torch.inference_mode():
        return network.eval()(windows).double().numpy(), train.target


def base_rate_loss(target: np.ndarray, task: str) -> float:
    if task == "regression":
        return 1.0  # in units of the targets' variance
    return float(entropy(np.unique(target, return_counts=True)[1]))


def first_loss(outputs: np.ndarray, target: np.ndarray, task: str) -> float:
    if task == "regression":
        return float(np.mean(((target - target.mean()) / target.std() - outputs) ** 2))
    forecast = softmax(outputs, axis=1) if task == "triple_barrier" else 1 / (1 + np.exp(-outputs))
    return mean_loss(target, forecast, binary=task != "triple_barrier")


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("name", NETWORKS)
def test_the_loss_before_the_first_step_is_the_base_rates(name, task):
    outputs, target = first_forecast(build(name, task), task)
    assert np.ptp(outputs, axis=0) == pytest.approx(0, abs=1e-6), "the same answer to every window"
    assert first_loss(outputs, target, task) == pytest.approx(base_rate_loss(target, task), abs=1e-6)


@pytest.mark.parametrize("skip", [False, True])
@pytest.mark.parametrize("pooling", ["last", "mean", "flatten", "attention"])
@pytest.mark.parametrize("mode", ["mixed", "independent", "cross"])
def test_so_it_is_in_every_channel_mode_and_readout(mode, pooling, skip):
    model = build("transformer:patchtst", "triple_barrier")
    model.settings = model.Settings(channel_mode=mode, pooling=pooling, skip=skip)
    outputs, target = first_forecast(model, "triple_barrier")
    assert first_loss(outputs, target, "triple_barrier") == pytest.approx(
        base_rate_loss(target, "triple_barrier"), abs=1e-6
    )


@pytest.mark.parametrize("size", SIZES)
def test_so_it_is_at_every_shipped_size(size):
    names = tuple(f"c{number}" for number in range(20))
    problem = Problem("threshold_1pct", 1, 20, 80, names, np.zeros(20), np.ones(20))
    model = PatchTSTForecaster(PatchTSTForecaster.Settings(), problem, shipped(size), build(NETWORKS[0], "direction").recipe, 7)  # fmt: skip  # noqa: E501
    train = market(0, "threshold_1pct")
    network = model.factory()()
    start_at(network, base_rate_outputs(train, problem))
    with torch.inference_mode():
        logits = network.eval()(torch.randn(4, 80, 20)).double().numpy()
    assert 1 / (1 + np.exp(-logits)) == pytest.approx(train.target.mean(), abs=1e-7)


def test_classes_that_training_never_saw_take_no_share():
    model = build("neural:mlp", "triple_barrier")
    train, selection = (replace(s, target=np.where(s.target == 0, 1, s.target)) for s in (market(0, "triple_barrier"), market(1, "triple_barrier")))  # fmt: skip  # noqa: E501
    network, seen, _ = model._prepared(train, selection)
    with torch.inference_mode():
        outputs = network.eval()(torch.from_numpy(np.ascontiguousarray(seen.windows()))).double().numpy()
    shares = softmax(outputs, axis=1)
    assert (shares[:, 1] == 0).all()
    assert shares[:, 2] == pytest.approx((train.target == 1).mean(), abs=1e-6)


def test_a_training_part_of_one_class_begins_near_it_and_not_at_infinity():
    model = build("neural:mlp", "direction")
    train = market(0, "direction")
    begin = base_rate_outputs(replace(train, target=np.ones(len(train))), model.problem)
    assert np.isfinite(begin).all()
    assert 1 / (1 + np.exp(-begin[0])) == pytest.approx(1 - 0.5 / len(train))


def test_a_network_that_does_not_name_its_output_layers_is_refused():
    with pytest.raises(ModelError, match="name its `output_layers`"):
        start_at(torch.nn.Linear(3, 1), [0.0])


def test_shipped_sizes_keep_their_count_and_are_one_family_of_shapes():
    settings = PatchTSTForecaster.Settings().model_dump()
    for size, budget in SIZES.items():
        shape = shipped(size)
        assert count_parameters(settings, shape, 20, 80)["total"] == pytest.approx(budget, rel=0.05)
        assert shape.d_model // shape.n_heads == 48
        assert shape.d_ff == 4 * shape.d_model
