"""Bars of slower timescales: phase, completeness, and what they are made of."""

from datetime import date

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lib.config.base import Timescale
from lib.data.calendar import sessions_of
from lib.errors import ConfigError, DataError
from lib.features import bars as bars_module
from lib.features.schema import BAR_COLUMNS
from tests.unit.tables import prices_of

SLOW = ["2d", "3d", "5d", "weekly", "2wk", "monthly"]
EXCHANGE = sessions_of("XNYS")
SESSIONS = EXCHANGE.filter(EXCHANGE.is_between(date(1988, 1, 1), date(2003, 12, 31))).to_numpy()


def resample(prices: pl.DataFrame, timescale: Timescale) -> pl.DataFrame:
    return bars_module.resample(prices, timescale, EXCHANGE)


def market(first: str, last: str, symbol: str = "X", seed: int = 0) -> pl.DataFrame:
    """Prices on the sessions from first to last; a date's row does not depend on the range asked for."""
    rng = np.random.default_rng(seed)
    close = 100 * np.exp(np.cumsum(rng.normal(0, 0.01, len(SESSIONS))))
    open_ = close * np.exp(rng.normal(0, 0.005, len(SESSIONS)))
    whole = prices_of(SESSIONS, open_, close, rng.uniform(1e6, 2e6, len(SESSIONS)), symbol)
    return whole.filter(
        pl.col("date") >= date.fromisoformat(first), pl.col("date") <= date.fromisoformat(last)
    )


def test_daily_bars_are_the_prices_with_their_own_date_as_last_session() -> None:
    prices = market("2000-01-01", "2000-03-31")
    bars = resample(prices, "daily")
    assert bars.columns == list(BAR_COLUMNS)
    assert bars.drop("last_session").equals(prices)
    assert (bars["last_session"] == bars["date"]).all()


@pytest.mark.parametrize("timescale", SLOW)
def test_a_bar_has_first_open_highest_high_lowest_low_last_close_and_summed_volume(timescale: str) -> None:
    prices = market("2000-01-01", "2000-12-31")
    bars = resample(prices, timescale)
    assert bars.columns == list(BAR_COLUMNS)
    assert (bars["last_session"] == bars["date"]).all()
    bar, before = bars.row(3, named=True), bars.row(2, named=True)
    inside = prices.filter(pl.col("date") > before["date"], pl.col("date") <= bar["date"])
    assert bar["open"] == inside["open"][0]
    assert bar["high"] == inside["high"].max()
    assert bar["low"] == inside["low"].min()
    assert bar["close"] == inside["close"][-1]
    assert bar["volume"] == pytest.approx(inside["volume"].sum())


@pytest.mark.parametrize(("timescale", "sessions"), [("2d", 2), ("3d", 3), ("5d", 5)])
def test_groups_of_sessions_are_counted_from_the_second_of_january_1990(
    timescale: str, sessions: int
) -> None:
    bars = resample(market("1988-06-01", "1991-12-31"), timescale)
    phase = int(np.searchsorted(SESSIONS, np.datetime64("1990-01-02")))
    positions = np.searchsorted(SESSIONS, bars["date"].to_numpy()) - phase
    assert (positions % sessions == sessions - 1).all()
    assert (np.diff(positions) == sessions).all()
    assert (positions < 0).any(), "bars before the phase session are in phase, too"


def test_weekly_and_monthly_bars_end_on_the_last_session_of_the_calendar_period() -> None:
    prices = market("2000-01-01", "2001-12-31")
    weekly, monthly = resample(prices, "weekly"), resample(prices, "monthly")
    assert date(2000, 4, 20) in weekly["date"].to_list(), "Good Friday 2000-04-21 is no session"
    assert date(2001, 9, 10) in weekly["date"].to_list(), "the exchange closed after Monday of that week"
    assert date(2001, 3, 30) in monthly["date"].to_list(), "the 31st was a Saturday"
    assert weekly["date"].dt.truncate("1w").is_unique().all()
    assert monthly["date"].dt.truncate("1mo").is_unique().all()
    assert monthly.height == 24


def test_pairs_of_weeks_keep_a_fixed_phase() -> None:
    bars = resample(market("1989-01-01", "2003-12-31"), "2wk")
    mondays = bars["date"].dt.truncate("1w").to_numpy()
    assert ((mondays - np.datetime64("1990-01-01")).astype(int) % 14 == 7).all()


@pytest.mark.parametrize("timescale", SLOW)
def test_the_unfinished_last_bar_is_dropped_until_its_last_session_is_there(timescale: str) -> None:
    bars = resample(market("2000-01-01", "2000-12-31"), timescale)
    last, one_before = bars["date"][-1], bars["date"][-2]
    complete = resample(market("2000-01-01", str(last)), timescale)
    position = int(np.searchsorted(SESSIONS, np.datetime64(last)))
    unfinished = resample(market("2000-01-01", str(SESSIONS[position - 1])), timescale)
    assert complete["date"][-1] == last
    assert unfinished["date"][-1] == one_before


@pytest.mark.parametrize("timescale", SLOW)
@given(end=st.integers(80, 700), more=st.integers(0, 60), start=st.integers(0, 30))
@settings(max_examples=15, deadline=None)
def test_old_bars_never_change_when_the_history_grows_at_either_end(
    timescale: str, end: int, more: int, start: int
) -> None:
    first, last, later = SESSIONS[start], SESSIONS[end], SESSIONS[end + more]
    shorter = resample(market(str(first), str(last)), timescale)
    longer = resample(market(str(SESSIONS[0]), str(later)), timescale)
    assert shorter.height > 0
    assert longer.join(shorter, on="date", how="semi").equals(shorter)


@pytest.mark.parametrize("timescale", SLOW)
def test_symbols_with_different_histories_are_in_phase(timescale: str) -> None:
    long = market("1999-01-01", "2000-12-31", "LONG")
    short = market("2000-03-08", "2000-12-20", "SHORT", seed=1)
    together = resample(pl.concat([short, long]), timescale)
    dates_long = set(together.filter(pl.col("symbol") == "LONG")["date"])
    dates_short = set(together.filter(pl.col("symbol") == "SHORT")["date"])
    assert len(dates_short) > 5
    assert dates_short <= dates_long
    assert together.filter(pl.col("symbol") == "SHORT").equals(resample(short, timescale))


@pytest.mark.parametrize("timescale", SLOW)
def test_a_missing_session_leaves_the_phase_and_the_dates_as_they_are(timescale: str) -> None:
    prices = market("2000-01-01", "2000-12-31")
    holes = prices.filter(~pl.col("date").is_in([date(2000, 3, 31), date(2000, 7, 12), date(2000, 9, 5)]))
    assert resample(holes, timescale)["date"].equals(resample(prices, timescale)["date"])


@pytest.mark.parametrize("timescale", SLOW)
def test_missing_weeks_take_only_their_own_bars_away(timescale: str) -> None:
    prices = market("2000-01-01", "2000-12-31")
    holes = prices.filter(~pl.col("date").is_between(date(2000, 7, 4), date(2000, 9, 20)))
    whole, rest = resample(prices, timescale), resample(holes, timescale)
    assert 0 < rest.height < whole.height
    assert set(rest["date"]) <= set(whole["date"])
    untouched = (pl.col("date") <= date(2000, 6, 30)) | (pl.col("date") > date(2000, 10, 31))
    assert rest.filter(untouched).equals(whole.filter(untouched))


@pytest.mark.parametrize("timescale", ["daily", "weekly"])
def test_a_row_on_a_day_without_a_session_is_left_out(timescale) -> None:
    prices = market("2000-01-01", "2000-12-31")
    saturday = prices.filter(pl.col("date") == date(2000, 6, 2)).with_columns(
        date=pl.lit(date(2000, 6, 3)), high=pl.lit(1e6)
    )
    assert resample(pl.concat([prices, saturday]), timescale).equals(resample(prices, timescale))


def test_unknown_names_are_refused_with_what_to_do() -> None:
    prices = market("2000-01-01", "2000-12-31")
    assert resample(prices, "multires").equals(resample(prices, "daily"))
    with pytest.raises(ConfigError, match="hourly"):
        resample(prices, "hourly")  # type: ignore[arg-type]
    with pytest.raises(DataError, match="close"):
        resample(prices.drop("close"), "weekly")


def test_a_history_shorter_than_one_bar_gives_no_bars() -> None:
    assert resample(market("2000-03-07", "2000-03-09"), "monthly").is_empty()
    assert resample(market("2000-03-07", "2000-03-09").clear(), "monthly").columns == list(BAR_COLUMNS)


def test_a_calendar_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ConfigError, match="NOWHERE"):
        sessions_of("NOWHERE")
