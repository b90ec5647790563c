"""Noise that does not change the level: what PatchTST says in training is on average what it says after."""

import numpy as np
import pytest
import torch
from torch.nn.functional import binary_cross_entropy_with_logits

from lib.config.model import Architecture
from lib.config.training import Recipe
from lib.config.yaml_files import read_yaml
from lib.models.start import start_at
from lib.models.transformer.patchtst import NetworkFactory, PatchTSTSettings
from lib.training.optim import build_optimizer, set_learning_rate
from tests.unit.shipped import CONFIG

CONTEXT, CHANNELS, BATCH = 80, 4, 64
SHIPPED = Architecture(**read_yaml(CONFIG / "architectures" / "patchtst_2m.yaml")).model_copy(
    update={"dropout": 0.1}
)
"""With the dropout that recipes may ask for; by default there is none."""
TINY = SHIPPED.model_copy(update={"d_model": 48, "n_heads": 1, "n_layers": 2, "d_ff": 192})
PLAN = read_yaml(CONFIG / "recipes" / "plan.yaml")
AGREE = 0.1


def windows(n: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Random bars, and whether the first channel of the latest ones is high on average."""
    inputs = torch.randn(n, CONTEXT, CHANNELS, generator=torch.Generator().manual_seed(1))
    return inputs, (inputs[:, -8:, 0].mean(dim=1) > 0).float()


def logits(
    architecture: Architecture, steps: int, draws: int, rate: float = 3e-3, **settings
) -> tuple[np.ndarray, np.ndarray]:
    """Of 48 windows after a few steps: mean over draws of dropout, and without it."""
    chosen = PatchTSTSettings(**settings).model_dump()
    network = NetworkFactory(chosen, architecture, CONTEXT, np.zeros(CHANNELS), np.ones(CHANNELS), seed=3)()
    start_at(network, [0.4])
    optimizer = build_optimizer(network, Recipe())
    set_learning_rate(optimizer, rate)
    inputs, target = windows(steps * BATCH + 48)
    torch.manual_seed(5)
    network.train()
    for step in range(steps):
        batch = slice(48 + step * BATCH, 48 + (step + 1) * BATCH)
        optimizer.zero_grad()
        binary_cross_entropy_with_logits(network(inputs[batch]), target[batch]).backward()
        optimizer.step()
    with torch.inference_mode():
        drawn = torch.stack([network(inputs[:48]) for _ in range(draws)]).mean(dim=0)
        return drawn.numpy(), network.eval()(inputs[:48]).numpy()


def apart(drawn: np.ndarray, plain: np.ndarray) -> float:
    return float(np.abs(drawn - plain).mean())


@pytest.mark.parametrize("steps", [0, 100])
def test_training_and_evaluation_logits_agree_with_dropout_on_branches(steps):
    drawn, plain = logits(TINY, steps, draws=64)
    assert bool(plain.std() > 0.5) is (steps > 0), "it has learned something that dropout could disturb"
    assert apart(drawn, plain) < AGREE
    assert abs(drawn.mean() - plain.mean()) < AGREE


def test_so_they_do_at_2m():
    drawn, plain = logits(SHIPPED, 10, draws=16, rate=1e-3)
    assert plain.std() > 0.4
    assert apart(drawn, plain) < AGREE


def test_where_the_plan_has_it_they_do_not():
    """What moved dropout: the measure sees it."""
    dropped = TINY.model_copy(update={"dropout": PLAN["architecture"]["dropout"]})
    assert apart(*logits(dropped, 100, draws=64, dropout_at=PLAN["settings"]["dropout_at"])) > 2 * AGREE
