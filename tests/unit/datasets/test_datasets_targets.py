"""Targets, by hand and against their definition."""

from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lib.datasets.targets import add_targets
from lib.errors import ConfigError, DataError


def table(high: list[float], close: list[float], symbol: str = "X") -> pl.DataFrame:
    first = date(2020, 1, 1)
    return pl.DataFrame(
        {
            "date": [first + timedelta(days=i) for i in range(len(close))],
            "symbol": symbol,
            "high": high,
            "low": [min(pair) - 1.0 for pair in zip(high, close, strict=True)],
            "close": close,
        }
    )


#        t:  0      1      2      3      4
CLOSE = [100.0, 100.0, 102.0, 100.0, 101.0]
HIGH = [109.0, 100.9, 102.0, 103.1, 101.0]


def target(task: str, horizon: int) -> list[float | None]:
    return add_targets(table(HIGH, CLOSE), task, horizon)["target"].to_list()  # type: ignore[arg-type]


def test_a_touch_counts_highs_after_the_bar_and_not_its_own() -> None:
    assert target("threshold_1pct", 1) == [0, 1, 1, 1, None], "the 109 of bar 0 is past; 101.0 touches 101.0"
    assert target("threshold_2pct", 2) == [1, 1, 0, None, None]
    assert target("threshold_3pct", 3) == [1, 1, None, None, None]
    assert target("threshold_5pct", 1) == [0, 0, 0, 0, None]


def test_direction_compares_closes_and_an_unchanged_close_is_not_up() -> None:
    assert target("direction", 1) == [0, 1, 0, 1, None]
    assert target("direction", 3) == [0, 1, None, None, None]


def test_regression_is_the_simple_return() -> None:
    assert target("regression", 2) == pytest.approx([0.02, 0.0, 101 / 102 - 1, None, None])


def test_the_label_ends_on_the_date_of_the_bar_that_many_bars_ahead() -> None:
    frame = table(HIGH, CLOSE).filter(pl.col("date") != date(2020, 1, 3))
    ends = add_targets(frame, "direction", 2)["label_end"].to_list()
    assert ends == [date(2020, 1, 4), date(2020, 1, 5), None, None]


def test_labels_never_reach_into_another_symbol() -> None:
    frame = pl.concat([table(HIGH, CLOSE, "A"), table([1e9] * 5, [1e9] * 5, "B")])
    for task in ("threshold_5pct", "direction", "regression"):
        both = add_targets(frame, task, 2)  # type: ignore[arg-type]
        alone = add_targets(table(HIGH, CLOSE, "A"), task, 2)  # type: ignore[arg-type]
        assert both.filter(pl.col("symbol") == "A").equals(alone)
        assert both.filter(pl.col("symbol") == "B")["target"][-2:].is_null().all()


@given(
    steps=st.lists(st.floats(-0.04, 0.04), min_size=12, max_size=40),
    horizon=st.integers(1, 11),
    percent=st.sampled_from([1, 2, 3, 5]),
)
@settings(max_examples=40, deadline=None)
def test_touches_agree_with_the_definition_bar_by_bar(steps: list[float], horizon: int, percent: int) -> None:
    close = 100 * np.exp(np.cumsum(steps))
    high = close * 1.004
    task = f"threshold_{percent}pct"
    found = add_targets(table(high.tolist(), close.tolist()), task, horizon)["target"].to_list()  # type: ignore[arg-type]
    for t, value in enumerate(found):
        if t + horizon >= len(close):
            assert value is None
        else:
            assert value == float(high[t + 1 : t + horizon + 1].max() >= close[t] * (1 + percent / 100))


@pytest.mark.parametrize("task", ["threshold_5pct", "direction", "regression"])
def test_prices_after_the_label_end_do_not_matter(task: str) -> None:
    changed = add_targets(table([*HIGH[:4], 500.0], [*CLOSE[:4], 500.0]), task, 2)  # type: ignore[arg-type]
    assert changed["target"].to_list()[:2] == target(task, 2)[:2]
    assert changed["target"].to_list()[2] != target(task, 2)[2]


def test_a_horizon_beyond_the_data_is_refused_with_both_numbers() -> None:
    with pytest.raises(DataError, match=r"horizon 5 is longer.* has 5 bars"):
        target("direction", 5)
    assert target("direction", 4)[0] == 1


def test_unknown_tasks_and_horizons_are_refused() -> None:
    with pytest.raises(ConfigError, match="threshold_7pct"):
        target("threshold_7pct", 1)
    with pytest.raises(ConfigError, match="horizon 0"):
        target("direction", 0)
