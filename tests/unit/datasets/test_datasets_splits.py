"""Borders between the parts: nothing leaks, and not one sample more is lost than needed."""

from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lib.config.data import SplitConfig
from lib.datasets.splits import PARTS, assign, parts_of
from lib.datasets.targets import add_targets
from lib.errors import DataError

FIRST = date(2020, 1, 1)
SPLITS = SplitConfig(
    train_end=date(2020, 4, 9),  # day 99
    validation_start=date(2020, 4, 10),  # day 100
    validation_end=date(2020, 5, 29),  # day 149
    test_start=date(2020, 5, 30),  # day 150
)


def days(*numbers: int) -> list[date]:
    return [FIRST + timedelta(days=n) for n in numbers]


def labelled(horizon: int, count: int = 200, symbol: str = "X", step: int = 1) -> pl.DataFrame:
    close = 100 + np.sin(np.arange(0, count, step))
    dates = days(*range(0, count, step))
    frame = pl.DataFrame({"date": dates, "symbol": symbol, "high": close, "low": close, "close": close})
    return add_targets(frame, "direction", horizon)


def dates_in(part: str, frame: pl.DataFrame, splits: SplitConfig) -> list[date]:
    return frame.filter(assign(frame, splits) == part)["date"].to_list()


@pytest.mark.parametrize("horizon", [1, 5])
def test_purging_is_exact_at_every_border(horizon: int) -> None:
    frame = labelled(horizon)
    # Validation has 50 dates; its first 35 (day 100 to 134) are for selection.
    assert dates_in("train", frame, SPLITS) == days(*range(0, 100 - horizon))
    assert dates_in("selection", frame, SPLITS) == days(*range(100, 135 - horizon))
    assert dates_in("calibration", frame, SPLITS) == days(*range(135, 150 - horizon))
    assert dates_in("test", frame, SPLITS) == days(*range(150, 200 - horizon))


def test_an_embargo_takes_that_many_more_days_from_the_end_of_each_part_but_the_last() -> None:
    frame = labelled(2)
    splits = SPLITS.model_copy(update={"embargo_days": 3})
    assert dates_in("train", frame, splits)[-1:] == days(100 - 2 - 3 - 1)
    assert dates_in("selection", frame, splits)[-1:] == days(135 - 2 - 3 - 1)
    assert dates_in("calibration", frame, splits)[-1:] == days(150 - 2 - 3 - 1)
    assert dates_in("test", frame, splits)[-1:] == days(197)


@given(
    horizon=st.integers(1, 12),
    embargo=st.integers(0, 6),
    share=st.floats(0.3, 0.9),
    step=st.integers(1, 3),
    gap=st.integers(0, 20),
)
@settings(max_examples=60, deadline=None)
def test_no_label_of_a_part_ends_in_a_later_one(
    horizon: int, embargo: int, share: float, step: int, gap: int
) -> None:
    splits = SPLITS.model_copy(
        update={
            "embargo_days": embargo,
            "selection_share": share,
            "train_end": SPLITS.train_end - timedelta(days=gap),
        }
    )
    frame = pl.concat([labelled(horizon), labelled(horizon, 190, "Y", step)])
    part = assign(frame, splits)
    bounds = parts_of(frame["date"], splits)
    for here in bounds[:-1]:
        ends = frame.filter(part == here.name)["label_end"]
        assert here.until is not None
        assert all(end + timedelta(days=embargo) < here.until for end in ends)
        later = list(PARTS[PARTS.index(here.name) + 1 :])
        starts = frame.filter(part.is_in(later))["date"]
        assert not len(ends) or not len(starts) or ends.max() < starts.min()  # type: ignore[operator]


def test_an_embargo_of_days_is_as_long_for_slow_bars_as_for_fast_ones() -> None:
    """In bars it would be months on a monthly timescale, and leave nothing for calibration."""
    splits = SPLITS.model_copy(update={"embargo_days": 7})
    frame = labelled(1, step=5)
    # Training bars end on day 95, validation begins on day 100: that label reaches into the last week before.
    assert dates_in("train", frame, splits)[-1:] == days(85)
    assert dates_in("train", frame, SPLITS)[-1:] == days(90)


def test_labels_may_end_in_a_gap_between_two_parts() -> None:
    splits = SPLITS.model_copy(update={"train_end": days(89)[0]})
    assert dates_in("train", labelled(5), splits) == days(*range(0, 90)), "label of day 89 ends on day 94"


def test_train_start_and_test_end_bound_the_dates() -> None:
    splits = SPLITS.model_copy(update={"train_start": days(20)[0], "test_end": days(180)[0]})
    assert dates_in("train", labelled(1), splits)[0] == days(20)[0]
    assert dates_in("test", labelled(1), splits)[-1] == days(180)[0]


def test_pooled_symbols_are_divided_on_the_same_dates() -> None:
    frame = pl.concat([labelled(3), labelled(3, 200, "Y", step=2)])
    part = assign(frame, SPLITS)
    for bound in parts_of(frame["date"], SPLITS)[:-1]:
        inside = frame.filter(part == bound.name)
        assert set(inside["symbol"]) == {"X", "Y"}
        assert inside["label_end"].max() < bound.until  # type: ignore[operator]


def test_the_border_between_selection_and_calibration_is_the_same_for_every_horizon() -> None:
    starts = {parts_of(labelled(h)["date"], SPLITS)[2].first for h in (1, 5, 20)}
    assert starts == set(days(135))


def test_a_sample_without_a_label_belongs_nowhere() -> None:
    frame = labelled(5)
    assert assign(frame, SPLITS)[-5:].is_null().all()


def test_data_without_validation_dates_are_refused_with_the_range_they_have() -> None:
    with pytest.raises(DataError, match=r"has 0 bar date\(s\); the bars run from 2020-01-01 to 2020-02-19"):
        parts_of(labelled(1, 50)["date"], SPLITS)
