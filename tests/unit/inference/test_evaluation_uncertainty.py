"""The block bootstrap: right weights and block length, intervals that cover, draws shared by models."""

from __future__ import annotations

import numpy as np
import pytest

from lib.inference.bootstrap import (
    average_precision_draws,
    block_length,
    enough_blocks,
    index_dates,
    lost_share,
    mean_draws,
    mean_standard_error,
    optimal_block_length,
    percentile_interval,
    r2_draws,
    stationary_weights,
    sum_by_date,
    widening,
)
from lib.metrics.classification import classification_metrics
from lib.metrics.regression import regression_metrics
from lib.scoring.measures import _draws


def autoregressive(rng: np.random.Generator, n: int, phi: float) -> np.ndarray:
    noise = rng.normal(size=n + 50)
    for t in range(1, noise.size):
        noise[t] += phi * noise[t - 1]
    return noise[50:]


@pytest.mark.parametrize("n", [40, 250, 900])
@pytest.mark.parametrize("phi", [0.0, 0.5, 0.9])
def test_automatic_block_length_equals_arch(n: int, phi: float) -> None:
    from arch.bootstrap import optimal_block_length as reference

    series = autoregressive(np.random.default_rng(n), n, phi)
    assert optimal_block_length(series) == pytest.approx(float(reference(series)["stationary"].iloc[0]))


def test_block_is_at_least_the_horizon_and_the_longest_that_any_series_needs() -> None:
    rng = np.random.default_rng(0)
    calm, persistent = rng.normal(size=400), autoregressive(rng, 400, 0.9)
    assert block_length([np.ones(400)], horizon=1) == 1
    assert block_length([np.ones(400)], horizon=5) == 15
    assert block_length([np.ones(40)], horizon=5) == 10
    assert block_length([np.ones(12)], horizon=5) == 5
    assert block_length([calm, persistent], horizon=1) == block_length([persistent], horizon=1) > 5


@pytest.mark.parametrize("series", [np.ones(100), np.arange(4.0), np.full(50, np.nan)])
def test_series_that_say_nothing_about_dependence_give_length_one(series: np.ndarray) -> None:
    assert optimal_block_length(series) == 1.0


def test_each_draw_has_as_many_dates_as_the_test_set_and_treats_all_dates_alike() -> None:
    weights = stationary_weights(60, 6, 4000, seed=1)
    assert weights.shape == (4000, 60)
    assert np.all(weights.sum(axis=1) == 60)
    assert np.allclose(weights.mean(axis=0), 1.0, atol=0.15)


def test_blocks_have_the_mean_length_asked_for() -> None:
    # In a block the next date follows with chance 1 - 1/L, so neighbours' weights move together.
    lonely, long = stationary_weights(200, 1, 500, seed=0), stationary_weights(200, 10, 500, seed=0)
    neighbours = [np.corrcoef(w[:, 80], w[:, 81])[0, 1] for w in (lonely, long)]
    assert neighbours[0] < 0.2
    assert neighbours[1] == pytest.approx(0.9, abs=0.06)


def test_two_models_on_the_same_dates_get_the_same_draws() -> None:
    assert np.array_equal(stationary_weights(90, 4, 100, seed=3), stationary_weights(90, 4, 100, seed=3))
    assert not np.array_equal(stationary_weights(90, 4, 100, seed=3), stationary_weights(90, 4, 100, seed=4))


def test_symbols_of_a_date_stay_together() -> None:
    _, index = index_dates(np.array(["2020-01-02", "2020-01-01", "2020-01-02"], dtype="datetime64[D]"))
    assert index.tolist() == [1, 0, 1]
    weights = np.array([[0.0, 2.0]])
    sums, counts = sum_by_date([1.0, 9.0, 3.0], index, 2), sum_by_date([1.0, 1.0, 1.0], index, 2)
    assert mean_draws(sums, counts, weights) == pytest.approx([2.0])


def test_r2_draw_equals_the_measure_when_every_date_is_drawn_once() -> None:
    from lib.metrics.regression import regression_metrics

    rng = np.random.default_rng(1)
    target = rng.normal(size=50)
    prediction = 0.5 * target + rng.normal(size=50)
    draw = r2_draws(target, prediction, np.arange(50), np.ones((1, 50)))
    assert draw[0] == pytest.approx(regression_metrics(target, prediction)["r2"])


def test_a_draw_of_one_class_is_left_out_and_too_many_of_them_give_no_interval() -> None:
    weights = np.array([[1.0, 1.0], [2.0, 0.0]])
    draws = average_precision_draws([1.0, 0.0], [0.7, 0.2], np.array([0, 1]), weights)
    assert draws[0] == 1.0
    assert np.isnan(draws[1])
    assert percentile_interval(draws, 0.95) == (None, None)


@pytest.mark.parametrize("block", [1, 4, 20])
def test_the_exact_standard_error_is_that_of_very_many_draws(block: int) -> None:
    series = autoregressive(np.random.default_rng(3), 80, 0.6)
    draws = mean_draws(series, np.ones(80), stationary_weights(80, block, 60_000, seed=5))
    bootstrap = mean_standard_error(series, block) * np.sqrt(1 - lost_share(80, block))
    assert draws.std() == pytest.approx(bootstrap, rel=0.015)


def test_it_equals_archs_bootstrap() -> None:
    from arch.bootstrap import StationaryBootstrap

    series = autoregressive(np.random.default_rng(4), 120, 0.5)
    variance = StationaryBootstrap(6, series, seed=1).var(lambda x: x.mean(axis=0), reps=20_000)
    bootstrap = mean_standard_error(series, 6) * np.sqrt(1 - lost_share(120, 6))
    assert float(np.squeeze(variance)) ** 0.5 == pytest.approx(bootstrap, rel=0.03)


def test_the_lost_share_is_what_independent_values_lose() -> None:
    rng = np.random.default_rng(0)
    found = [mean_standard_error(rng.normal(size=60), 6) ** 2 * 60 for _ in range(4000)]
    assert np.mean(found) == pytest.approx(1.0, abs=0.03)
    assert lost_share(60, 6) > 0.15


def test_few_blocks_widen_an_interval() -> None:
    assert widening(10_000, 1, 0.95) == pytest.approx(1.0, abs=0.001)
    assert widening(60, 15, 0.95) > 1.5
    assert percentile_interval(np.arange(101.0), 0.9, stretch=2.0) == (-40.0, 140.0)


@pytest.mark.parametrize("phi", [0.0, 0.5])
def test_intervals_of_dependent_losses_cover_about_as_often_as_they_say(phi: float) -> None:
    rng = np.random.default_rng(11)
    trials, n = 250, 300
    hits = 0
    for _ in range(trials):
        series = autoregressive(rng, n, phi)
        block = block_length([series], horizon=1)
        draws = mean_draws(series, np.ones(n), stationary_weights(n, block, 400, seed=0))
        low, high = percentile_interval(draws, 0.9, widening(n, block, 0.9))
        assert low is not None
        assert high is not None
        hits += low <= 0.0 <= high
    assert 0.85 <= hits / trials <= 0.95


def test_ignoring_dependence_would_not_cover() -> None:
    rng = np.random.default_rng(11)
    hits = 0
    for _ in range(150):
        series = autoregressive(rng, 300, 0.5)
        draws = mean_draws(series, np.ones(300), stationary_weights(300, 1, 400, seed=0))
        low, high = percentile_interval(draws, 0.9)
        hits += (low or 0.0) <= 0.0 <= (high or 0.0)
    assert hits / 150 < 0.78


def test_a_test_set_of_less_than_four_blocks_is_not_resampled() -> None:
    assert enough_blocks(20, 5)
    assert not enough_blocks(19, 5)


def test_draws_of_every_share_are_the_measure_of_the_drawn_samples() -> None:
    rng = np.random.default_rng(8)
    n = 60
    target = (rng.random(n) < 0.4).astype(float)
    score = np.round(np.clip(0.4 * target + 0.6 * rng.random(n), 0, 1), 1)  # with ties
    index = np.arange(n)
    weights = stationary_weights(n, 4, 25, 1)
    drawn = _draws(target, score, "direction", index, weights)
    for at, weight in enumerate(weights):
        rows = np.repeat(index, weight.astype(int))
        expected = classification_metrics(target[rows], score[rows])
        for name in ("pr_auc", "accuracy", "precision", "recall", "f1"):
            assert drawn[name][at] == pytest.approx(expected[name]), name
    value, forecast = rng.normal(size=n), rng.normal(size=n)
    found = _draws(value, forecast, "regression", index, weights)["directional_accuracy"]
    rows = np.repeat(index, weights[3].astype(int))
    assert found[3] == pytest.approx(regression_metrics(value[rows], forecast[rows])["directional_accuracy"])
