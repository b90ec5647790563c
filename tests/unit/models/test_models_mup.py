"""Width and depth in the maximal update parametrization: what must not depend on the size of a network."""

import numpy as np
import pytest
import torch
from torch.nn.functional import binary_cross_entropy_with_logits

from lib.config.model import Architecture
from lib.config.training import Recipe
from lib.models.start import start_at
from lib.models.transformer._mup import branch_scale
from lib.models.transformer.patchtst import NetworkFactory, PatchTSTSettings
from lib.training.optim import build_optimizer, rate_multiplier, set_learning_rate

WIDTHS = (64, 128, 256, 512)
STEPS = (1, 2, 4, 8)


def network_of(width: int, parametrization: str, layers: int = 2, seed: int = 0):
    architecture = Architecture(
        d_model=width, n_heads=width // 32, n_layers=layers, d_ff=4 * width, dropout=0.0
    )
    settings = PatchTSTSettings(parametrization=parametrization).model_dump()
    torch.manual_seed(seed)
    network = NetworkFactory(settings, architecture, 40, np.zeros(4), np.ones(4), seed=seed)()
    start_at(network, [0.0])
    return network


def coordinates(width: int, parametrization: str) -> dict[int, tuple[float, float]]:
    """After each of STEPS: mean size of what the blocks add, and of the change of the stream's end."""
    generator = torch.Generator().manual_seed(1)
    inputs = torch.randn(64, 40, 4, generator=generator)
    target = (inputs[:, -1, 0] > 0).float()
    network = network_of(width, parametrization)
    added, ends = [], []
    for layer in network.encoder.layers:
        layer.drop.register_forward_hook(lambda _m, _i, out: added.append(out.detach().abs().mean().item()))
    network.encoder.register_forward_hook(lambda _m, _i, out: ends.append(out.detach()))
    recipe = Recipe(learning_rate=1e-3, weight_decay=0.0)
    optimizer = build_optimizer(network, recipe)
    set_learning_rate(optimizer, recipe.learning_rate)
    found = {}
    for step in range(max(STEPS) + 1):
        added.clear()
        loss = binary_cross_entropy_with_logits(network(inputs), target)
        if step in STEPS:
            found[step] = (float(np.mean(added)), (ends[-1] - ends[0]).abs().mean().item())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return found


@pytest.fixture(scope="module")
def measured():
    return {kind: {w: coordinates(w, kind) for w in WIDTHS} for kind in ("mup", "standard")}


def spread(by_width: dict, step: int, which: int) -> float:
    values = [by_width[width][step][which] for width in WIDTHS]
    return max(values) / max(min(values), 1e-12)


@pytest.mark.parametrize("which", [0, 1], ids=["what blocks add", "change of the stream"])
def test_activations_and_their_change_are_of_one_size_however_wide(measured, which):
    for step in STEPS[1:]:  # at the first the output's weights are 0: nothing below them moves yet
        assert spread(measured["mup"], step, which) < 2.0, step
    assert max(spread(measured["standard"], step, which) for step in STEPS) > 3.0


@pytest.mark.parametrize("width", WIDTHS)
def test_every_size_shrinks_its_weights_alike(width):
    network = network_of(width, "mup", layers=4)
    recipe = Recipe(learning_rate=1e-3, weight_decay=0.1)
    optimizer = build_optimizer(network, recipe)
    set_learning_rate(optimizer, recipe.learning_rate)
    shrinking = {group["lr"] * group["weight_decay"] for group in optimizer.param_groups}
    assert {round(product, 12) for product in shrinking} == {0.0, 1e-4}


def test_the_reference_size_is_as_without_the_scaling():
    networks = []
    for kind in ("mup", "standard"):
        architecture = Architecture(d_model=144, n_heads=3, n_layers=8, d_ff=576, dropout=0.0)
        torch.manual_seed(0)
        settings = PatchTSTSettings(parametrization=kind).model_dump()
        networks.append(NetworkFactory(settings, architecture, 40, np.zeros(4), np.ones(4), seed=0)())
    assert branch_scale(architecture) == 1.0
    for (name, mine), plain in zip(networks[0].named_parameters(), networks[1].parameters(), strict=True):
        assert torch.equal(mine, plain)
        assert rate_multiplier(mine) == rate_multiplier(plain) == (10.0 if name == "skip.weight" else 1.0)


def test_a_step_of_the_skip_moves_the_forecast_no_further_with_more_channels():
    for channels, rate in ((4, 10.0), (20, 10.0), (50, 4.0), (2000, 0.1)):
        settings = PatchTSTSettings().model_dump()
        architecture = Architecture(d_model=48, n_heads=1, n_layers=1, d_ff=48)
        network = NetworkFactory(settings, architecture, 40, np.zeros(channels), np.ones(channels))()
        assert rate_multiplier(network.skip.weight) == pytest.approx(rate)
