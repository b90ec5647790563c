"""Sharpe ratios and drawdowns, with the published example of the deflated Sharpe ratio."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from lib.metrics.trading_measures import (
    drawdowns,
    expected_best_sharpe,
    max_drawdown,
    moments,
    probabilistic_sharpe,
    sharpe_ratio,
)


def test_sharpe_and_moments_equal_scipy() -> None:
    returns = np.random.default_rng(0).standard_t(4, 500) * 0.01
    assert sharpe_ratio(returns) == pytest.approx(returns.mean() / returns.std(ddof=1))
    assert moments(returns) == pytest.approx((stats.skew(returns), stats.kurtosis(returns, fisher=False)))
    assert sharpe_ratio(np.zeros(10)) is None
    assert sharpe_ratio([0.1]) is None
    assert moments([]) == (0.0, 3.0)


def test_drawdown_is_the_largest_fall_from_a_peak_and_the_start_is_one() -> None:
    assert max_drawdown([1.1, 0.55, 1.2, 0.9]) == pytest.approx(0.5)
    assert max_drawdown([0.9, 0.8]) == pytest.approx(0.2)
    assert max_drawdown([1.1, 1.2]) == 0.0
    assert drawdowns(np.array([1.0, 0.5])).tolist() == [0.0, 0.5]


def test_the_example_of_bailey_and_lopez_de_prado() -> None:
    """The deflated Sharpe ratio (2014): annual SR 2.5, five years of daily returns, skew -3, kurtosis 10.

    100 trials whose annualised ratios vary by 1/2: expected best 0.1132 a day, deflated ratio 0.9004; with
    46 trials 0.9505.
    """
    sharpe = 2.5 / math.sqrt(250)
    # Two ratios with the variance of the example, per day.
    spread = math.sqrt(0.5 / 250) / math.sqrt(2)
    expected = expected_best_sharpe([-spread, spread], 100)
    assert expected == pytest.approx(0.1132, abs=1e-4)
    assert probabilistic_sharpe(sharpe, 1250, -3, 10, expected) == pytest.approx(0.9004, abs=1e-4)
    fewer = expected_best_sharpe([-spread, spread], 46)
    assert probabilistic_sharpe(sharpe, 1250, -3, 10, fewer) == pytest.approx(0.9505, abs=1e-4)


def test_probabilistic_sharpe_of_normal_returns_is_a_z_test() -> None:
    assert probabilistic_sharpe(0.0, 100, 0, 3) == 0.5
    z = 0.1 * math.sqrt(99) / math.sqrt(1 + 0.1**2 / 2)
    assert probabilistic_sharpe(0.1, 100, 0, 3) == pytest.approx(stats.norm.cdf(z))
    assert probabilistic_sharpe(0.1, 1, 0, 3) is None
    assert probabilistic_sharpe(1.0, 10, 3, 3) is None


def test_the_expected_best_of_trials_without_skill_is_what_simulation_gives() -> None:
    best = np.random.default_rng(0).normal(size=(4000, 200)).max(axis=1).mean()
    sample = np.random.default_rng(1).normal(size=20_000)
    assert expected_best_sharpe(list(sample), 200) == pytest.approx(best, rel=0.03)
    assert expected_best_sharpe([0.3], 5) is None
    assert expected_best_sharpe([0.3], 1) == 0.0
