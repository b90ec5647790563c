"""metrics.json: right numbers with intervals, plain values, the same bytes every time, alarms in words."""

from __future__ import annotations

import json
from datetime import date, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from lib.config.workflow import EvaluationConfig
from lib.errors import DataError
from lib.metrics.calibration_error import reliability_bins as reliability
from lib.metrics.classification import classification_metrics
from lib.scoring.json_values import plain
from lib.scoring.run_scores import DAILY_SCHEMA, evaluate_run

CFG = EvaluationConfig(bootstrap_draws=200)
RUN = {
    "variant": "base", "dataset": "Aa20", "timescale": "daily", "task": "direction", "horizon": 5,
    "model": "patchtst-mixed", "budget": "2M", "seed": 42,
}  # fmt: skip
PARAMS: dict[str, Any] = {
    "run": RUN,
    "training_class_shares": [0.5, 0.5],
    "splits": {"minimum_class_count": 20},
}
PROVENANCE = {"parameters": {"total": 2_000_000}, "started": "2020-01-01T00:00:00", "seconds": {"fit": 3.0}}


def predictions(
    n: int, seed: int = 0, symbol: str = "^GSPC", part: str = "test", skill: float = 0.1
) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    target = (rng.random(n) < 0.5).astype(float)
    probability = np.clip(0.5 + skill * (target - 0.5) + 0.1 * rng.normal(size=n), 0.01, 0.99)
    return pl.DataFrame(
        {
            "date": [date(2015, 1, 1) + timedelta(days=i) for i in range(n)],
            "symbol": [symbol] * n,
            "horizon": [5] * n,
            "target": target,
            "prediction": (probability >= 0.5).astype(float),
            "probability_0": 1 - probability,
            "probability_1": probability,
            "uncertainty": pl.Series([None] * n, dtype=pl.Float64),
            "part": [part] * n,
        }
    )


def validation() -> pl.DataFrame:
    return pl.concat([predictions(140, 1, part="selection"), predictions(60, 2, part="calibration")])


def test_each_split_is_measured_on_its_own_part() -> None:
    frames = {"validation": predictions(140, 1), "calibration": predictions(60, 2), "test": predictions(200)}
    result = evaluate_run(validation(), frames["test"], PARAMS, PROVENANCE, CFG).metrics
    assert result["run"] == RUN
    assert result["parameters"] == {"total": 2_000_000}
    for name, frame in frames.items():
        expected = classification_metrics(frame["target"], frame["probability_1"], 0.5)
        measured = result["splits"][name]
        for measure, value in expected.items():
            assert measured[measure] == pytest.approx(value), (name, measure)
        assert measured["auc_low"] < measured["auc"] < measured["auc_high"]
        assert measured["log_loss_low"] < measured["log_loss"] < measured["log_loss_high"]
        assert measured["brier_low"] < measured["brier"] < measured["brier_high"]
        for extra in ("pr_auc", "accuracy", "precision", "recall", "f1"):
            assert 0 <= measured[f"{extra}_low"] < measured[extra] < measured[f"{extra}_high"] <= 1, extra
        assert measured["effective_n"] == frame.height / 5
        assert measured["block_length"] >= 5
    assert result["splits"]["test"]["first"] == "2015-01-01"


def test_result_is_strict_json_without_clocks_and_the_same_every_time() -> None:
    later = PROVENANCE | {
        "started": "2030-01-01T00:00:00",
        "seconds": {"fit": 99.0},
        "fit": {"resumed": True},
    }
    texts = [
        json.dumps(
            evaluate_run(validation(), predictions(200), PARAMS, provenance, CFG).metrics, allow_nan=False
        )
        for provenance in (PROVENANCE, later)
    ]
    assert texts[0] == texts[1]


def test_dependence_between_days_lengthens_the_blocks_beyond_the_horizon() -> None:
    changes = np.random.default_rng(0).random(200) < 0.05
    slow = predictions(200).with_columns(pl.Series("target", np.cumsum(changes) % 2.0))
    result = evaluate_run(validation(), slow, PARAMS, PROVENANCE, CFG).metrics
    assert result["splits"]["test"]["block_length"] > 10


def test_json_values_are_plain_finite_and_free_of_noise_in_the_last_digits() -> None:
    values = {
        "a": float("nan"),
        "b": np.float64(0.1) + 1e-14,
        "c": [np.int64(3), np.bool_(True)],
        "d": date(2020, 1, 2),
    }
    assert plain(values) == {"a": None, "b": 0.1, "c": [3, True], "d": "2020-01-02"}
    with pytest.raises(TypeError, match="cannot be written as JSON"):
        plain(object())


def test_regression_gets_its_own_measures_and_intervals() -> None:
    rng = np.random.default_rng(0)

    def returns(frame: pl.DataFrame) -> pl.DataFrame:
        target = rng.normal(0, 0.01, frame.height)
        columns = [pl.Series("target", target), pl.Series("prediction", 0.3 * target)]
        return frame.drop("probability_0", "probability_1").with_columns(columns)

    run = RUN | {"task": "regression"}
    result = evaluate_run(
        returns(validation()), returns(predictions(200)), {"run": run, "training_class_shares": None}, {}, CFG
    ).metrics
    test = result["splits"]["test"]
    assert test["r2"] == pytest.approx(1 - 0.7**2, abs=0.01)
    for name in ("mse", "mae", "r2", "directional_accuracy"):
        assert test[f"{name}_low"] <= test[name] <= test[f"{name}_high"]
    assert result["reliability"] == {"calibration": [], "test": []}
    assert result["parameters"] == {}


def test_the_base_rate_of_a_symbol_is_its_own_if_training_held_it() -> None:
    other = predictions(200).with_columns(symbol=pl.lit("AAPL"))
    test = pl.concat([predictions(200), other])
    own = predictions(200)["symbol"][0]
    params = PARAMS | {
        "training_class_shares": [0.4, 0.6],
        "training_shares_by_symbol": {own: [0.8, 0.2], "AAPL": [0.1, 0.9]},
    }
    alone = evaluate_run(validation(), test, params, {}, CFG, primary=own).metrics
    assert alone["training_shares"] == [0.8, 0.2]
    y = predictions(200)["target"].to_numpy()
    expected = -np.mean(np.where(y == 1, np.log(0.2), np.log(0.8)))
    assert alone["splits"]["test"]["base_rate_log_loss"] == pytest.approx(expected)
    together = evaluate_run(validation(), test, params, {}, CFG).metrics
    assert together["training_shares"] == [0.4, 0.6]
    params["training_shares_by_symbol"] = {"AAPL": [0.1, 0.9]}
    unseen = evaluate_run(validation(), test, params, {}, CFG, primary=own).metrics
    assert unseen["training_shares"] == [0.4, 0.6]


def test_the_primary_symbol_decides_and_the_others_stand_beside_it() -> None:
    both = pl.concat([predictions(100, 1), predictions(100, 2, symbol="^IXIC", skill=0.6)])
    result = evaluate_run(validation(), both, PARAMS, PROVENANCE, CFG, primary="^GSPC").metrics
    assert result["splits"]["test"]["n"] == 100
    assert result["by_symbol"]["^GSPC"]["test"]["auc"] == result["splits"]["test"]["auc"]
    assert result["by_symbol"]["^IXIC"]["test"]["auc"] > result["splits"]["test"]["auc"]
    with pytest.raises(DataError, match="none of SPY"):
        evaluate_run(validation(), both, PARAMS, PROVENANCE, CFG, primary="SPY")
    pooled = evaluate_run(validation(), both, PARAMS, PROVENANCE, CFG).metrics["splits"]["test"]
    assert pooled["n"] == 200
    assert pooled["effective_n"] == 100 / 5


@pytest.mark.parametrize(
    ("test", "alarm"),
    [
        (predictions(200).with_columns(target=pl.lit(0.0)), "test: one class only"),
        (predictions(200).with_columns(target=(pl.int_range(pl.len()) < 7).cast(float)), "only 7 samples"),
        (predictions(200).with_columns(probability_1=pl.lit(0.31)), "collapsed to the range 0.31 to 0.31"),
        (predictions(200).with_columns(probability_1=pl.lit(0.31)), "recall is 0"),
        (predictions(200).with_columns(probability_1=pl.lit(float("nan"))), "200 of 200 predictions are not"),
        (predictions(7), "too few dates for intervals"),
        (predictions(200).clear(), "test: no samples"),
    ],
)
def test_what_a_reader_must_know_is_said_in_words(test: pl.DataFrame, alarm: str) -> None:
    result = evaluate_run(validation(), test, PARAMS, PROVENANCE, CFG).metrics
    assert any(alarm in warning for warning in result["warnings"]), result["warnings"]
    json.dumps(result, allow_nan=False)


def test_reliability_bins_hold_equal_counts_and_every_sample_once() -> None:
    rng = np.random.default_rng(0)
    probability = rng.random(1000)
    points = reliability((rng.random(1000) < probability).astype(float), probability)
    assert [point["count"] for point in points] == [100] * 10
    assert all(abs(point["observed"] - point["mean_probability"]) < 0.15 for point in points)


def test_a_collapsed_model_has_one_reliability_bin() -> None:
    points = reliability(np.array([0.0, 1.0, 1.0, 0.0]), np.full(4, 0.5))
    assert [(point["count"], point["observed"]) for point in points] == [(4, 0.5)]


def test_every_part_of_a_run_is_there_and_strict_json() -> None:
    n = 400
    rng = np.random.default_rng(3)
    close = 100 * np.exp(np.cumsum(rng.normal(0, 0.01, n)))
    prices = pl.DataFrame(
        {
            "date": [date(2014, 6, 1) + timedelta(days=i) for i in range(n)],
            "symbol": "^GSPC",
            "open": close,
            "close": close,
        }
    )
    history = pl.DataFrame(
        {
            "step": [10, 20],
            "train_loss": [0.7, 0.6],
            "validation_loss": [0.69, 0.68],
            "selection_loss": [0.65, 0.66],
        }
    )
    params = PARAMS | {"splits": {"train_end": "2014-12-31"}}
    parts = pl.concat([predictions(140, 1, part="selection"), predictions(200, 2, part="calibration")])
    result = evaluate_run(parts, predictions(150), params, PROVENANCE, CFG, "^GSPC", prices, history)
    json.dumps(result.metrics, allow_nan=False)
    assert result.metrics["calibration"]["chosen"] in ("none", "temperature", "platt", "isotonic")
    assert result.metrics["conformal"]["kind"] == "set"
    assert result.metrics["trading"]["positions"]
    assert result.metrics["by_regime"][0]["regime"] == "low"
    assert sum(row["n"] for row in result.metrics["by_regime"]) == 150
    assert [row["year"] for row in result.metrics["by_year"]] == [2015]
    assert result.metrics["fit"]["best_step"] == 10
    assert result.metrics["fit"]["train_gap"] == pytest.approx(-0.01)
    assert dict(result.daily.schema) == {name: kind() for name, kind in DAILY_SCHEMA.items()}
    assert result.daily.height == 150
    assert result.daily["loss"].mean() == pytest.approx(result.metrics["splits"]["test"]["log_loss"])
    assert result.daily["covered"].null_count() == 0
    assert result.daily["equity"].drop_nulls()[-1] == pytest.approx(
        1 + result.metrics["trading"]["total_return"]
    )


def test_repeated_samples_are_said_and_do_not_multiply() -> None:
    twice = pl.concat([predictions(100), predictions(100)])
    result = evaluate_run(validation(), twice, PARAMS, PROVENANCE, CFG)
    assert any("100 samples repeat" in text for text in result.metrics["warnings"])
    assert result.daily.height == 100
