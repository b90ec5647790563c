"""Series: when a value was public, how two become one, what is refused, and that channels know no future."""

from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lib.config.data import ValidationConfig
from lib.config.series_table import Combination, Publication, SeriesDefinition
from lib.data.compare import compare_levels, compare_returns
from lib.data.series import available_from, combine, publish
from lib.data.validation.series_checks import frequency_of, is_interpolated, validate_series
from lib.errors import DataError
from lib.features.groups import SeriesInput, group_features, join_series, left_out, series_channels

TODAY = date(2030, 1, 1)
GROUPS = ("rate", "sentiment", "volatility", "trends")


def definition(group="rate", **changes) -> SeriesDefinition:
    return SeriesDefinition.model_validate({"title": "x", "group": group, "names": {"files": "x"}} | changes)


def days(n: int, step: str = "daily", first: date = date(2000, 1, 3)) -> list[date]:
    if step == "weekly":
        return [first + timedelta(days=7 * k) for k in range(n)]
    if step == "monthly":
        return [date(2000 + k // 12, k % 12 + 1, 1) for k in range(n)]
    found = [first + timedelta(days=k) for k in range(2 * n)]
    return [day for day in found if day.weekday() < 5][:n]


def series(n=600, step="daily", seed=0, name="X", group="volatility") -> pl.DataFrame:
    values = 20 * np.exp(np.cumsum(0.05 * np.random.default_rng(seed).standard_normal(n)))
    raw = pl.DataFrame({"date": days(n, step), "value": values}).with_columns(
        available_from=pl.lit(None, pl.Date)
    )
    return publish(raw, name, definition(group, frequency="as_is"))


# -- when a value was public --


@pytest.mark.parametrize(
    ("day", "rule", "frequency", "expected"),
    [
        (date(2024, 1, 5), Publication(), "daily", date(2024, 1, 8)),  # Friday: known on Monday
        (date(2024, 1, 5), Publication(days=1, business_days=False), "daily", date(2024, 1, 6)),
        (date(2024, 1, 5), Publication(days=0), "daily", date(2024, 1, 5)),
        (
            date(2024, 1, 7),
            Publication(period="own", days=3, business_days=False),
            "weekly",
            date(2024, 1, 17),
        ),
        (
            date(2024, 2, 1),
            Publication(period="own", days=3, business_days=False),
            "monthly",
            date(2024, 3, 4),
        ),
        (date(2023, 12, 1), Publication(period="own", days=0), "monthly", date(2024, 1, 1)),
    ],
)
def test_a_value_may_be_used_when_its_period_is_over_and_it_is_published(day, rule, frequency, expected):
    assert available_from(day, rule, frequency) == expected


def test_a_known_day_of_release_goes_before_the_rule():
    raw = pl.DataFrame(
        {"date": days(2), "value": [1.0, 2.0], "available_from": [date(2000, 2, 1), None]},
        schema_overrides={"available_from": pl.Date},
    )
    assert publish(raw, "X", definition())["available_from"].to_list() == [date(2000, 2, 1), date(2000, 1, 5)]


# -- two become one --


def test_a_splice_changes_over_on_its_day_with_its_spread():
    first, second = series(10, seed=1), series(10, seed=2)
    at = first["date"][5]
    joined = combine(first, second, "Z", Combination(how="splice", members=("A", "B"), at=at, spread=0.5))
    assert joined["value"].to_list() == [*first["value"][:6], *(second["value"][6:] + 0.5)]
    assert joined["series"].unique().to_list() == ["Z"]


def test_a_difference_is_public_when_its_later_part_is():
    first, second = series(10, seed=1), series(9, seed=2)
    late = second.with_columns(pl.col("available_from") + timedelta(days=4))
    joined = combine(first, late, "Z", Combination(how="difference", members=("A", "B")))
    assert joined["value"].to_list() == pytest.approx((first["value"][:9] - second["value"]).to_list())
    assert joined["available_from"].equals(late["available_from"])


# -- at the door --


def findings(frame, group="rate", **changes) -> set[str]:
    found = validate_series(frame, "X", definition(group, **changes), ValidationConfig(), TODAY)
    return {f.rule for f in found}


def test_a_sound_series_has_no_findings():
    assert findings(series(), "volatility") == set()


def with_values(values: np.ndarray) -> pl.DataFrame:
    return series(len(values)).with_columns(value=pl.Series(values))


def weekly_drawn_to_days() -> pl.DataFrame:
    known = np.random.default_rng(0).integers(20, 90, 60).astype(float)
    drawn = np.interp(np.arange(7 * 59), 7 * np.arange(60), known)
    dates = [date(2020, 1, 5) + timedelta(days=k) for k in range(len(drawn))]
    raw = pl.DataFrame({"date": dates, "value": drawn, "available_from": None}).with_columns(
        pl.col("available_from").cast(pl.Date)
    )
    return publish(raw, "X", definition("trends", frequency="as_is"))


@pytest.mark.parametrize(
    ("frame", "changes", "rule"),
    [
        (pl.concat([series(50), series(50).slice(9, 1)]).sort("date"), {}, "duplicate date"),
        (series(50).reverse(), {}, "unsorted dates"),
        (series(50).with_columns(value=pl.lit(float("nan"))), {}, "missing value"),
        (series(50), {"maximum": 5}, "out of range"),
        (series(50), {"minimum": 50}, "out of range"),
        (
            series(50).with_columns(pl.col("available_from") - timedelta(days=9)),
            {},
            "published before its date",
        ),
        (series(50, "weekly"), {"frequency": "daily"}, "wrong frequency"),
        (series(50), {"frequency": "as_is"}, "wrong frequency"),
        (series(50).with_columns(pl.col("date") + timedelta(days=20000)), {}, "future date"),
        (weekly_drawn_to_days(), {"frequency": "as_is"}, "interpolated"),
        (pl.concat([series(50).head(20), series(50).tail(20)]), {}, "gap"),
        (series(50), {"revised": True}, "latest revision"),
    ],
)
def test_what_is_wrong_with_a_series_is_named(frame, changes, rule):
    assert rule in findings(frame, **changes)


def test_a_rate_that_stands_still_and_rounded_values_are_not_taken_for_interpolated():
    steps = np.repeat(np.random.default_rng(0).choice([0.25, 0.5, 1.0], 30), 25)
    assert not is_interpolated(with_values(steps))
    rounded = np.round(np.cumsum(0.05 * np.random.default_rng(1).standard_normal(800)) + 4, 2)
    assert not is_interpolated(with_values(rounded))


def test_a_search_index_scaled_by_its_own_maximum_is_said_to_be():
    frame = series(60, "monthly").with_columns(pl.col("value") / pl.col("value").max() * 100)
    assert "rescaled" in findings(frame, "trends", frequency="as_is")


@pytest.mark.parametrize("step", ["daily", "weekly", "monthly"])
def test_the_frequency_is_seen_from_the_dates(step):
    assert frequency_of(series(60, step)) == step


def test_sources_that_disagree_are_named_with_day_and_value():
    ours = series(100)
    theirs = ours.select("date", "value", "available_from").with_columns(
        value=pl.when(pl.int_range(pl.len()) == 40).then(pl.col("value") + 0.5).otherwise("value")
    )
    [found] = compare_levels(ours, theirs, "VIX", "yahoo ^VIX", 0.02)
    assert (found.date, round(found.value, 6)) == (ours["date"][40], 0.5)


def test_a_seam_shows_as_a_return_that_another_source_does_not_have():
    close = 100 + np.arange(100.0)
    ours = pl.DataFrame({"date": days(100), "close": close})
    other = ours.with_columns(close=pl.Series(0.9 * np.where(np.arange(100) < 60, close * 0.99, close)))
    [found] = compare_returns(ours, other, "SPY", "files SPY2", 0.02)
    assert found.date == days(100)[60]


# -- channels --


def inputs(group="volatility", step="daily", n=600, required=True, **changes) -> SeriesInput:
    frame = series(n, step, name=group.upper(), group=group, **changes)
    return SeriesInput(group.upper(), group, required, frame)


def bars(first: str = "2001-06-01", last: str = "2002-03-29") -> pl.DataFrame:
    dates = pl.date_range(date.fromisoformat(first), date.fromisoformat(last), eager=True)
    dates = dates.filter(dates.dt.weekday() < 6)
    return pl.DataFrame({"date": dates, "symbol": "SPY", "own": np.arange(len(dates), dtype=np.float32)})


@settings(max_examples=30, deadline=None)
@given(st.sampled_from(GROUPS), st.sampled_from(["daily", "weekly", "monthly"]), st.integers(280, 590))
def test_no_channel_of_a_series_changes_when_its_future_does(group, step, kept):
    whole = inputs(group, step)
    changed = whole.frame.with_columns(
        value=pl.when(pl.int_range(pl.len()) >= kept).then(pl.col("value") * 3 + 1).otherwise("value")
    )
    cut = SeriesInput(whole.name, group, True, whole.frame.head(kept))
    known = whole.frame["available_from"][kept - 1]
    past = pl.col("available_from") <= known
    expected = series_channels(whole).filter(past)
    assert expected.height > 20
    for other in (cut, SeriesInput(whole.name, group, True, changed)):
        assert series_channels(other).filter(past).equals(expected)


@pytest.mark.parametrize("group", GROUPS)
def test_channels_of_a_group_are_finite_distinct_and_named_apart(group):
    table = series_channels(inputs(group)).drop("available_from", "observed")
    assert table.width == len(group_features(group))
    assert np.isfinite(table.to_numpy()).all()
    correlation = np.corrcoef(table.to_numpy().T)
    assert np.abs(correlation[~np.eye(len(correlation), dtype=bool)]).max() < 0.9999


@pytest.mark.parametrize("scale", [0.01, 7.0])
def test_a_search_index_may_be_scaled_as_it_likes(scale):
    whole = inputs("trends", "weekly")
    scaled = SeriesInput(whole.name, "trends", True, whole.frame.with_columns(pl.col("value") * scale))
    ours, theirs = series_channels(whole), series_channels(scaled)
    np.testing.assert_allclose(
        theirs.drop("available_from", "observed").to_numpy(),
        ours.drop("available_from", "observed").to_numpy(),
        rtol=1e-4,
        atol=1e-5,
    )


def test_a_bar_gets_the_last_value_that_was_public_at_its_close():
    made = inputs()
    joined = join_series(bars(), [made], None, None)
    channels = series_channels(made)
    name = channels.columns[2]
    for day, value in joined.select("date", name).sample(20, seed=0).iter_rows():
        public = channels.filter(pl.col("available_from") <= day)
        assert value == public[name][-1]
        assert public["observed"][-1] < day


def test_bars_beyond_the_series_are_left_out_and_history_may_begin_later():
    made = inputs(n=520)
    joined = join_series(bars("2000-06-01", "2003-01-31"), [made], None, None)
    assert joined["date"].min() >= series_channels(made)["available_from"].min()
    assert joined["date"].max() <= made.frame["available_from"].max() + timedelta(days=10)
    later = join_series(bars(), [made], None, date(2001, 9, 3))
    assert later["date"].min() == date(2001, 9, 3)


def test_a_hole_in_a_required_series_is_refused():
    made = inputs()
    holed = SeriesInput(
        made.name,
        made.group,
        True,
        made.frame.filter(~pl.col("date").is_between(date(2001, 8, 1), date(2001, 9, 14))),
    )
    with pytest.raises(DataError, match="no value for 2001-08"):
        join_series(bars(), [holed], None, None)


def test_a_required_series_that_ends_before_the_test_split_is_refused():
    with pytest.raises(DataError, match=r"ends on .* before the test split begins"):
        join_series(bars(), [inputs(n=400)], date(2002, 1, 1), None)


def test_an_optional_series_is_left_out_when_absent_ending_early_or_beginning_late():
    required = inputs()
    empty = SeriesInput("GONE", "rate", False, required.frame.clear())
    early = SeriesInput("EARLY", "rate", False, required.frame.head(400))
    late = SeriesInput("LATE", "rate", False, required.frame.slice(30))
    good = SeriesInput("GOOD", "rate", False, required.frame)
    everything = [required, empty, early, late, good]
    reasons = left_out(everything, date(2002, 1, 1))
    assert set(reasons) == {"GONE", "EARLY", "LATE"}
    columns = join_series(bars(), everything, date(2002, 1, 1), None).columns
    assert any(name.startswith("good_") for name in columns)
    assert not any(name.startswith(("gone_", "early_", "late_")) for name in columns)
