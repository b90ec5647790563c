"""The default recipe, normalisation and readout: decided on selection parts, the first declared within one
standard error."""

from datetime import date, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from lib.config.experiment import Experiment
from lib.config.validation import validate
from lib.errors import ConfigError, DataError
from lib.metrics.losses import intercept_refitted
from lib.scaling.ablation import rank_variants

DAYS = 250
FOLDS = {"wf01": 2014, "wf02": 2016}
OUTCOME = {
    fold: (np.random.default_rng(year).random(DAYS) < 0.4).astype(float) for fold, year in FOLDS.items()
}
FACTS = {
    "condition": "base", "experiment": "ablation", "role": "ablation", "train_fraction": 1.0,
    "context_length": 80,
}  # fmt: skip
Skills = dict[tuple[str, str], float]


def run(fold: str, normalisation: str, pooling: str, seed: int) -> dict[str, Any]:
    return {
        "path": f"{fold}/{normalisation}.{pooling}/{seed}", "status": "done", "normalisation": normalisation,
        "pooling": pooling, "seed": seed, "variant": fold, "fold": list(FOLDS).index(fold) + 1, **FACTS,
        "dataset": "Aa20", "timescale": "daily",
        "task": "threshold_1pct", "horizon": 1, "model": f"patchtst-mixed.{normalisation}.{pooling}",
        "budget": "2M", "selection_auc": 0.6, "train_seconds": 10.0,
    }  # fmt: skip


def predictions(fold: str, skill: float, seed: int, elsewhere: float) -> pl.DataFrame:
    """Forecasts that know `skill` of the outcome on selection, and `elsewhere` of it on calibration."""
    part = np.array(["selection"] * 175 + ["calibration"] * 75)
    noise = np.random.default_rng(seed).normal(0, 0.02, DAYS)
    known = np.where(part == "selection", skill, elsewhere)
    chance = np.clip(0.4 + known * (OUTCOME[fold] - 0.4) + noise, 0.01, 0.99)
    return pl.DataFrame(
        {
            "date": [date(FOLDS[fold], 1, 1) + timedelta(days=day) for day in range(DAYS)],
            "symbol": "SPY", "target": OUTCOME[fold], "prediction": chance, "probability_0": 1 - chance,
            "probability_1": chance, "part": part,
        }
    )  # fmt: skip


def read(skills: Skills, elsewhere: float = 0.0) -> Any:
    def reader(path: str, split: str) -> pl.DataFrame:
        assert split == "val", "test predictions are not read"
        fold, name, seed = path.split("/")
        normalisation, pooling = name.split(".")
        return predictions(fold, skills[normalisation, pooling], int(seed), elsewhere)

    return reader


def table(skills: Skills) -> pl.DataFrame:
    return pl.DataFrame([run(fold, *name, seed) for fold in FOLDS for name in skills for seed in (1, 2, 3)])


def rank(skills: Skills, elsewhere: float = 0.0) -> list[dict[str, Any]]:
    return rank_variants(table(skills), read(skills, elsewhere)).to_dicts()


def test_one_that_is_clearly_best_is_chosen_whatever_it_costs() -> None:
    rows = rank({("revin_stats", "attention"): 0.5, ("zscore", "last"): 0.1, ("revin", "mean"): 0.0})
    assert [row["chosen"] for row in rows] == [True, False, False]
    assert (rows[0]["recipe"], rows[0]["settings"]) == ("base", "revin_stats.attention")
    assert (rows[0]["folds"], rows[0]["seeds"], rows[0]["dates"]) == (2, 3, 350)
    assert rows[0]["model"] == "patchtst-mixed"
    assert rows[0]["difference"] == 0.0
    assert rows[1]["difference_low"] > 0.0


def test_the_loss_is_the_mean_over_the_dates_of_all_folds() -> None:
    skills = {("zscore", "last"): 0.2}
    [row] = rank(skills)
    by_hand = []
    for fold in FOLDS:
        for seed in (1, 2, 3):
            part = predictions(fold, 0.2, seed, 0.0).filter(pl.col("part") == "selection")
            outcome = part["target"].to_numpy()
            chance = intercept_refitted(outcome, part["probability_1"].to_numpy(), binary=True)
            by_hand.append(-np.log(np.where(outcome == 1, chance, 1 - chance)).mean())
    assert row["log_loss"] == pytest.approx(np.mean(by_hand))
    assert row["wf01"] == pytest.approx(np.mean(by_hand[:3]))


def test_among_equals_the_first_that_is_declared_is_chosen() -> None:
    rows = rank({("zscore", "last"): 0.3, ("revin", "last"): 0.3, ("revin_stats", "mean"): 0.301})
    assert rows[0]["settings"] == "revin_stats.mean"
    assert next(row for row in rows if row["chosen"])["settings"] == "zscore.last"
    rows = rank({("revin", "last"): 0.3, ("zscore", "last"): 0.3, ("revin_stats", "mean"): 0.301})
    assert next(row for row in rows if row["chosen"])["settings"] == "revin.last"


def test_recipes_are_variants_too_and_sizes_are_ranked_apart() -> None:
    skills = {("zscore", "last"): 0.2, ("revin", "last"): 0.4}
    runs = table(skills).with_columns(
        condition=pl.when(pl.col("normalisation") == "zscore").then(pl.lit("skip")).otherwise(pl.lit("base")),
        model=pl.lit("patchtst-mixed"),
    )
    both = pl.concat([runs, runs.with_columns(budget=pl.lit("20M"))])
    rows = rank_variants(both, read(skills)).to_dicts()
    assert [(row["budget"], row["recipe"], row["chosen"]) for row in rows] == [
        ("2M", "base", True), ("2M", "skip", False), ("20M", "base", True), ("20M", "skip", False),
    ]  # fmt: skip


def test_the_drift_of_the_selection_years_is_worth_nothing() -> None:
    """A forecast with another level, and the same otherwise, is no better and no worse."""
    skills = {("zscore", "last"): 0.2, ("revin", "last"): 0.2}
    whole = read(skills)

    def shifted(path: str, split: str) -> pl.DataFrame:
        frame: pl.DataFrame = whole(path, split)
        odds = 2.0 * pl.col("probability_1") / (1.0 - pl.col("probability_1"))
        return frame.with_columns(probability_1=odds / (1.0 + odds)) if "revin" in path else frame

    rows = rank_variants(table(skills), shifted).to_dicts()
    assert abs(rows[1]["difference"]) < 1e-9


def test_only_the_primary_symbol_is_judged() -> None:
    skills = {("zscore", "last"): 0.2, ("revin", "last"): 0.4}
    whole = read(skills)

    def pooled(path: str, split: str) -> pl.DataFrame:
        other = whole(path.replace("revin", "zscore") if "revin" in path else path, split)
        chance = pl.lit(0.999 if "revin" in path else 0.5)
        noise = other.with_columns(symbol=pl.lit("AAPL"), probability_1=chance)
        return pl.concat([whole(path, split), noise])

    assert rank_variants(table(skills), pooled, "SPY")["settings"][0] == "revin.last"
    assert rank_variants(table(skills), pooled, "SPY")["log_loss"].to_list() == pytest.approx(
        rank_variants(table(skills), whole)["log_loss"].to_list()
    )


def test_the_calibration_part_decides_nothing() -> None:
    skills = {("revin_stats", "mean"): 0.4, ("zscore", "last"): 0.1}
    assert rank(skills) == rank(skills, elsewhere=0.9)


def test_a_damaged_or_missing_run_is_named_and_nothing_is_decided() -> None:
    skills = {("zscore", "last"): 0.2, ("revin", "last"): 0.2}
    whole = read(skills)

    def damaged(path: str, split: str) -> pl.DataFrame:
        frame: pl.DataFrame = whole(path, split)
        return frame.with_columns(probability_1=pl.lit(float("nan"))) if "revin" in path else frame

    with pytest.raises(DataError, match=r"wf01/revin\.last/1"):
        rank_variants(table(skills), damaged)
    unfinished = table(skills).with_columns(
        status=pl.when(pl.col("path") == "wf02/zscore.last/2").then(pl.lit("failed")).otherwise("status")
    )
    with pytest.raises(DataError, match=r"1 runs of the ablation are not finished: wf02/zscore\.last/2"):
        rank_variants(unfinished, whole)
    with pytest.raises(DataError, match="nothing to compare"):
        rank_variants(table(skills).clear(), whole)


def test_folds_and_variants_without_the_same_seeds_are_refused() -> None:
    skills = {("zscore", "last"): 0.2, ("revin", "last"): 0.2}
    runs = table(skills)
    with pytest.raises(DataError, match="fold 2: the variants of an ablation have different seeds"):
        rank_variants(runs.filter(pl.col("path") != "wf02/zscore.last/2"), read(skills))
    with pytest.raises(DataError, match="not the same seeds in every fold"):
        rank_variants(runs.filter((pl.col("fold") == 1) | (pl.col("seed") != 2)), read(skills))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"role": "ablation"}, "an ablation needs `recipes:` or `vary:`"),
        ({"recipes": {"base": {}}}, "`recipes:` belongs to an ablation, and role is question"),
    ],
)
def test_only_an_ablation_has_variants_to_choose_from_and_it_needs_some(
    changes: dict[str, Any], message: str
) -> None:
    content = {
        "question": "?", "datasets": ["Aa20"], "timescales": ["daily"], "tasks": ["direction"],
        "horizons": [1], "models": ["patchtst-mixed"], "budgets": ["2M"], "seeds": [1],
    }  # fmt: skip
    with pytest.raises(ConfigError, match=message):
        validate(Experiment, content | changes, "experiment")
