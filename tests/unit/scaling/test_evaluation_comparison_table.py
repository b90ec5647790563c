"""The table of all models: selection and test measures with intervals, each from its own part."""

from datetime import date, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from lib.config.workflow import EvaluationConfig
from lib.errors import DataError
from lib.scaling.comparison_table import comparison_table

DAYS = 300
OUTCOME = (np.random.default_rng(3).random(DAYS) < 0.4).astype(float)
KEY = {
    "condition": "base",
    "train_fraction": 1.0,
    "context_length": 80,
    "dataset": "Aa20",
    "timescale": "daily",
    "task": "threshold_1pct",
    "horizon": 1,
}
SKILL = {"strong": 0.5, "weak": 0.1}
"""What a model knows of the outcome on selection."""


def predictions(skill: float, seed: int, split: str) -> pl.DataFrame:
    part = np.array(["selection"] * 200 + ["calibration"] * 100 if split == "val" else ["test"] * DAYS)
    known = np.where(part == "calibration", 0.95, skill if split == "val" else 0.3)
    noise = np.random.default_rng(seed).normal(0, 0.2, DAYS)
    chance = np.clip(0.4 + known * (OUTCOME - 0.4) + noise, 0.01, 0.99)
    first = date(2023 if split == "val" else 2025, 1, 1)
    return pl.DataFrame(
        {
            "date": [first + timedelta(days=day) for day in range(DAYS)],
            "symbol": "SPY", "target": OUTCOME, "prediction": chance, "probability_0": 1 - chance,
            "probability_1": chance, "part": part,
        }
    )  # fmt: skip


def read(path: str, split: str) -> pl.DataFrame:
    model, seed = path.split("/")
    return predictions(SKILL[model], int(seed), split)


def runs() -> pl.DataFrame:
    return pl.DataFrame(
        [
            KEY | {"variant": "base", "fold": None, "model": model, "budget": "none", "seed": seed,
                     "path": f"{model}/{seed}", "status": "done", "train_seconds": float(seed)}
            for model in ("weak", "strong")
            for seed in (1, 2, 3)
        ]
    )  # fmt: skip


def tables() -> list[dict[str, Any]]:
    rows = [
        {"model": "weak", "budget": "none", "difference": 0.02, "difference_low": 0.01,
         "difference_high": 0.03, "in_confidence_set": False},
        {"model": "strong", "budget": "none", "difference": None, "in_confidence_set": True},
    ]  # fmt: skip
    return [KEY | {"folds": [], "rows": [row | {"seeds": 3} for row in rows]}]


def made(**changes: Any) -> list[dict[str, Any]]:
    given = {"tables": tables(), "runs": runs(), "read": read, "cfg": EvaluationConfig()} | changes
    return comparison_table(**given).to_dicts()


def test_each_part_is_measured_on_its_own_samples_the_best_on_selection_first() -> None:
    rows = made()
    assert [row["model"] for row in rows] == ["strong", "weak"]
    for row in rows:
        model = row["model"]
        for part, split, days in (("selection", "val", 200), ("test", "test", DAYS)):
            frames = [predictions(SKILL[model], seed, split)[:days] for seed in (1, 2, 3)]
            chances = [frame["probability_1"].to_numpy() for frame in frames]
            outcome = frames[0]["target"].to_numpy()
            losses = [-np.log(np.where(outcome == 1, chance, 1 - chance)).mean() for chance in chances]
            assert row[f"{part}_log_loss"] == pytest.approx(np.mean(losses))
            brier = [((chance - outcome) ** 2).mean() for chance in chances]
            assert row[f"{part}_brier"] == pytest.approx(np.mean(brier))
            for name in ("log_loss", "brier", "auc"):
                value = row[f"{part}_{name}"]
                assert row[f"{part}_{name}_low"] < value < row[f"{part}_{name}_high"]
        assert (row["seeds"], row["training_seconds"]) == (3, 2.0)
    assert rows[1]["test_difference"] == 0.02
    assert not any(name.startswith("validation") for name in rows[0]), "it is the selection part alone"


def test_only_the_primary_symbol_counts_where_there_is_one() -> None:
    def two_symbols(path: str, split: str) -> pl.DataFrame:
        frame = read(path, split)
        other = frame.with_columns(symbol=pl.lit("DIA"), probability_1=pl.lit(0.5))
        return pl.concat([frame, other])

    assert made(read=two_symbols, primary="SPY") == made()
    assert made(read=two_symbols)[0]["test_log_loss"] != made()[0]["test_log_loss"]


def test_damaged_predictions_are_named() -> None:
    def damaged(path: str, split: str) -> pl.DataFrame:
        frame = read(path, split)
        broken = path == "weak/2" and split == "val"
        return frame.with_columns(probability_1=pl.lit(float("nan"))) if broken else frame

    with pytest.raises(DataError, match=r"on the selection part: weak/2: 200 of 200"):
        made(read=damaged)
    with pytest.raises(DataError, match="nothing to compare"):
        made(tables=[])
