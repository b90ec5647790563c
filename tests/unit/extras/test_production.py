"""Forecasts for bars whose outcome nobody knows yet: which window, until when, and in which pictures."""

from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest

from lib.data.calendar import sessions_of
from lib.datasets.windows import newest_samples
from lib.errors import DataError
from lib.extras.production.forecast import SCHEMA, describe
from lib.extras.production.promote import default_name
from lib.features.bars import bars_ahead
from lib.report.run_plots import confusion_figure, importance_figure, save_svg
from tests.unit.tables import FIRST, dataset_of

SESSIONS = sessions_of("XNYS")


def dataset(rows: int, symbol: str, seed: int = 0) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    close = 100 * np.exp(np.cumsum(rng.normal(0, 0.01, rows)))
    return dataset_of(close, symbol, width=0.0, a=rng.normal(size=rows))


@pytest.mark.parametrize(
    ("timescale", "day", "count", "until"),
    [
        ("daily", date(2025, 7, 3), 1, date(2025, 7, 7)),  # Independence Day and a weekend between
        ("multires", date(2025, 7, 3), 5, date(2025, 7, 11)),
        ("weekly", date(2025, 7, 3), 1, date(2025, 7, 11)),
        ("monthly", date(2025, 6, 30), 2, date(2025, 8, 29)),
    ],
)
def test_a_forecast_ends_on_a_session_of_the_exchange(timescale, day, count, until):
    assert bars_ahead(SESSIONS, timescale, day, count) == until


def test_a_calendar_that_ends_too_early_is_an_error():
    with pytest.raises(DataError, match="calendar ends on 2020-12-31, before 5 daily bars"):
        bars_ahead(SESSIONS.filter(date(2021, 1, 1) > SESSIONS), "daily", date(2020, 12, 29), 5)


def test_the_newest_window_of_each_symbol_is_taken_and_later_bars_change_nothing_of_a_past_one():
    frame = pl.concat([dataset(60, "A"), dataset(50, "B", 1), dataset(5, "C", 2)])
    newest = newest_samples(frame, "direction", 5, 8)
    assert newest.symbols.tolist() == ["A", "B"], "C has too few bars for a window"
    assert [str(day) for day in newest.dates] == ["2020-02-29", "2020-02-19"]
    assert np.isnan(newest.target).all()

    day = FIRST + timedelta(days=30)
    past = newest_samples(frame, "direction", 5, 8, on=day)
    wild = frame.with_columns(
        pl.when(pl.col("date") > day).then(pl.lit(99.0)).otherwise("a").cast(pl.Float32).alias("a")
    )
    changed = newest_samples(wild, "direction", 5, 8, on=day)
    np.testing.assert_array_equal(past.windows(), changed.windows())
    assert set(past.dates.astype(str)) == {str(day)}
    with pytest.raises(DataError, match="no symbol has 8 bars until 2020-01-03"):
        newest_samples(frame, "direction", 5, 8, on=date(2020, 1, 3))


def test_windows_are_padded_with_the_last_one():
    newest = newest_samples(pl.concat([dataset(60, "A"), dataset(50, "B", 1)]), "direction", 5, 8)
    padded = newest.padded(8)
    assert padded.symbols.tolist() == ["A"] + ["B"] * 7
    assert newest.padded(2) is newest


def test_a_symbol_that_lags_behind_is_said_so():
    row = dict.fromkeys(SCHEMA) | {"horizon": 1, "prediction": 0.01, "return_low": -0.02, "return_high": 0.03}
    table = pl.DataFrame(
        [
            row | {"symbol": "A", "date": date(2020, 3, 2), "until": date(2020, 3, 3)},
            row | {"symbol": "B", "date": date(2020, 2, 3), "until": date(2020, 2, 4)},
        ],
        schema=SCHEMA,
    )
    first, second = describe(table).splitlines()
    assert first.startswith("A: from the bar of 2020-03-02, for the 1 bar(s) until 2020-03-03: ")
    assert first.endswith("return +0.0100 (-0.0200 to +0.0300)")
    assert second.endswith("its newest bar is older than that of others (2020-03-02)")


def test_names_say_what_is_forecast_with_what():
    run = {"variant": "base", "dataset": "Aa20", "timescale": "daily", "task": "direction", "horizon": 5,
           "model": "xgboost", "budget": "none", "seed": 42}  # fmt: skip
    assert default_name(run) == "xgboost-Aa20-daily-direction-h5"
    own = run | {"variant": "matched", "model": "patchtst-mixed", "budget": "2M"}
    assert default_name(own) == "patchtst-mixed-2M-Aa20-daily-direction-h5-matched"


@pytest.mark.parametrize(
    ("task", "labels", "shown"),
    [
        ("direction", [0, 1], "249"),
        ("triple_barrier", [-1, 0, 1], "neither"),
        ("regression", [-0.1, 0.1], "rise"),
    ],
)
def test_pictures_of_a_run_have_the_same_bytes_every_time(tmp_path, task, labels, shown):
    values = np.resize(np.array(labels, dtype=float), 498)
    test = pl.DataFrame({"target": values, "prediction": values})
    weights = pl.DataFrame({"channel": [f"c{i}" for i in range(40)], "importance": np.arange(40.0)})
    for number in (1, 2):
        save_svg(confusion_figure(test, task, "a run"), tmp_path / f"confusion{number}.svg")
        save_svg(importance_figure(weights, "a run"), tmp_path / f"importance{number}.svg")
    for name in ("confusion", "importance"):
        assert (tmp_path / f"{name}1.svg").read_bytes() == (tmp_path / f"{name}2.svg").read_bytes()
    figure = confusion_figure(test, task, "a run")
    words = [text.get_text() for text in figure.axes[0].texts + figure.axes[0].get_xticklabels()]
    assert any(shown in word for word in words)
    assert "15 more channels not shown" in importance_figure(weights, "a run").axes[0].get_title()
    nothing = importance_figure(weights[:0], "a run").axes[0].texts[0].get_text()
    assert nothing == "this model gives no weight to single channels"
