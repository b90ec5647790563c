"""The best configuration: by validation, within one standard error, the cheapest; test is not read."""

import polars as pl
import pytest

from lib.errors import DataError
from lib.scaling.run_columns import RUNS_SCHEMA
from lib.scaling.selection import select_configuration

LOSSES = {
    ("Aa50", "2M"): [0.690, 0.692, 0.694],
    ("Aa500", "2M"): [0.6905, 0.6915, 0.6925],
    ("Aa50", "20M"): [0.689, 0.691, 0.693],
    ("Aa50", "200M"): [0.70, 0.70, 0.70],
}


def table(losses=LOSSES, **columns) -> pl.DataFrame:
    rows = [
        {
            "dataset": dataset, "model": "patchtst-mixed", "budget": budget, "seed": seed, "status": "done",
            "role": "question", "condition": "base", "train_fraction": 1.0,
            "context_length": 80, "task": "direction", "timescale": "daily", "horizon": 5,
            "selection_log_loss": loss, "test_log_loss": 1.0 - loss, "n_selection": 300,
            "path": f"{dataset}/{budget}/{seed}",
        } | columns
        for (dataset, budget), own in losses.items()
        for seed, loss in enumerate(own)
    ]  # fmt: skip
    return pl.DataFrame([dict.fromkeys(RUNS_SCHEMA) | row for row in rows], schema=RUNS_SCHEMA, orient="row")


def test_the_cheapest_within_one_standard_error_of_the_best_is_chosen():
    found = select_configuration(table(), "direction", "daily", 5, 80)
    assert found["chosen"] == {"dataset": "Aa50", "model": "patchtst-mixed", "budget": "2M"}
    assert "patchtst-mixed 20M on Aa50 has the lowest mean validation loss, 0.69100" in found["reasons"][0]
    assert "cheapest of 3 within one standard error" in found["reasons"][1]
    assert [row["budget"] for row in found["candidates"]][-1] == "200M"


def test_a_clear_winner_is_chosen_whatever_it_costs():
    clear = LOSSES | {("Aa50", "200M"): [0.60, 0.601, 0.602]}
    found = select_configuration(table(clear), "direction", "daily", 5, 80)
    assert found["chosen"]["budget"] == "200M"
    assert found["reasons"][1] == "No cheaper configuration lies within one standard error of it."


def test_test_figures_change_nothing():
    changed = table().with_columns(test_log_loss=pl.lit(0.1), test_auc=pl.lit(0.99))
    assert select_configuration(changed, "direction", "daily", 5, 80) == select_configuration(
        table(), "direction", "daily", 5, 80
    )


@pytest.mark.parametrize(
    "columns",
    [
        {"role": "null_control"},
        {"train_fraction": 0.25},
        {"context_length": 60},
        {"condition": "untuned"},
        {"budget": "none"},
        {"status": "missing"},
    ],
)
def test_controls_shares_and_baselines_are_no_candidates(columns):
    with pytest.raises(DataError, match="no finished run of direction h5, daily"):
        select_configuration(table(**columns), "direction", "daily", 5, 80)


def test_in_folds_the_mean_over_the_folds_that_all_have_counts():
    first = table().with_columns(fold=pl.lit(1, pl.Int64))
    second = table(LOSSES | {("Aa50", "20M"): [0.5, 0.5, 0.5]}).with_columns(fold=pl.lit(2, pl.Int64))
    own = table(LOSSES | {("Aa50", "200M"): [0.1, 0.1, 0.1]})
    found = select_configuration(pl.concat([first, second, own]), "direction", "daily", 5, 80)
    assert found["chosen"]["budget"] == "20M"
    assert found["candidates"][0]["mean_validation_loss"] == pytest.approx((0.691 + 0.5) / 2)
    assert found["candidates"][0]["seeds"] == 3
    gone = second.filter(pl.col("budget") != "20M")
    found = select_configuration(pl.concat([first, gone]), "direction", "daily", 5, 80)
    assert found["chosen"]["budget"] == "2M", "fold 2, which 20M lacks, counts for none"
    apart = pl.concat([first.filter(pl.col("budget") == "20M"), gone])
    with pytest.raises(DataError, match="no walk-forward fold in common"):
        select_configuration(apart, "direction", "daily", 5, 80)
