"""The slope finds a planted law, a flat world stays flat, forms are compared only where possible."""

from __future__ import annotations

import numpy as np
import pytest

from lib.config.workflow import EvaluationConfig
from lib.evaluation.comparisons import DateLosses
from lib.evaluation.scaling_law import Size, gain, rival_forms, slope

CFG = EvaluationConfig(bootstrap_draws=400)
THREE = {"2M": 2_000_000, "20M": 20_000_000, "200M": 200_000_000}


def world(
    parameters: dict[str, int],
    law: object,
    seeds: int = 3,
    dates: int = 300,
    noise: float = 0.002,
    seed: int = 0,
) -> list[Size]:
    """Losses that share the noise of dates and carry their own noise of seeds and of dates."""
    rng = np.random.default_rng(seed)
    shared = rng.normal(0.65, 0.2, dates)
    sizes = []
    for name, count in parameters.items():
        level = law(count)  # type: ignore[operator]
        own = rng.normal(0, 0.02, (seeds, dates)) + rng.normal(0, noise, (seeds, 1))
        sizes.append(Size(name, count, DateLosses(shared + level + own, np.ones(dates))))
    return sizes


def test_slope_and_gain_find_a_planted_law() -> None:
    sizes = world(THREE, lambda n: -0.02 * np.log10(n))
    measured, gained = slope(sizes, 1, CFG), gain(sizes, 1, CFG)
    assert measured is not None
    assert gained is not None
    assert measured.value == pytest.approx(-0.02, abs=0.003)
    assert gained.value == pytest.approx(0.04, abs=0.006)
    assert measured.interval(0.95)[1] < 0  # type: ignore[operator]


def test_pairing_by_date_removes_the_noise_that_all_sizes_share() -> None:
    measured = gain(world(THREE, lambda n: 0.0), 1, CFG)
    assert measured is not None
    assert measured.se_dates is not None
    assert measured.se_dates < 0.2 / np.sqrt(300) / 5


def test_a_flat_world_is_called_different_from_zero_about_as_often_as_the_level_says() -> None:
    p_values = [slope(world(THREE, lambda n: 0.0, seed=s), 1, CFG).p_value() for s in range(120)]  # type: ignore[union-attr]
    assert np.mean(np.array(p_values) < 0.05) <= 0.1


def test_without_seed_noise_the_same_flat_world_would_fool_us() -> None:
    one_each = [slope(world(THREE, lambda n: 0.0, seeds=1, noise=0.01, seed=s), 1, CFG) for s in range(60)]
    assert np.mean([estimate.p_value() < 0.05 for estimate in one_each if estimate]) > 0.3


def test_one_size_or_equal_sizes_have_no_slope() -> None:
    assert slope(world({"2M": 2_000_000}, lambda n: 0.0), 1, CFG) is None
    assert slope(world({"2M": 2_000_000, "20M": 2_000_000}, lambda n: 0.0), 1, CFG) is None
    assert gain(world({"2M": 2_000_000, "20M": 2_000_000}, lambda n: 0.0), 1, CFG) is None


def test_three_sizes_leave_no_freedom_for_the_saturating_form() -> None:
    forms = {form.form: form for form in rival_forms(world(THREE, lambda n: -0.02 * np.log10(n)))}
    assert list(forms) == ["flat", "log-linear", "saturating"]
    assert forms["saturating"].aicc is None
    assert "no degrees of freedom" in forms["saturating"].note
    assert forms["log-linear"].aicc < forms["flat"].aicc  # type: ignore[operator]


def test_three_runs_are_too_few_to_compare_any_form() -> None:
    forms = rival_forms(world(THREE, lambda n: -0.02 * np.log10(n), seeds=1))
    assert [form.aicc for form in forms] == [None, None, None]


def test_a_flat_world_prefers_the_flat_form() -> None:
    wins = 0
    for seed in range(20):
        forms = {f.form: f.aicc for f in rival_forms(world(THREE, lambda n: 0.0, seeds=5, seed=seed))}
        wins += forms["flat"] < forms["log-linear"]  # type: ignore[operator]
    assert wins >= 15


def test_six_sizes_identify_a_saturating_law() -> None:
    many = {f"s{i}": int(1e5 * 5**i) for i in range(6)}
    sizes = world(many, lambda n: 3.0 * n**-0.3, noise=0.0002)
    forms = {form.form: form for form in rival_forms(sizes)}
    best = min(forms.values(), key=lambda form: form.aicc if form.aicc is not None else np.inf)
    assert best.form == "saturating"
    assert best.parameters["alpha"] == pytest.approx(0.3, abs=0.05)
    assert best.parameters["A"] == pytest.approx(3.0, rel=0.5)
