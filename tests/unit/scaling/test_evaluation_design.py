"""What a design can show before it is run, as numbers of known designs and as simulation finds them."""

from __future__ import annotations

import numpy as np
import pytest

from lib.inference.comparisons import DateLosses, compare_losses
from lib.scaling.design import (
    Design,
    Noise,
    assumed_noise,
    assumed_rate,
    changes,
    dates_needed,
    holm_level,
    measured_noise,
    smallest_flat,
    smallest_gain,
)

FOLDS = Design(dates=4500, horizon=1, folds=9, seeds=5)
TOUCH = Noise(label=0.13, seed=0.0, source="assumed")


def test_smallest_gains_of_known_designs() -> None:
    assert smallest_gain(FOLDS, TOUCH, 0.95, 1, 0.8) == pytest.approx(2.80 * 0.13 / 4500**0.5, rel=0.01)
    loud = Noise(0.13, 0.006, "assumed")
    error = np.hypot(0.13 / 4500**0.5, 0.002 * (2 / 5) ** 0.5)
    assert smallest_gain(FOLDS, loud, 0.95, 1, 0.8) == pytest.approx(2.80 * error, rel=0.02)
    # The study's own split: 61 labels, of which a longer horizon leaves fewer blocks and a wider t.
    split = Design(dates=304, horizon=5, folds=1, seeds=5)
    shown = smallest_gain(split, Noise(0.148, 0.0, "assumed"), 0.95, 1, 0.8)
    assert 0.053 < shown < 0.058  # type: ignore[operator]


def test_a_larger_family_hides_more() -> None:
    alone, shared = (smallest_gain(FOLDS, TOUCH, 0.95, size, 0.8) for size in (1, 22))
    assert holm_level(0.95, 22) == pytest.approx(1 - 0.05 / 22)
    assert shared / alone == pytest.approx((3.05 + 0.84) / 2.80, rel=0.01)  # type: ignore[operator]


def test_too_few_dates_show_nothing() -> None:
    short = Design(dates=9, horizon=5, folds=1, seeds=5)
    assert smallest_gain(short, TOUCH, 0.95, 1, 0.8) is None
    assert smallest_flat(short, TOUCH, 3, 0.95, 0.8) is None
    assert changes(short, TOUCH, 0.95, 1, 0.8, 0.005) == []


def test_the_planned_gain_is_found_in_four_of_five_studies() -> None:
    """Simulated losses by date and seed, measured by the function that measures real ones."""
    design = Design(dates=600, horizon=1, folds=1, seeds=4)
    noise = Noise(label=0.13, seed=0.006, source="assumed")
    smallest = smallest_gain(design, noise, 0.95, 1, 0.8)
    rng, found = np.random.default_rng(0), []
    for _ in range(300):
        losses = []
        for gain in (0.0, smallest):
            dates, seeds = rng.normal(0, 0.13 / 2**0.5, 600), rng.normal(0, 0.006, (4, 1))
            losses.append(DateLosses(0.6 - gain + dates + seeds, np.ones(600)))  # type: ignore[operator]
        low, _ = compare_losses(*losses, 1).interval(0.95)
        found.append(low > 0)  # type: ignore[operator]
    assert np.mean(found) == pytest.approx(0.8, abs=0.07)


def test_equal_scale_points_are_found_flat_within_what_is_planned() -> None:
    design = Design(dates=600, horizon=1, folds=1, seeds=4)
    within = smallest_flat(design, Noise(0.13, 0.0, "assumed"), 2, 0.95, 0.8)
    rng, found = np.random.default_rng(1), []
    for _ in range(300):
        one, two = (DateLosses(rng.normal(0.6, 0.13 / 2**0.5, (1, 600)), np.ones(600)) for _ in range(2))
        low, high = compare_losses(one, two, 1).interval(0.9)
        found.append(-within < low and high < within)  # type: ignore[operator]
    assert np.mean(found) == pytest.approx(0.8, abs=0.07)
    three = smallest_flat(design, Noise(0.13, 0.0, "assumed"), 3, 0.95, 0.8)
    assert three > within, "all three pairs must be flat"  # type: ignore[operator]


def test_assumed_base_rates_meet_those_of_the_market() -> None:
    """SPY, 2006 to 2024: share of days (and of five-day spans) that rise, or that touch a threshold."""
    for task, days, share in (
        ("direction", 1, 0.551), ("direction", 5, 0.599), ("threshold_1pct", 1, 0.227),
        ("threshold_1pct", 5, 0.594), ("threshold_2pct", 5, 0.285), ("threshold_3pct", 5, 0.132),
    ):  # fmt: skip
        assert assumed_rate(task, days) == pytest.approx(share, abs=0.05)
    assert assumed_rate("regression", 5) is None
    assert assumed_noise(assumed_rate("threshold_1pct", 1)).label == pytest.approx(0.13, abs=0.005)
    assert assumed_noise(0.5, corners=4).label == pytest.approx(2**0.5 * 0.15)


def test_measured_noise_returns_the_errors_it_came_from() -> None:
    past = Design(dates=2500, horizon=5, folds=5, seeds=3)
    noise = measured_noise(0.004, 0.001, past)
    assert noise.label == pytest.approx(0.004 * 500**0.5)
    from lib.scaling.design import planned

    again = planned(past, noise)
    assert (again.se_dates, again.se_seeds) == (pytest.approx(0.004), pytest.approx(0.001))


def test_what_would_show_the_margin_is_named_with_its_figure() -> None:
    weak = Design(dates=4500, horizon=5, folds=9, seeds=5)
    noise = Noise(0.1, 0.0, "assumed")
    found = {way.text: way for way in changes(weak, noise, 0.95, 22, 0.8, 0.006, curves=2)}
    assert list(found) == [
        "a horizon of 1 bar", "alone in its family instead of one of 22",
        "its 2 curves pooled, if their noises are independent",
    ]  # fmt: skip
    assert found["a horizon of 1 bar"].enough
    assert found["a horizon of 1 bar"].shows == pytest.approx(3.9 * 0.1 / 4500**0.5, rel=0.01)
    assert not found["alone in its family instead of one of 22"].enough
    shows = smallest_gain(weak, noise, 0.95, 22, 0.8)
    assert dates_needed(shows, shows / 2, 4500) == 4 * 4500  # type: ignore[operator, arg-type]
    assert changes(weak, noise, 0.95, 22, 0.8, margin=1.0) == []
    loud = {way.text for way in changes(weak, Noise(0.01, 0.05, "assumed"), 0.95, 1, 0.8, 0.001)}
    assert "seeds without noise (many more)" in loud
