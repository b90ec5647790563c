"""Reliability bins, calibration error and Wilson's interval, held equal to scikit-learn and statsmodels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lib.metrics.calibration_error import (
    bin_of,
    calibration_error_by_chance,
    expected_calibration_error,
    reliability_bins,
    wilson,
)


def sample(seed: int = 0, n: int = 1000) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    probability = rng.random(n)
    return (rng.random(n) < probability).astype(float), probability


def test_bins_equal_scikit_learns_quantile_curve() -> None:
    from sklearn.calibration import calibration_curve

    target, probability = sample()
    observed, mean = calibration_curve(target, probability, n_bins=10, strategy="quantile")
    points = reliability_bins(target, probability)
    assert [p["observed"] for p in points] == pytest.approx(observed)
    assert [p["mean_probability"] for p in points] == pytest.approx(mean)


def test_calibration_error_is_the_weighted_distance_of_the_bins() -> None:
    target, probability = sample(1)
    points = reliability_bins(target, probability)
    by_hand = sum(p["count"] * abs(p["observed"] - p["mean_probability"]) for p in points) / 1000
    assert expected_calibration_error(target, probability) == pytest.approx(by_hand)


def test_chance_alone_explains_the_error_of_a_calibrated_model() -> None:
    errors, chances = [], []
    for seed in range(60):
        target, probability = sample(seed, 500)
        errors.append(expected_calibration_error(target, probability))
        chances.append(calibration_error_by_chance(probability))
    assert np.mean(errors) == pytest.approx(np.mean(chances), rel=0.06)


def test_wilson_equals_statsmodels() -> None:
    from statsmodels.stats.proportion import proportion_confint

    for hits, n in ((0, 12), (3, 12), (40, 75), (75, 75)):
        assert wilson(hits / n, n) == pytest.approx(proportion_confint(hits, n, method="wilson"), abs=1e-12)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.sampled_from([0.1, 0.2, 0.5, 0.55, 0.9]), min_size=1, max_size=60))
def test_equal_probabilities_share_a_bin_and_none_is_lost(values: list[float]) -> None:
    number = bin_of(values)
    assert sorted(set(number)) == list(range(number.max() + 1))
    for value in set(values):
        assert len(set(number[np.array(values) == value])) == 1


def test_nothing_is_measured_without_samples() -> None:
    assert expected_calibration_error([], []) is None
    assert calibration_error_by_chance([]) is None
    assert reliability_bins([], []) == []
