"""Evaluations of many runs as tables: nothing is lost on the way, and each measure has its row."""

from datetime import date

import polars as pl

from lib.scoring.evaluation_tables import (
    DAILIES_SCHEMA,
    METRICS_SCHEMA,
    dailies_of,
    dailies_table,
    evaluations_of,
    evaluations_table,
    metrics_table,
)
from lib.scoring.run_scores import DAILY_SCHEMA

AUC = {"auc": 0.6, "auc_low": 0.5, "auc_high": 0.7}
EVALUATED = {
    "results/runs/a": {
        "splits": {
            "validation": {"n": 10, "log_loss": 0.69},
            "test": AUC | {"brier": None, "collapsed": False, "first": "2007-07-02"},
        },
        "by_symbol": {"SPY": {"calibration": {"auc": 0.55}, "test": {"auc": 0.61}}},
        "by_year": [{"year": 2008, "auc": 0.62}],
        "by_regime": [{"regime": "high", "auc": 0.63, "volatility_low": 0.2, "volatility_high": None}],
    },
    "results/runs/b": {"splits": {"test": {"mse": 2}}},
}


def test_each_measure_of_each_split_and_slice_has_one_row_with_its_interval():
    table = metrics_table(EVALUATED)
    assert table.schema == pl.Schema(METRICS_SCHEMA)
    rows = {tuple(row[:4]): row[4:] for row in table.rows()}
    assert rows == {
        ("results/runs/a", "selection", "all", "n"): (10.0, None, None),
        ("results/runs/a", "selection", "all", "log_loss"): (0.69, None, None),
        ("results/runs/a", "test", "all", "auc"): (0.6, 0.5, 0.7),
        ("results/runs/a", "calibration", "symbol SPY", "auc"): (0.55, None, None),
        ("results/runs/a", "test", "symbol SPY", "auc"): (0.61, None, None),
        ("results/runs/a", "test", "year 2008", "auc"): (0.62, None, None),
        ("results/runs/a", "test", "regime high", "auc"): (0.63, None, None),
        ("results/runs/a", "test", "regime high", "volatility_low"): (0.2, None, None),
        ("results/runs/b", "test", "all", "mse"): (2.0, None, None),
    }, "neither flags, dates and years, nor what could not be computed"


def test_what_is_gathered_comes_back_as_it_was():
    assert evaluations_of(evaluations_table(EVALUATED)) == EVALUATED
    day = pl.DataFrame([{"date": date(2008, 1, 2), "symbol": "SPY", "loss": 0.6}], schema=DAILY_SCHEMA)
    gathered = dailies_table({"b": day, "a": day})
    assert gathered.schema == pl.Schema(DAILIES_SCHEMA)
    found = dailies_of(gathered)
    assert list(found) == ["b", "a"]
    assert found["b"].equals(day)


def test_a_study_without_a_finished_run_has_tables_without_rows():
    for table in (metrics_table({}), evaluations_table({}), dailies_table({})):
        assert table.is_empty()
        assert "path" in table.columns
    assert dailies_of(dailies_table({})) == {}
