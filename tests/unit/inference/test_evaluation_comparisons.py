"""Paired comparisons by date, the two noises of an estimate, and Holm's correction."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest

from lib.inference.comparisons import (
    DateLosses,
    Estimate,
    SeedNoise,
    compare_losses,
    holm,
    holm_confidences,
)
from lib.scoring.paired import paired_difference


def frame(target: np.ndarray, probability: np.ndarray, symbol: str = "X") -> pl.DataFrame:
    days = [date(2020, 1, 1) + timedelta(days=i) for i in range(target.size)]
    columns = {"date": days, "target": target, "probability_1": probability}
    return pl.DataFrame(columns).with_columns(
        symbol=pl.lit(symbol), prediction=(pl.col("probability_1") > 0.5) * 1.0
    )


def two_models(n: int = 400) -> tuple[pl.DataFrame, pl.DataFrame]:
    rng = np.random.default_rng(0)
    truth = np.clip(0.5 + 0.2 * rng.normal(size=n), 0.1, 0.9)
    target = (rng.random(n) < truth).astype(float)
    return frame(target, truth), frame(target, 0.5 + 0.5 * (truth - 0.5))


def test_a_paired_difference_sees_what_separate_intervals_cannot() -> None:
    from lib.metrics.classification import classification_metrics

    good, weak = two_models()
    difference = paired_difference(good, weak, "direction", 1)
    assert difference is not None
    losses = [
        classification_metrics(f["target"], f["probability_1"])["log_loss"] or 0.0 for f in (good, weak)
    ]
    assert difference.value == pytest.approx(losses[0] - losses[1])
    _, high = difference.interval(0.95)
    assert high is not None
    assert high < 0
    assert difference.p_value() < 0.05


def test_a_model_does_not_differ_from_itself() -> None:
    good, _ = two_models()
    difference = paired_difference(good, good, "direction", 1)
    assert difference is not None
    assert difference.interval(0.95) == (0.0, 0.0)
    assert difference.p_value() == 1.0


def test_only_samples_that_both_hold_are_compared_whatever_their_order() -> None:
    good, weak = two_models()
    shuffled = weak[100:].sample(fraction=1.0, shuffle=True, seed=1)
    part = paired_difference(good, shuffled, "direction", 1)
    same = paired_difference(good[100:], weak[100:], "direction", 1)
    assert part == same
    assert paired_difference(good[:50], weak[50:], "direction", 1) is None


def test_an_interval_keeps_to_what_is_possible() -> None:
    wide = Estimate(0.333, 0.2, 1.0)
    assert wide.interval(0.95)[0] < 0.0  # type: ignore[operator]
    assert replace(wide, least=0.0, most=1.0).interval(0.95) == (0.0, 1.0)


def test_losses_that_differ_by_rounding_alone_are_equal() -> None:
    sums, counts = np.random.default_rng(1).random((1, 60)) + 0.5, np.ones(60)
    rounded = DateLosses(sums + 2e-8, counts)
    equal = compare_losses(rounded, DateLosses(sums, counts), 1)
    assert (equal.value, equal.p_value()) == (0.0, 1.0)
    other = compare_losses(DateLosses(sums + 2e-3, counts), DateLosses(sums, counts), 1)
    assert other.p_value() < 0.001


def test_seed_noise_widens_what_dates_alone_would_claim() -> None:
    dates = Estimate(0.01, 0.002, 100.0)
    both = Estimate(0.01, 0.002, 100.0, (SeedNoise(0.004**2, 2),))
    assert both.standard_error == pytest.approx(np.hypot(0.002, 0.004))
    assert both.degrees_of_freedom < 5
    assert dates.interval(0.95)[0] > 0 > both.interval(0.95)[0]  # type: ignore[operator]


def test_seeds_that_differ_much_leave_a_difference_open() -> None:
    rng = np.random.default_rng(0)
    noise = rng.normal(0.7, 0.01, 300)
    counts = np.ones(300)
    steady = DateLosses(np.array([noise - 0.01, noise - 0.01 + 1e-5]), counts)
    erratic = DateLosses(np.array([noise - 0.05, noise + 0.03]), counts)
    rival = DateLosses(np.array([noise, noise + 1e-5]), counts)
    assert compare_losses(steady, rival, 1).p_value() < 0.001
    assert compare_losses(erratic, rival, 1).p_value() > 0.3


def test_too_short_a_test_set_gives_no_interval_and_no_finding() -> None:
    good, weak = two_models(7)
    difference = paired_difference(good, weak, "direction", 5)
    assert difference is not None
    assert difference.interval(0.95) == (None, None)
    assert difference.p_value() == 1.0
    assert difference.detectable(0.95) is None


def test_detectable_effect_is_found_in_four_of_five_repetitions() -> None:
    effect = Estimate(0.0, 1.0, 60.0).detectable(0.95)
    assert effect is not None
    rng = np.random.default_rng(0)
    found = [Estimate(effect + rng.normal(), 1.0, 60.0).p_value() < 0.05 for _ in range(2000)]
    assert np.mean(found) == pytest.approx(0.8, abs=0.03)


def test_holm_against_a_worked_example() -> None:
    # Four tests: 4 x 0.005, 3 x 0.01, 2 x 0.03, then 0.04 raised to its predecessor's 0.06.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


def test_after_the_first_test_kept_no_other_is_rejected() -> None:
    # 0.04 alone would pass its own level of 0.05, but 0.03 was kept at 0.025 before it.
    assert holm_confidences([0.04, 0.03], 0.95) == pytest.approx([0.975, 0.975])
    assert holm_confidences([0.001, 0.04], 0.95) == pytest.approx([0.975, 0.95])


def test_an_interval_at_holms_level_excludes_zero_exactly_if_holm_rejects() -> None:
    rng = np.random.default_rng(3)
    for _ in range(50):
        estimates = [Estimate(value, 1.0, 30.0) for value in rng.normal(0, 2.5, size=5)]
        p_values = [estimate.p_value() for estimate in estimates]
        levels = holm_confidences(p_values, 0.95)
        for estimate, level, adjusted in zip(estimates, levels, holm(p_values), strict=True):
            low, high = estimate.interval(level)
            assert low is not None
            assert high is not None
            assert (low > 0 or high < 0) == (adjusted <= 0.05)
