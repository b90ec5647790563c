"""Measures of predicted returns: equal to scikit-learn's, safe at zero, None where undefined."""

from __future__ import annotations

import numpy as np
import pytest

from lib.metrics.regression import regression_metrics, squared_error_per_sample


def test_every_measure_equals_scikit_learns() -> None:
    from sklearn import metrics

    rng = np.random.default_rng(0)
    target = rng.normal(0, 0.01, 300)
    prediction = 0.2 * target + rng.normal(0, 0.003, 300)
    ours = regression_metrics(target, prediction)
    assert ours["mse"] == pytest.approx(metrics.mean_squared_error(target, prediction))
    assert ours["mae"] == pytest.approx(metrics.mean_absolute_error(target, prediction))
    assert ours["mape"] == pytest.approx(metrics.mean_absolute_percentage_error(target, prediction))
    assert ours["r2"] == pytest.approx(metrics.r2_score(target, prediction))
    assert ours["directional_accuracy"] == pytest.approx(metrics.accuracy_score(target > 0, prediction > 0))
    assert ours["zero_mse"] == pytest.approx(np.mean(target**2))
    assert np.mean(squared_error_per_sample(target, prediction)) == pytest.approx(ours["mse"])


def test_days_without_a_move_count_neither_for_percentage_error_nor_for_direction() -> None:
    ours = regression_metrics([0.0, 0.02, -0.01], [0.01, 0.01, 0.01])
    assert ours["mape"] == pytest.approx((0.5 + 2.0) / 2)
    assert ours["directional_accuracy"] == pytest.approx(0.5)


def test_what_is_undefined_is_none() -> None:
    still = regression_metrics([0.0, 0.0], [0.01, 0.02])
    assert still["r2"] is None
    assert still["mape"] is None
    assert still["directional_accuracy"] is None
    assert regression_metrics([], [])["mse"] is None


def test_a_prediction_that_is_not_finite_voids_every_measure_of_the_model() -> None:
    ours = regression_metrics([0.01, 0.02], [0.01, np.inf])
    assert ours["n_invalid"] == 1
    assert ours["mse"] is None
    assert ours["zero_mse"] == pytest.approx(2.5e-4)


def test_the_same_prediction_for_all_is_a_collapse() -> None:
    assert regression_metrics([0.01, -0.02], [0.003, 0.003])["collapsed"] is True
    assert regression_metrics([0.01, -0.02], [0.003, 0.004])["collapsed"] is False
