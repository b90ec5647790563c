"""Optimiser groups, learning rate and gradient clipping."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch

from lib.errors import ModelError
from lib.training.optim import build_optimizer, clip_gradients, learning_rate, set_learning_rate
from tests.unit.training_samples import TinyNetwork, recipe


def test_the_rate_rises_linearly_then_falls_along_a_cosine_to_the_minimum():
    chosen = recipe(learning_rate=1e-3, min_learning_rate=1e-6, max_steps=111, warmup_share=0.091)
    rates = [learning_rate(step, chosen) for step in range(111)]
    assert rates[:10] == pytest.approx([1e-4 * (i + 1) for i in range(10)])
    assert rates[10] == max(rates) == 1e-3
    assert all(later < earlier for earlier, later in pairwise(rates[10:]))
    assert rates[60] == pytest.approx((1e-3 + 1e-6) / 2)
    assert rates[110] == pytest.approx(1e-6)


@pytest.mark.parametrize("schedule", ["cosine", "stable"])
@pytest.mark.parametrize(("max_steps", "rising"), [(5000, 500), (200, 20), (5, 0)])
def test_warm_up_takes_its_share_of_all_steps(schedule, max_steps, rising):
    chosen = recipe(max_steps=max_steps, warmup_share=0.1, decay_steps=1, schedule=schedule)
    rates = [learning_rate(step, chosen) for step in range(max_steps)]
    assert sum(rate < chosen.learning_rate for rate in rates[: max_steps // 10]) == max(0, rising - 1)
    assert rates[max(0, rising - 1)] == chosen.learning_rate


def test_a_stable_rate_stays_until_it_anneals_in_a_straight_line_to_the_minimum():
    chosen = recipe(
        learning_rate=1e-3, min_learning_rate=1e-6, max_steps=100, warmup_share=0.1, schedule="stable",
        decay_steps=20,
    )  # fmt: skip
    rates = [learning_rate(step, chosen) for step in range(100)]
    assert set(rates[9:80]) == {1e-3}
    steps = [earlier - later for earlier, later in pairwise(rates[79:])]
    assert steps == pytest.approx([(1e-3 - 1e-6) / 20] * 20)
    assert rates[99] == pytest.approx(1e-6)
    early = [learning_rate(step, chosen, decay_from=40) for step in range(60)]
    assert early[:40] == rates[:40]
    assert early[40:] == pytest.approx(rates[80:])


def test_annealing_takes_at_most_all_steps():
    chosen = recipe(min_learning_rate=0.0, max_steps=8, warmup_share=0.0, schedule="stable", decay_steps=50)
    rates = [learning_rate(step, chosen) for step in range(8)]
    assert rates == pytest.approx([chosen.learning_rate * left / 8 for left in range(7, -1, -1)])


@pytest.mark.parametrize("schedule", ["cosine", "stable"])
def test_a_minimum_above_the_rate_keeps_the_rate_constant(schedule):
    chosen = recipe(
        learning_rate=1e-5, min_learning_rate=1e-3, warmup_share=0.0, max_steps=50, schedule=schedule
    )
    assert {learning_rate(step, chosen) for step in range(50)} == {1e-5}


def test_parameters_learn_at_their_own_multiple_of_the_rate_and_shrink_alike():
    network = TinyNetwork()
    network.body[1].weight.rate_multiplier = 0.25
    optimizer = build_optimizer(network, recipe(weight_decay=0.1))
    set_learning_rate(optimizer, 0.02)
    rates = {id(p): (g["lr"], g["weight_decay"]) for g in optimizer.param_groups for p in g["params"]}
    assert rates[id(network.body[1].weight)] == pytest.approx((0.005, 0.4))
    assert rates[id(network.head.weight)] == pytest.approx((0.02, 0.1))
    assert rates[id(network.head.bias)] == pytest.approx((0.02, 0.0))


def test_biases_and_norms_are_not_decayed():
    network = TinyNetwork()
    decayed, free = build_optimizer(network, recipe(weight_decay=0.1)).param_groups
    assert (decayed["weight_decay"], free["weight_decay"]) == (0.1, 0.0)
    assert {id(p) for p in decayed["params"]} == {id(network.body[1].weight), id(network.head.weight)}
    assert len(free["params"]) == 4


def test_frozen_parameters_are_left_out_and_nothing_to_train_is_an_error():
    network = TinyNetwork()
    network.head.requires_grad_(False)
    assert sum(len(group["params"]) for group in build_optimizer(network, recipe()).param_groups) == 4
    with pytest.raises(ModelError, match="no trainable parameter"):
        build_optimizer(network.requires_grad_(False), recipe())


@pytest.mark.parametrize(("scale", "clipped"), [(10.0, 1.0), (0.01, 0.05)])
def test_gradients_are_clipped_to_the_maximum_norm_only_above_it(scale, clipped):
    layer = torch.nn.Linear(5, 5, bias=False)
    layer.weight.grad = torch.full((5, 5), scale)
    assert float(clip_gradients(layer, 1.0)) == pytest.approx(5 * scale)
    assert float(layer.weight.grad.norm()) == pytest.approx(clipped, rel=1e-4)


def test_a_gradient_that_is_nan_is_reported():
    layer = torch.nn.Linear(5, 5)
    layer(torch.full((1, 5), float("nan"))).sum().backward()
    assert clip_gradients(layer, 1.0).isnan()
