"""Baselines that know nothing but the price: what they state, and that they cannot look ahead."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from lib.config.experiment import BarrierConfig
from lib.config.training import Recipe
from lib.datasets.rates import means_by_symbol, pooled_means
from lib.datasets.targets import add_targets
from lib.datasets.windows import Samples
from lib.errors import ModelError
from lib.features.families import candles
from lib.models import registry
from lib.models.contract import Model, Problem
from lib.models.naive._channels import past_barrier
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


BARRIERS = BarrierConfig(upper=0.8, lower=1.1, volatility_span=20)


def priced(n: int = 3000, seed: int = 0) -> pl.DataFrame:
    """Bars whose volatility comes in waves, with gaps and shadows, and the channels made from them."""
    random = np.random.default_rng(seed)
    sigma = 0.004 + 0.012 * (np.sin(np.arange(n) / 60) > 0.3)
    close = 50 * np.exp(np.cumsum(sigma * random.standard_normal(n)))
    open_ = np.append(50.0, close[:-1]) * np.exp(0.3 * sigma * random.standard_normal(n))
    days = pl.date_range(date(2001, 1, 1), date(2001, 1, 1) + timedelta(days=n - 1), eager=True)
    bars = pl.DataFrame(
        {
            "date": days, "symbol": "X", "open": open_, "close": close, "volume": 1e6,
            "high": np.maximum(open_, close) * np.exp(0.3 * sigma * np.abs(random.standard_normal(n))),
            "low": np.minimum(open_, close) * np.exp(-0.3 * sigma * np.abs(random.standard_normal(n))),
        }
    )  # fmt: skip
    features = [candles.upper_shadow(bars), candles.lower_shadow(bars), candles.gap(bars)]
    named = dict(zip(("upper_shadow", "lower_shadow", "gap"), features, strict=True))
    returns = (pl.col("close") / pl.col("close").shift(1)).log()
    return bars.with_columns(log_return_1=returns, **named).fill_null(0.0)


def barrier_samples(frame: pl.DataFrame, horizon: int = 5, context: int = 60) -> Samples:
    names = (*CHANNELS, "lower_shadow")
    labelled = add_targets(frame, "triple_barrier", horizon, BARRIERS).with_row_index("row")
    kept = labelled.filter(pl.col("target").is_not_null() & (pl.col("row") >= context - 1))
    return Samples(
        frame.select(names).to_numpy().astype(np.float32), kept["row"].to_numpy().astype(np.int64),
        kept["target"].to_numpy().astype(np.float32), kept["date"].to_numpy().astype("datetime64[D]"),
        kept["symbol"].to_numpy().astype(object), context, horizon, "triple_barrier", names,
    )  # fmt: skip


def barrier_model(train: Samples, folder: Path) -> Model:
    model_class = registry.get("naive:persistence")
    problem = Problem(
        train.task, train.horizon, 4, train.context_length, train.channel_names, np.zeros(4), np.ones(4),
        BARRIERS,
    )  # fmt: skip
    model = model_class(model_class.Settings(), problem, None, Recipe(), 0)
    model.fit(train, train, TrainingContext(seed=0, state_dir=folder))
    return model


@pytest.mark.parametrize(
    ("horizon", "context", "agreement"), [(5, 120, 0.999), (5, 60, 0.99), (20, 60, 0.95)]
)
def test_of_three_classes_the_last_outcome_in_a_window_is_the_label_that_was(horizon, context, agreement):
    """Exactly, if a window held all returns; the longer ones hold nearly all of their weight."""
    frame = priced()
    labels = add_targets(frame, "triple_barrier", horizon, BARRIERS)["target"].to_numpy()
    samples = barrier_samples(frame, horizon, context)
    found = past_barrier(samples, horizon, BARRIERS)
    wanted = labels[samples.ends - horizon]
    assert min((wanted == label).mean() for label in (-1, 0, 1)) > 0.1
    assert (found == wanted).mean() >= agreement


def test_of_three_classes_persistence_states_what_followed_each(tmp_path):
    samples = barrier_samples(priced())
    train = part(samples, 0, 2000)
    model = barrier_model(train, tmp_path)
    last = past_barrier(train, 5, BARRIERS)
    for row, before in enumerate((-1, 0, 1)):
        followed = train.target[last == before]
        counts = np.array([(followed == label).sum() for label in (-1, 0, 1)])
        assert model.rates[row] == pytest.approx((counts + 0.5) / (counts.sum() + 1.5))
    said = model.predict(samples).probability
    np.testing.assert_array_equal(said, np.array(model.rates)[past_barrier(samples, 5, BARRIERS) + 1])

    touched = train.target != 0
    only = replace(
        train, ends=train.ends[touched], target=train.target[touched], dates=train.dates[touched],
        symbols=train.symbols[touched],
    )  # fmt: skip
    said = barrier_model(only, tmp_path).predict(samples).probability
    assert (said[:, 1] == 0).all(), "what was never seen is not forecast"
    assert (said[:, [0, 2]] > 0).all()


def test_of_three_classes_persistence_sees_nothing_after_its_window(tmp_path):
    samples, frame = barrier_samples(priced()), priced()
    cut = int(samples.ends[1999]) + samples.horizon
    wild = frame.with_columns(
        pl.when(pl.int_range(pl.len()) > cut).then(pl.col(name) * 3).otherwise(name)
        for name in (*CHANNELS, "lower_shadow", "open", "high", "low", "close")
    )
    changed = barrier_samples(wild)
    models = [barrier_model(part(s, 0, 2000), tmp_path) for s in (samples, changed)]
    assert models[0].rates == models[1].rates
    known = samples.ends <= cut
    before, after = (m.predict(s).probability for m, s in zip(models, (samples, changed), strict=True))
    np.testing.assert_array_equal(before[known], after[: len(before)][known])
    assert not np.array_equal(before[~known], after[~known])


def test_a_window_that_does_not_hold_the_last_outcome_of_three_is_refused(tmp_path):
    barrier_model(part(barrier_samples(priced(), 5, 7), 0, 500), tmp_path)
    with pytest.raises(ModelError, match="a window of 6 bars does not hold the last 7"):
        barrier_model(part(barrier_samples(priced(), 5, 6), 0, 500), tmp_path)


def test_a_dataset_without_past_returns_is_refused_readably():
    samples = replace(clustered(), channel_names=("a", "b", "c"))
    model_class = registry.get("naive:persistence")
    problem = Problem(samples.task, samples.horizon, 3, CONTEXT, ("a", "b", "c"), np.zeros(3), np.ones(3))
    model = model_class(model_class.Settings(), problem, None, Recipe(), 0)
    with pytest.raises(ModelError, match=r"needs the channel.* log_return_1.* does not hold"):
        model.fit(samples, samples, TrainingContext(seed=0, state_dir=Path()))
