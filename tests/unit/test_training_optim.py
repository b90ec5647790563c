"""Optimiser groups, learning rate and gradient clipping."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from training_samples import TinyNetwork, recipe

from lib.errors import ModelError
from lib.training.optim import build_optimizer, clip_gradients, learning_rate, warmup_length


def test_the_rate_rises_linearly_then_falls_along_a_cosine_to_the_minimum():
    chosen = recipe(learning_rate=1e-3, min_learning_rate=1e-6, warmup_steps=10)
    rates = [learning_rate(step, 111, chosen) for step in range(111)]
    assert rates[:10] == pytest.approx([1e-4 * (i + 1) for i in range(10)])
    assert rates[10] == max(rates) == 1e-3
    assert all(later < earlier for earlier, later in pairwise(rates[10:]))
    assert rates[60] == pytest.approx((1e-3 + 1e-6) / 2)
    assert rates[110] == pytest.approx(1e-6)


def test_warm_up_takes_at_most_its_share_of_all_steps():
    chosen = recipe(warmup_steps=100, warmup_max_share=0.1)
    assert (warmup_length(5000, chosen), warmup_length(200, chosen), warmup_length(5, chosen)) == (100, 20, 0)
    assert learning_rate(0, 5, chosen) == chosen.learning_rate


def test_a_minimum_above_the_rate_keeps_the_rate_constant():
    chosen = recipe(learning_rate=1e-5, min_learning_rate=1e-3, warmup_steps=0)
    assert {learning_rate(step, 50, chosen) for step in range(50)} == {1e-5}


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
