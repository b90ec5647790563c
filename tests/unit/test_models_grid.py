"""The architecture grid: exact sizes at every mode and number of channels, and a search that uses it."""

import itertools

import optuna
import pytest

from lib.config.base import BUDGET_PARAMETERS
from lib.config.hpo import Choice, SearchSpace
from lib.config.model import Architecture
from lib.models.transformer.factory import NetworkFactory
from lib.models.transformer.grid import DEPTHS, architecture_grid
from lib.models.transformer.parameters import count_parameters
from lib.models.transformer.patchtst import PatchTSTSettings
from lib.tuning.space import inside, suggest, values_of

BASE = Architecture(d_model=64, n_heads=4, n_layers=2, d_ff=64)
MODES = ("mixed", "independent", "cross")
CHANNELS = (20, 50, 100, 200, 500, 1000, 2000)
FAST = (20, 200, 2000)


def settings(mode: str, **more: str) -> dict:
    return PatchTSTSettings(channel_mode=mode, **more).model_dump()


def trainable(module) -> int:
    return sum(p.numel() for p in module.parameters() if p.requires_grad)


@pytest.mark.parametrize("pooling", ["last", "mean", "flatten", "attention"])
@pytest.mark.parametrize("normalisation", ["revin", "revin_stats", "zscore", "none"])
@pytest.mark.parametrize(("mode", "budget"), itertools.product(MODES, BUDGET_PARAMETERS))
def test_a_grid_has_25_to_35_architectures_on_budget_from_shallow_to_deep(
    mode, budget, normalisation, pooling
):
    chosen = settings(mode, normalisation=normalisation, pooling=pooling)
    for channels in CHANNELS:
        grid = architecture_grid(budget, chosen, channels, 80, BASE)
        assert 25 <= len(grid) <= 35
        assert len({architecture.label() for architecture in grid}) == len(grid)
        assert (grid[0].n_layers, grid[-1].n_layers) == (DEPTHS[budget][0], DEPTHS[budget][-1])
        for architecture in grid:
            count = count_parameters(chosen, architecture, channels, 80)["total"]
            assert abs(count / BUDGET_PARAMETERS[budget] - 1) < 0.15
            assert architecture.d_model % architecture.n_heads == 0


@pytest.mark.parametrize(
    "channels", [c if c in FAST else pytest.param(c, marks=pytest.mark.slow) for c in CHANNELS]
)
@pytest.mark.parametrize(("mode", "budget"), itertools.product(MODES, BUDGET_PARAMETERS))
def test_the_count_of_every_architecture_is_that_of_the_built_network(mode, budget, channels):
    """Built in full by PyTorch, on its device without memory."""
    import numpy as np
    import torch

    chosen = settings(mode)
    for architecture in architecture_grid(budget, chosen, channels, 80, BASE):
        with torch.device("meta"):
            network = NetworkFactory(chosen, architecture, 80, np.zeros(channels), np.ones(channels))()
        parts = {
            "embedding": [network.projection, network.encoder.embedding],
            "backbone": [network.encoder.layers],
        }
        stated = count_parameters(chosen, architecture, channels, 80)
        for name, modules in parts.items():
            assert sum(map(trainable, modules)) == stated[name], (name, architecture.label())
        assert trainable(network) == stated["total"], architecture.label()


def test_a_label_says_the_size_and_gives_it_back():
    architecture = Architecture(d_model=192, n_heads=8, n_layers=6, d_ff=480)
    assert architecture.label() == "d192_l6_h8_f480"
    assert Architecture.size_of("d192_l6_h8_f480") == {
        "d_model": 192, "n_layers": 6, "n_heads": 8, "d_ff": 480,
    }  # fmt: skip


def test_a_search_suggests_architectures_of_the_grid_and_learns_from_their_neighbours():
    labels = [a.label() for a in architecture_grid("2M", settings("mixed"), 20, 80, BASE)]
    choice = Choice(type="choice", values=labels, ordered=True)
    space = SearchSpace(parameters={"architecture": choice})
    wanted = 20

    def objective(trial: optuna.Trial) -> float:
        return abs(labels.index(suggest(trial, space)["architecture"]) - wanted)

    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=1))
    study.optimize(objective, n_trials=40)
    assert values_of(study.best_params, space)["architecture"] in labels[18:23]
    late = [trial.value for trial in study.trials[20:]]
    assert sum(late) / len(late) < 4  # by chance it would be 8
    assert inside({"architecture": labels[3]}, space) == {"architecture": 3}
    assert inside({"architecture": "d1_l1_h1_f1"}, space) == {}
