"""Calibration finds a planted distortion, conformal prediction keeps its promise, on unseen days."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest

from lib.config.workflow import EvaluationConfig
from lib.scoring.calibration import _folds, calibrate, isotonic, platt, temperature
from lib.scoring.conformal import conformal

CFG = EvaluationConfig(bootstrap_draws=200)


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def world(n: int, factor: float, shift: float = 0.0, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """True log-odds times a factor plus a shift, as an over-confident model states them."""
    rng = np.random.default_rng(seed)
    odds = rng.normal(0, 1, n)
    return (rng.random(n) < sigmoid(odds)).astype(float), sigmoid(factor * odds + shift)


def test_temperature_and_platt_find_the_planted_distortion() -> None:
    target, stated = world(20_000, 3.0)
    assert temperature(target, stated)[1]["temperature"] == pytest.approx(3.0, rel=0.05)
    target, stated = world(20_000, 3.0, shift=1.5)
    found = platt(target, stated)[1]
    assert found["slope"] == pytest.approx(1 / 3, rel=0.05)
    assert found["intercept"] == pytest.approx(-0.5, abs=0.05)


def test_isotonic_equals_scikit_learn_inside_its_limits_and_never_says_never() -> None:
    from sklearn.isotonic import IsotonicRegression

    target, stated = world(400, 2.0)
    ours = isotonic(target, stated)[0](stated)
    theirs = IsotonicRegression(out_of_bounds="clip").fit(stated, target).predict(stated)
    inside = (theirs > 1 / 402) & (theirs < 1 - 1 / 402)
    assert ours[inside] == pytest.approx(theirs[inside])
    assert ours.min() >= 1 / 402
    assert ours.max() <= 1 - 1 / 402


def test_the_method_is_chosen_on_held_out_stretches_of_the_calibration_part() -> None:
    index = np.arange(600)
    over_confident = calibrate(*world(600, 3.0), index, 1, world(600, 3.0, seed=1))
    assert over_confident is not None
    assert over_confident["chosen"] in ("temperature", "platt")
    losses = {m["method"]: m["test_log_loss"] for m in over_confident["methods"]}
    assert losses[over_confident["chosen"]] < losses["none"]
    honest = calibrate(*world(600, 1.0), index, 1, world(600, 1.0, seed=1))
    assert honest is not None
    losses = {m["method"]: m["crossfit_log_loss"] for m in honest["methods"]}
    assert losses["none"] < losses["isotonic"]


def test_the_test_set_decides_nothing() -> None:
    index, known = np.arange(600), world(600, 3.0)
    results = [calibrate(*known, index, 1, world(300, factor, seed=5)) for factor in (0.2, 3.0)]
    assert results[0]["chosen"] == results[1]["chosen"]
    assert [m["parameters"] for m in results[0]["methods"]] == [
        m["parameters"] for m in results[1]["methods"]
    ]
    assert [m["crossfit_log_loss"] for m in results[0]["methods"]] == [
        m["crossfit_log_loss"] for m in results[1]["methods"]
    ]


def test_folds_leave_no_label_on_both_sides() -> None:
    for kept, held in _folds(np.arange(100), horizon=5):
        for day in np.flatnonzero(held):
            overlapping = np.abs(np.arange(100) - day) < 5
            assert not np.any(kept & overlapping)


def test_too_little_or_broken_input_calibrates_nothing() -> None:
    target, stated = world(40, 1.0)
    assert calibrate(target, stated, np.arange(40), 1, (target, stated)) is None
    target, stated = world(100, 1.0)
    assert calibrate(np.zeros(100), stated, np.arange(100), 1, (target, stated)) is None
    assert calibrate(target, stated * np.nan, np.arange(100), 1, (target, stated)) is None


def frame(target: np.ndarray, score: np.ndarray, first: date = date(2015, 1, 1)) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "date": [first + timedelta(days=i) for i in range(target.size)],
            "symbol": "^GSPC",
            "target": target,
            "prediction": score,
            "probability_1": score,
        }
    )


def test_conformal_intervals_cover_as_often_as_promised() -> None:
    rng = np.random.default_rng(0)
    forecast = rng.normal(0, 0.01, (2, 2000))
    actual = forecast + 0.02 * rng.standard_t(3, (2, 2000))
    result, rows = conformal(
        frame(actual[0], forecast[0]), frame(actual[1], forecast[1]), "regression", 1, CFG
    )
    assert result["kind"] == "interval"
    for level in result["levels"]:
        assert level["coverage"] == pytest.approx(level["level"], abs=0.03)
    assert result["coverage_low"] < result["coverage"] < result["coverage_high"]
    assert rows["covered"].mean() == pytest.approx(result["coverage"])
    assert result["mean_width"] == pytest.approx(rows["width"].mean())
    # The width is twice the absolute residual whose rank is the promised share of the calibration part.
    ranked = np.sort(np.abs(actual[0] - forecast[0]))
    assert result["mean_width"] / 2 == pytest.approx(ranked[int(np.ceil(0.9 * 2001)) - 1], rel=0.01)


def test_conformal_sets_cover_as_often_as_promised() -> None:
    known, new = world(2000, 1.0), world(2000, 1.0, seed=1)
    result, rows = conformal(frame(*known), frame(*new), "direction", 1, CFG)
    assert result["kind"] == "set"
    assert result["coverage"] == pytest.approx(0.9, abs=0.03)
    assert result["mean_size"] == pytest.approx(rows["width"].mean())
    assert 0 < result["singletons"] < 1
    assert [p["period"] for p in result["by_period"]][:2] == ["2015Q1", "2015Q2"]
    assert sum(p["n"] for p in result["by_period"]) == 2000


def test_coverage_over_time_shows_when_the_promise_breaks() -> None:
    rng = np.random.default_rng(0)
    known = frame(rng.normal(0, 0.01, 500), np.zeros(500))
    calm_then_storm = np.concatenate([rng.normal(0, 0.01, 365), rng.normal(0, 0.04, 365)])
    result, _ = conformal(known, frame(calm_then_storm, np.zeros(730)), "regression", 1, CFG)
    coverage = [p["coverage"] for p in result["by_period"]]
    assert min(coverage[:4]) > 0.8
    assert max(coverage[4:]) < 0.7


def test_nothing_is_promised_from_too_few_samples() -> None:
    few = frame(*world(20, 1.0))
    assert conformal(few, frame(*world(100, 1.0)), "direction", 1, CFG) == (None, None)
