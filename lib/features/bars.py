"""Bars of slower timescales out of daily prices.

Bars are built on the exchange's own calendar, not on the rows at hand, so that all symbols are in phase and a
bar never changes once it is complete. Computes no indicator and repairs no price.
"""

from __future__ import annotations

from datetime import date

import polars as pl

from lib.config.base import Timescale
from lib.errors import ConfigError, DataError
from lib.features.schema import BAR_COLUMNS

PHASE_SESSION = date(1990, 1, 2)
"""Groups of sessions are counted from here (from the calendar's first session where it begins later)."""
PHASE_MONDAY = date(1990, 1, 1)
"""Pairs of calendar weeks are counted from here."""
SESSIONS_PER_BAR = {"2d": 2, "3d": 3, "5d": 5}


def resample(prices: pl.DataFrame, timescale: Timescale, sessions: pl.Series) -> pl.DataFrame:
    """Daily prices to the bars of a timescale.

    `prices` has the columns date, symbol, open, high, low, close, volume (one or more symbols, unique dates
    per symbol). The result adds `last_session` and is sorted by symbol and date; `date` equals
    `last_session`, the last session of the bar's period in the exchange calendar, so that everything in a row
    was known on its date.

    A bar is kept only if its whole period lies within the symbol's data: the unfinished last bar is dropped,
    and so is a first bar whose period began before the data did. Sessions missing in between leave the bar's
    period as it is. `sessions` are the days on which the exchange was and will be open; a row dated on
    another day is left out.

    Raises ConfigError for a timescale that cannot be built, DataError for missing columns.
    """
    missing = [name for name in BAR_COLUMNS if name not in (*prices.columns, "last_session")]
    if missing:
        raise DataError(
            f"prices lack the column(s) {', '.join(missing)}; they have {', '.join(prices.columns)}."
        )
    prices = prices.join(sessions.alias("date").to_frame(), on="date", how="semi").sort("symbol", "date")
    if timescale in ("daily", "multires"):
        return prices.with_columns(last_session=pl.col("date")).select(BAR_COLUMNS)
    if prices.is_empty():
        return prices.with_columns(last_session=pl.lit(None, pl.Date)).select(BAR_COLUMNS)
    periods = _periods(_positions(sessions), timescale)
    return _aggregate(prices, periods)


def bars_ahead(sessions: pl.Series, timescale: Timescale, day: date, count: int) -> date:
    """Date of the bar that comes `count` bars after the one of `day`, by the exchange's calendar.

    Raises:
        DataError: the list of sessions ends before it.
    """
    if timescale in ("daily", "multires"):
        ends = sessions
    else:
        ends = _periods(_positions(sessions), timescale)["last_session"].unique().sort()
    later = ends.filter(ends > day)
    if len(later) < count:
        raise DataError(
            f"the exchange calendar ends on {sessions.max()!s}, before {count} {timescale} bars are over."
        )
    found: date = later[count - 1]
    return found


def _aggregate(prices: pl.DataFrame, periods: pl.DataFrame) -> pl.DataFrame:
    """One bar per symbol and complete period; `periods` has session, first_session, last_session."""
    dated = prices.sort("date").join_asof(periods, left_on="date", right_on="session", strategy="forward")
    dated = dated.sort("symbol", "date").with_columns(
        first_date=pl.col("session").min().over("symbol"), last_date=pl.col("date").max().over("symbol")
    )
    complete = dated.filter(
        pl.col("first_session") >= pl.col("first_date"), pl.col("last_session") <= pl.col("last_date")
    )
    bars = complete.group_by("symbol", "last_session", maintain_order=True).agg(
        pl.col("open").first(),
        pl.col("high").max(),
        pl.col("low").min(),
        pl.col("close").last(),
        pl.col("volume").sum(),
    )
    return bars.with_columns(date=pl.col("last_session")).select(BAR_COLUMNS).sort("symbol", "date")


def _periods(sessions: pl.DataFrame, timescale: str) -> pl.DataFrame:
    """First and last session of the period that each session belongs to."""
    session = pl.col("session")
    if timescale in SESSIONS_PER_BAR:
        period = pl.col("position") // SESSIONS_PER_BAR[timescale]
    elif timescale == "weekly":
        period = session.dt.truncate("1w")
    elif timescale == "2wk":
        period = (session - pl.lit(PHASE_MONDAY)).dt.total_days() // 14
    elif timescale == "monthly":
        period = session.dt.truncate("1mo")
    else:
        raise ConfigError(
            f"unknown timescale {timescale!r}; use daily, 2d, 3d, 5d, weekly, 2wk, monthly or multires."
        )
    return sessions.select(
        "session",
        first_session=session.min().over(period),
        last_session=session.max().over(period),
    )


def _positions(sessions: pl.Series) -> pl.DataFrame:
    """Sessions with their `position` counted from the phase session (negative before it)."""
    before_phase = int((sessions < PHASE_SESSION).sum())
    return pl.DataFrame({"session": sessions}).with_columns(position=pl.int_range(pl.len()) - before_phase)
