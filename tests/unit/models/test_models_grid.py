"""The architecture grid: exact sizes at every mode and number of channels, and searches that use it."""

import itertools
import math
from itertools import pairwise
from statistics import mean, stdev

import optuna
import pytest

from lib.config.base import BUDGET_PARAMETERS
from lib.config.hpo import Choice, FloatRange, SearchSpace
from lib.config.model import Architecture
from lib.models.transformer.grid import DEPTHS, architecture_grid
from lib.models.transformer.parameters import count_parameters
from lib.models.transformer.patchtst import NetworkFactory, PatchTSTSettings
from lib.study.search_plan import by_shape
from lib.tuning.space import inside, suggest, values_of

BASE = Architecture(d_model=64, n_heads=4, n_layers=2, d_ff=64)
MODES = ("mixed", "independent", "cross")
CHANNELS = (20, 50, 100, 200, 500, 1000, 2000)
FAST = (20, 200, 2000)


def settings(mode: str, **more: str) -> dict:
    return PatchTSTSettings(channel_mode=mode, **more).model_dump()


def trainable(module) -> int:
    return sum(p.numel() for p in module.parameters() if p.requires_grad)


@pytest.mark.parametrize("outputs", [1, 3])
@pytest.mark.parametrize("pooling", ["last", "mean", "flatten", "attention"])
@pytest.mark.parametrize("normalisation", ["revin", "revin_stats", "zscore", "none"])
@pytest.mark.parametrize(("mode", "budget"), itertools.product(MODES, BUDGET_PARAMETERS))
def test_a_grid_has_25_to_35_architectures_on_budget_from_shallow_to_deep(
    mode, budget, normalisation, pooling, outputs
):
    chosen = settings(mode, normalisation=normalisation, pooling=pooling)
    for channels in CHANNELS:
        grid = architecture_grid(budget, chosen, channels, 80, BASE, outputs)
        assert 25 <= len(grid) <= 35
        assert len({architecture.label() for architecture in grid}) == len(grid)
        assert (grid[0].n_layers, grid[-1].n_layers) == (DEPTHS[budget][0], DEPTHS[budget][-1])
        for architecture in grid:
            count = count_parameters(chosen, architecture, channels, 80, outputs)["total"]
            assert abs(count / BUDGET_PARAMETERS[budget] - 1) < 0.15
            assert architecture.d_model % architecture.n_heads == 0


@pytest.mark.parametrize(
    "channels", [c if c in FAST else pytest.param(c, marks=pytest.mark.slow) for c in CHANNELS]
)
@pytest.mark.parametrize(("mode", "budget"), itertools.product(MODES, BUDGET_PARAMETERS))
def test_the_count_of_every_architecture_is_that_of_the_built_network(mode, budget, channels):
    """Built in full by PyTorch, on its device without memory.

    The count is a polynomial in width, depth, heads, inner width and channels, of degree three at most: every
    sixth architecture of a grid, from the shallowest to the deepest, decides it. `make test-slow` builds all.
    """
    import numpy as np
    import torch

    chosen = settings(mode)
    grid = architecture_grid(budget, chosen, channels, 80, BASE)
    for architecture in [*grid[::6], grid[-1]] if channels in FAST else grid:
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


def shape(label: str) -> float:
    """Where an architecture stands between narrow and deep, and wide and shallow."""
    size = Architecture.size_of(label)
    return math.log(size["d_model"] / size["n_layers"])


@pytest.mark.parametrize("budget", BUDGET_PARAMETERS)
@pytest.mark.parametrize("channels", [20, 2000])
def test_neighbours_in_a_search_are_alike(budget, channels):
    grid = architecture_grid(budget, settings("mixed"), channels, 80, BASE)
    ratios = [shape(a.label()) for a in by_shape(grid)]
    assert ratios == sorted(ratios, reverse=True)
    # No step is more than twice the ratio, of an order of magnitude or two from end to end.
    assert max(before - after for before, after in pairwise(ratios)) < math.log(2.5)
    assert ratios[0] - ratios[-1] > math.log(30)


def searched(space: SearchSpace, best_shape: float, seed: int) -> list[float]:
    """Losses of 40 trials; the loss is the distance of an architecture from the best shape."""

    def objective(trial: optuna.Trial) -> float:
        parameters = suggest(trial, space)
        loss = abs(shape(parameters["architecture"]) - best_shape)
        return loss + 0.5 * abs(math.log10(parameters["learning_rate"]) + 3.5)

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=seed, constant_liar=False))
    study.optimize(objective, n_trials=40)
    return [trial.value for trial in study.trials if trial.value is not None]


def test_a_search_learns_from_architectures_of_similar_shape():
    """Against the same labels as categories that are all equally far apart."""
    labels = [a.label() for a in by_shape(architecture_grid("2M", settings("mixed"), 20, 80, BASE))]
    rate = FloatRange(low=1e-4, high=1e-3, log=True)
    late: dict[bool, list[float]] = {}
    for ordered in (True, False):
        choice = Choice(type="choice", values=labels, ordered=ordered)
        space = SearchSpace(parameters={"architecture": choice, "learning_rate": rate})
        late[ordered] = [
            sum(searched(space, best_shape, seed)[20:]) / 20
            for best_shape in (shape(labels[3]), shape(labels[13]), shape(labels[26]))
            for seed in range(12)
        ]
    gains = [apart - near for near, apart in zip(late[True], late[False], strict=True)]
    assert mean(gains) > 2 * stdev(gains) / math.sqrt(len(gains))
    assert mean(late[True]) < 0.9 * mean(late[False])


def test_a_trial_stores_the_position_of_an_architecture():
    labels = [a.label() for a in architecture_grid("2M", settings("mixed"), 20, 80, BASE)]
    space = SearchSpace(parameters={"architecture": Choice(type="choice", values=labels, ordered=True)})
    assert inside({"architecture": labels[3]}, space) == {"architecture": 3}
    assert inside({"architecture": "d1_l1_h1_f1"}, space) == {}
    assert values_of({"architecture": 3}, space) == {"architecture": labels[3]}
