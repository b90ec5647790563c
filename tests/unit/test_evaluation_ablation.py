"""The default normalisation and readout: decided on validation, the cheapest within one standard error."""

from datetime import date, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from lib.errors import DataError
from lib.evaluation.ablation import rank_readouts

DAYS = 400
OUTCOME = (np.random.default_rng(7).random(DAYS) < 0.4).astype(float)


def run(normalisation: str, pooling: str, seed: int, **changes: Any) -> dict[str, Any]:
    return {
        "path": f"{normalisation}.{pooling}.{seed}", "status": "done", "normalisation": normalisation,
        "pooling": pooling, "seed": seed, "variant": "base", "dataset": "Aa20", "timescale": "daily",
        "task": "threshold_1pct", "horizon": 1, "budget": "2M", "selection_log_loss": 0.6,
        "calibration_log_loss": 0.6, "selection_auc": 0.6, "test_log_loss": 0.6, "test_auc": 0.6,
        "train_seconds": 10.0,
    } | changes  # fmt: skip


def predictions(skill: float, seed: int) -> pl.DataFrame:
    noise = np.random.default_rng(seed).normal(0, 0.02, DAYS)
    chance = np.clip(0.4 + skill * (OUTCOME - 0.4) + noise, 0.01, 0.99)
    return pl.DataFrame(
        {
            "date": [date(2020, 1, 1) + timedelta(days=day) for day in range(DAYS)],
            "symbol": "SPY", "target": OUTCOME, "prediction": chance, "probability_0": 1 - chance,
            "probability_1": chance, "part": ["selection"] * 280 + ["calibration"] * 120,
        }
    )  # fmt: skip


def rank(skills: dict[tuple[str, str], float], **changes: Any) -> list[dict[str, Any]]:
    runs = pl.DataFrame([run(*name, seed, **changes) for name in skills for seed in (1, 2, 3)])
    files = {
        f"{normalisation}.{pooling}.{seed}": predictions(skill, seed)
        for (normalisation, pooling), skill in skills.items()
        for seed in (1, 2, 3)
    }
    return rank_readouts(runs, lambda path, split: files[path]).to_dicts()


def test_one_that_is_clearly_best_is_chosen_whatever_it_costs() -> None:
    rows = rank({("revin_stats", "attention"): 0.5, ("zscore", "last"): 0.1, ("revin", "mean"): 0.0})
    assert [row["chosen"] for row in rows] == [True, False, False]
    assert (rows[0]["normalisation"], rows[0]["pooling"], rows[0]["seeds"]) == ("revin_stats", "attention", 3)
    assert rows[0]["difference"] == 0.0
    assert rows[1]["difference_low"] > 0.0


def test_among_equals_the_cheapest_is_chosen() -> None:
    rows = rank({("revin_stats", "mean"): 0.301, ("revin", "last"): 0.3, ("zscore", "last"): 0.3})
    assert next(row for row in rows if row["chosen"])["normalisation"] == "zscore"


def test_test_figures_decide_nothing() -> None:
    skills = {("revin_stats", "mean"): 0.4, ("zscore", "last"): 0.1}
    calm, loud = rank(skills), rank(skills, test_log_loss=9.0, test_auc=0.1)
    decided = ("normalisation", "pooling", "validation_log_loss", "difference", "chosen")
    assert [[row[name] for name in decided] for row in calm] == [
        [row[name] for name in decided] for row in loud
    ]


def test_a_damaged_run_is_named_and_nothing_is_decided() -> None:
    runs = pl.DataFrame([run("zscore", "last", 1), run("revin", "last", 1)])
    broken = predictions(0.2, 1).with_columns(probability_1=pl.lit(float("nan")))
    with pytest.raises(DataError, match=r"revin\.last\.1"):
        rank_readouts(runs, lambda path, split: broken if path.startswith("revin") else predictions(0.2, 1))
    with pytest.raises(DataError, match="nothing to compare"):
        rank_readouts(runs.with_columns(status=pl.lit("missing")), lambda path, split: broken)
