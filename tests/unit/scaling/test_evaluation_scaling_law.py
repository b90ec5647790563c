"""The slope finds a planted law, a flat world stays flat, forms are compared only where possible."""

from __future__ import annotations

import numpy as np
import pytest

from lib.config.workflow import EvaluationConfig
from lib.inference.comparisons import DateLosses
from lib.inference.power_law import fit_law, huber_width
from lib.scaling.axes import AXES
from lib.scaling.curves import Curve
from lib.scaling.joint_law import fit_joint_law
from lib.scaling.pooling import pool
from lib.scaling.rival_forms import rival_forms
from lib.scaling.scale_points import ScalePoint, point_draws
from lib.scaling.scaling_law import (
    fit_law_with_floor,
    gain,
    log_log_slope,
    saturation,
    slope,
    steps,
    straight_band,
)

CFG = EvaluationConfig(bootstrap_draws=400)
THREE = {"2M": 2_000_000, "20M": 20_000_000, "200M": 200_000_000}


def world(
    parameters: dict[str, int],
    law: object,
    seeds: int = 3,
    dates: int = 300,
    noise: float = 0.002,
    seed: int = 0,
) -> list[ScalePoint]:
    """Losses that share the noise of dates and carry their own noise of seeds and of dates."""
    rng = np.random.default_rng(seed)
    shared = rng.normal(0.65, 0.2, dates)
    sizes = []
    for name, count in parameters.items():
        mean = law(count)  # type: ignore[operator]
        own = rng.normal(0, 0.02, (seeds, dates)) + rng.normal(0, noise, (seeds, 1))
        sizes.append(ScalePoint(name, count, DateLosses(shared + mean + own, np.ones(dates))))
    return sizes


def test_slope_and_gain_find_a_planted_law() -> None:
    sizes = world(THREE, lambda n: -0.02 * np.log10(n))
    measured, gained = slope(sizes, 1), gain(sizes, 1)
    assert measured is not None
    assert gained is not None
    assert measured.value == pytest.approx(-0.02, abs=0.003)
    assert gained.value == pytest.approx(0.04, abs=0.006)
    assert measured.interval(0.95)[1] < 0  # type: ignore[operator]


def test_pairing_by_date_removes_the_noise_that_all_sizes_share() -> None:
    measured = gain(world(THREE, lambda n: 0.0), 1)
    assert measured is not None
    assert measured.se_dates is not None
    assert measured.se_dates < 0.2 / np.sqrt(300) / 5


def test_a_flat_world_is_called_different_from_zero_about_as_often_as_the_level_says() -> None:
    p_values = [slope(world(THREE, lambda n: 0.0, seed=s), 1).p_value() for s in range(120)]  # type: ignore[union-attr]
    assert np.mean(np.array(p_values) < 0.05) <= 0.1


def test_without_seed_noise_the_same_flat_world_would_fool_us() -> None:
    one_each = [slope(world(THREE, lambda n: 0.0, seeds=1, noise=0.01, seed=s), 1) for s in range(60)]
    assert np.mean([estimate.p_value() < 0.05 for estimate in one_each if estimate]) > 0.3


def test_one_size_or_equal_sizes_have_no_slope() -> None:
    assert slope(world({"2M": 2_000_000}, lambda n: 0.0), 1) is None
    assert slope(world({"2M": 2_000_000, "20M": 2_000_000}, lambda n: 0.0), 1) is None
    assert gain(world({"2M": 2_000_000, "20M": 2_000_000}, lambda n: 0.0), 1) is None


def test_three_sizes_leave_no_freedom_for_the_saturating_form() -> None:
    forms = {form.form: form for form in rival_forms(world(THREE, lambda n: -0.02 * np.log10(n)))}
    assert list(forms) == ["flat", "log-linear", "power", "saturating"]
    assert forms["saturating"].aicc is None
    assert "no degrees of freedom" in forms["saturating"].note
    assert forms["log-linear"].aicc < forms["flat"].aicc  # type: ignore[operator]


def test_three_runs_are_too_few_to_compare_any_form() -> None:
    forms = rival_forms(world(THREE, lambda n: -0.02 * np.log10(n), seeds=1))
    assert [form.aicc for form in forms] == [None] * 4


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


def test_the_forms_recover_their_own_parameters() -> None:
    sizes = np.array([1e5, 1e6, 1e7, 1e8, 1e9])
    made = {f"s{i}": int(n) for i, n in enumerate(sizes)}
    power = {f.form: f for f in rival_forms(world(made, lambda n: 2.0 * n**-0.1 - 0.65, noise=1e-6))}["power"]
    shared_mean = np.mean(np.random.default_rng(0).normal(0.65, 0.2, 300)) - 0.65
    assert power.parameters["alpha"] == pytest.approx(0.1, abs=0.02 + abs(shared_mean))
    assert power.curve is not None
    assert len(power.curve) == 50


def test_leaving_a_size_out_prefers_the_form_that_predicts_it() -> None:
    many = {f"s{i}": int(1e5 * 5**i) for i in range(6)}
    curved = {f.form: f.loso_rmse for f in rival_forms(world(many, lambda n: 3.0 * n**-0.3, noise=0.0002))}
    assert curved["saturating"] < curved["log-linear"] < curved["flat"]  # type: ignore[operator]
    straight = {f.form: f.loso_rmse for f in rival_forms(world(THREE, lambda n: -0.02 * np.log10(n)))}
    assert straight["log-linear"] < straight["flat"]  # type: ignore[operator]
    assert straight["saturating"] is None


def test_the_robust_fit_equals_scipys_best_of_many_starts() -> None:
    from scipy.optimize import least_squares

    rng = np.random.default_rng(2)
    sizes = np.repeat(np.geomspace(1e6, 1e9, 6), 4)
    losses = 0.5 + 0.3 * (sizes / 1e6) ** -0.35 + 0.004 * rng.normal(size=sizes.size)
    losses[[3, 17]] += 0.2  # two diverged runs
    width = huber_width(losses, sizes)
    ours = fit_law(sizes, losses, width)

    def residual(theta: np.ndarray) -> np.ndarray:
        return (theta[0] + theta[1] * (sizes / 1e6) ** -theta[2] - losses) / width

    starts = [(0.5, 0.3, alpha) for alpha in (0.05, 0.2, 0.5, 1.0, 2.0)]
    best = min((least_squares(residual, s, loss="huber", x_scale=(0.1, 0.1, 0.1)) for s in starts),
               key=lambda r: r.cost)  # fmt: skip
    assert float(ours.loss[0]) / width**2 == pytest.approx(best.cost, rel=1e-4)
    assert float(ours.exponent[0]) == pytest.approx(best.x[2], abs=2e-3)
    assert float(ours.floor[0]) == pytest.approx(best.x[0], abs=1e-3)
    assert float(ours.exponent[0]) == pytest.approx(0.35, abs=0.05)
    assert fit_law(sizes, losses, np.inf).exponent[0] != pytest.approx(best.x[2], abs=0.02)


def test_many_fits_at_once_equal_one_at_a_time() -> None:
    rng = np.random.default_rng(3)
    sizes = np.geomspace(1e6, 1e9, 5)
    losses = 0.5 + 0.3 * (sizes / 1e6) ** -0.35 + 0.005 * rng.normal(size=(7, 5))
    together = fit_law(sizes, losses, 0.01)
    apart = [fit_law(sizes, row, 0.01).exponent[0] for row in losses]
    assert together.exponent == pytest.approx(apart)
    assert together.at(sizes).shape == (7, 5)


def test_the_law_with_a_floor_is_identified_where_it_is_strong_and_not_where_it_is_flat() -> None:
    many = {f"s{i}": int(1e6 * 4**i) for i in range(6)}
    strong = fit_law_with_floor(world(many, lambda n: 0.2 * (n / 1e6) ** -0.4, noise=0.0005), 1, CFG)
    assert strong is not None
    assert strong.identified
    assert strong.exponent.low < 0.4 < strong.exponent.high
    assert strong.curve[0][2] < strong.curve[0][1] < strong.curve[0][3]
    flat = fit_law_with_floor(world(many, lambda n: 0.0), 1, CFG)
    assert flat is not None
    assert not flat.identified
    assert "slope" in flat.note
    assert fit_law_with_floor(world(THREE, lambda n: 0.0), 1, CFG) is None


def test_an_exponent_of_a_loss_that_rises_or_falls_below_zero_is_not_claimed() -> None:
    many = {f"s{i}": int(1e6 * 4**i) for i in range(6)}
    rising = fit_law_with_floor(world(many, lambda n: -0.2 * (n / 1e6) ** -0.4, noise=0.0005), 1, CFG)
    assert rising is not None
    assert rising.amplitude.high < 0
    assert not rising.identified
    assert "rises with size" in rising.note
    deep = fit_law_with_floor(world(many, lambda n: 1.2 * (n / 1e6) ** -0.1 - 0.95, noise=1e-5), 1, CFG)
    assert deep is not None
    assert deep.floor.estimate < 0 < deep.amplitude.low
    assert not deep.identified
    assert "a loss below 0" in deep.note


def test_curves_of_different_timescales_are_not_pooled_with_each_other() -> None:
    def curve(timescale: str, step: int, seed: int) -> Curve:
        points = world(THREE, lambda n: -0.02 * np.log10(n), dates=200, seed=seed)
        key = {"task": "direction", "timescale": timescale, "horizon": 5}
        made = Curve(AXES["parameters"], key, points, gain=gain(points, 5))
        made.dates = np.datetime64("2015-01-02") + step * np.arange(200)
        return made

    daily, weekly = [curve("daily", 1, s) for s in (1, 2)], [curve("weekly", 7, s) for s in (3, 4)]
    found = pool([*daily, *weekly, curve("monthly", 30, 5)])
    assert [(pooled.timescale, pooled.curves) for pooled in found] == [("daily", 2), ("weekly", 2)]
    assert found[1].gain == pool(weekly)[0].gain
    assert found[1].gain.value == pytest.approx(np.mean([c.gain.value for c in weekly if c.gain]))


def test_the_log_log_slope_is_minus_the_exponent_of_a_pure_power_law() -> None:
    sizes = world(THREE, lambda n: 0.9 * (n / 2e6) ** -0.05 - 0.65, noise=1e-6)
    found = log_log_slope(sizes, 1)
    assert found is not None
    low, high = found.interval(0.99)
    assert low < -0.05 < high  # type: ignore[operator]


def test_steps_add_up_to_the_gain() -> None:
    sizes = world(THREE, lambda n: -0.02 * np.log10(n))
    made = steps(sizes, 1)
    assert [(a, b) for a, b, _ in made] == [("2M", "20M"), ("20M", "200M")]
    assert sum(e.value for _, _, e in made) == pytest.approx(gain(sizes, 1).value)  # type: ignore[union-attr]


def test_features_saturate_at_the_smallest_scale_point_within_the_margin_of_the_best() -> None:
    tiers = {"20": 20, "50": 50, "200": 200, "500": 500}
    means = {20: 0.03, 50: 0.01, 200: 0.0005, 500: 0.0}
    points = world(tiers, lambda n: means[n], noise=0.0005)
    draws = point_draws(points, 1, CFG, 500)
    found = saturation(points, draws, 0.005)
    assert found is not None
    assert (found.point, found.size) == ("200", 200)
    assert found.shares["200"] > 0.8
    assert sum(found.shares.values()) == pytest.approx(1)
    assert saturation(points, None, 0.005) is None


def test_draws_of_scale_points_have_the_noise_of_dates_and_seeds() -> None:
    points = world(THREE, lambda n: 0.0, noise=0.02, seeds=5)
    draws = point_draws(points, 1, CFG, 4000)
    assert draws is not None
    estimate = slope(points, 1)
    assert estimate is not None
    weights = np.array([-0.5, 0.0, 0.5])
    low, high = np.quantile(draws @ weights, [0.025, 0.975])
    expected = estimate.interval(0.95)
    assert (low, high) == pytest.approx(expected, abs=0.35 * (expected[1] - expected[0]))  # type: ignore[operator]
    band = straight_band(points, draws, 0.95)
    assert len(band) == 50
    assert all(low < value < high for _, value, low, high in band)  # type: ignore[operator]


def test_the_joint_law_tells_sizes_and_data_apart() -> None:
    grid = [(n, d) for n in (2e6, 2e7, 2e8) for d in (500.0, 1000.0, 2000.0, 4000.0)]
    law = {i: 0.1 * (n / 2e6) ** -0.4 + 0.1 * (d / 500) ** -0.6 for i, (n, d) in enumerate(grid)}
    points = world({str(i): i for i in law}, lambda i: law[i], noise=0.0002)
    sizes, samples = np.array([n for n, _ in grid]), np.array([d for _, d in grid])
    found = fit_joint_law(points, sizes, samples, 1, CFG)
    assert found is not None
    assert found.identified
    for name, truth in (("alpha", 0.4), ("beta", 0.6)):
        interval = found.parameters[name]
        assert interval.low < truth < interval.high
    assert found.fitted == pytest.approx([point.mean for point in points], abs=0.004)
    assert fit_joint_law(points[:4], sizes[:4], samples[:4], 1, CFG) is None
