"""Opponents that know nothing but the price: what they state, and that they cannot look ahead."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lib.config.training import Recipe
from lib.datasets.rates import means_by_symbol, pooled_means
from lib.datasets.windows import Samples
from lib.errors import ModelError
from lib.models import registry
from lib.models.base import Model, Problem
from lib.training.context import TrainingContext

CONTEXT, CHANNELS = 40, ("log_return_1", "gap", "upper_shadow")


def clustered(n: int = 4000, horizon: int = 5, task: str = "threshold_1pct", seed: int = 0) -> Samples:
    """Returns whose volatility comes in waves; the target is made from the returns that follow."""
    random = np.random.default_rng(seed)
    sigma = 0.004 + 0.012 * (np.sin(np.arange(n) / 60) > 0.3)
    returns = sigma * random.standard_normal(n)
    # Every bar opens at the close before and ends at its high or at its open: highs are those of closes.
    matrix = np.column_stack([returns, np.zeros(n), np.maximum(-returns, 0) * 0]).astype(np.float32)
    ends = np.arange(CONTEXT - 1, n - horizon)
    ahead = np.cumsum(returns[ends[:, None] + np.arange(1, horizon + 1)], axis=1)
    target = ahead.max(axis=1) >= np.log(1.01) if task.startswith("threshold") else ahead[:, -1] > 0
    days = np.datetime64("2001-01-01") + np.arange(len(ends))
    symbols = np.full(len(ends), "X", dtype=object)
    return Samples(matrix, ends, target.astype(np.float32), days, symbols, CONTEXT, horizon, task, CHANNELS)


def part(samples: Samples, start: int, stop: int) -> Samples:
    chosen = slice(start, stop)
    return replace(
        samples,
        ends=samples.ends[chosen],
        target=samples.target[chosen],
        dates=samples.dates[chosen],
        symbols=samples.symbols[chosen],
    )


def fitted(name: str, samples: Samples, **settings) -> Model:
    model_class = registry.get(name)
    problem = Problem(samples.task, samples.horizon, 3, CONTEXT, CHANNELS, np.zeros(3), np.ones(3))
    model = model_class(model_class.Settings(**settings), problem, None, Recipe(), 0)
    model.fit(part(samples, 0, 2500), part(samples, 2600, 3000), TrainingContext(seed=0, state_dir=Path()))
    return model


def test_the_base_rate_is_that_of_each_symbol_and_pooled_for_one_it_has_not_seen(tmp_path):
    samples = part(clustered(), 0, 300)
    often, rare = np.arange(300) < 100, np.arange(300) >= 100
    target = np.where(often, np.arange(300) % 2, np.arange(300) % 20 == 0).astype(np.float32)
    symbols = np.where(often, "often", "rare").astype(object)
    train = replace(samples, target=target, symbols=symbols)
    model_class = registry.get("naive:base_rate")
    problem = Problem(samples.task, samples.horizon, 3, CONTEXT, CHANNELS, np.zeros(3), np.ones(3))
    model = model_class(model_class.Settings(), problem, None, Recipe(), 0)
    model.fit(train, train, TrainingContext(seed=0, state_dir=Path()))
    model.save(tmp_path)
    probability = model_class.load(tmp_path).predict(train).probability[:, 1]
    pooled = target.mean()
    assert probability[often] == pytest.approx((50 + pooled) / 101)
    assert probability[rare] == pytest.approx((10 + pooled) / 201)
    unseen = replace(train, symbols=np.full(300, "new", dtype=object))
    assert model.predict(unseen).probability[:, 1] == pytest.approx(pooled)
    never = replace(train, target=np.where(rare, 0, target).astype(np.float32))
    assert means_by_symbol(never)["rare"][1] > 0, "what has not happened yet is rare, not impossible"
    alone = replace(train, symbols=np.full(300, "one", dtype=object))
    assert means_by_symbol(alone)["one"] == pytest.approx(pooled_means(alone))


@pytest.mark.parametrize("kind", ["har", "garch"])
def test_volatility_foresees_touches_that_the_base_rate_cannot(kind):
    samples = clustered()
    model, test = fitted("naive:volatility", samples, kind=kind), part(samples, 3100, 3900)
    probability = model.predict(test).probability[:, 1]
    up, down = probability[test.target == 1], probability[test.target == 0]
    assert (up[:, None] > down[None, :]).mean() > 0.65, "the area under the ROC curve"
    assert abs(probability.mean() - test.target.mean()) < 0.08


@pytest.mark.parametrize(
    ("name", "settings"),
    [("naive:volatility", {}), ("naive:volatility", {"kind": "garch"}), ("naive:persistence", {})],
)
def test_a_forecast_sees_nothing_after_its_window(name, settings):
    samples = clustered()
    model, test = fitted(name, samples, **settings), part(samples, 3100, 3400)
    before = model.predict(test).probability
    future = samples.matrix.copy()
    future[test.ends[-1] + 1 :] = 9.0
    np.testing.assert_array_equal(model.predict(replace(test, matrix=future)).probability, before)


@pytest.mark.parametrize(
    ("name", "settings"),
    [("naive:volatility", {}), ("naive:volatility", {"kind": "garch"}), ("naive:persistence", {})],
)
def test_fitting_sees_nothing_after_the_labels_of_training(name, settings):
    """The labels of training end H bars after its last window; what comes later must not matter."""
    samples = clustered()
    last = part(samples, 0, 2500).ends[-1] + samples.horizon
    changed = samples.matrix.copy()
    changed[last + 1 :] *= 3
    models = [fitted(name, s, **settings) for s in (samples, replace(samples, matrix=changed))]
    early = part(samples, 0, 2000)
    np.testing.assert_array_equal(*[model.predict(early).probability for model in models])


def test_persistence_states_how_often_it_went_on():
    samples = clustered(task="direction")
    model = fitted("naive:persistence", samples)
    train = part(samples, 0, 2500)
    returns = samples.matrix[:, 0].astype(np.float64)
    rose = np.array([returns[end - 4 : end + 1].sum() > 0 for end in train.ends])
    assert model.rates[1] == pytest.approx(train.target[rose].mean(), abs=1e-3)
    assert model.rates[0] == pytest.approx(train.target[~rose].mean(), abs=1e-3)


def test_a_dataset_without_past_returns_is_refused_readably():
    samples = replace(clustered(), channel_names=("a", "b", "c"))
    model_class = registry.get("naive:persistence")
    problem = Problem(samples.task, samples.horizon, 3, CONTEXT, ("a", "b", "c"), np.zeros(3), np.ones(3))
    model = model_class(model_class.Settings(), problem, None, Recipe(), 0)
    with pytest.raises(ModelError, match=r"needs the channel.* log_return_1.* does not hold"):
        model.fit(samples, samples, TrainingContext(seed=0, state_dir=Path()))
