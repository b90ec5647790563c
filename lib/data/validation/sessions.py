"""Dates against the exchange's calendar: what is missing, what should not be there, and what shows why."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import polars as pl

from lib.config.data import ValidationConfig
from lib.data.validation.findings import Finding, finding

_SHIFTED_WEEKS = 3
"""So many weeks whose bars begin a day early (late) are no accident."""
_HOLE = 10
"""Missing sessions in a row, after which another company may have the ticker."""
_OTHER_LEVEL = 1.5
_OTHER_VOLUME = 10.0


def against_calendar(
    frame: pl.DataFrame, symbol: str, config: ValidationConfig, sessions: pl.Series
) -> list[Finding]:
    """Bars on days without a session, sessions without a bar, days that are shifted, and long holes.

    Args:
        frame: as `validate_prices` takes it, with dates that rise.
        symbol: for the findings.
        config: limits.
        sessions: days on which the exchange was open.
    """
    found: list[Finding] = []
    first = sessions.min()
    early = frame["date"].filter(frame["date"] < first)
    if len(early):
        text = f"{len(early)} bars before {first!s}, where the calendar begins, are left out of all datasets"
        found.append(finding("before the calendar", symbol, early[0], float(len(early)), text))
    days = frame["date"].filter(frame["date"] >= first)
    if days.is_empty():
        return found
    open_days = sessions.filter(sessions.is_between(days[0], days[-1]))
    missing = open_days.filter(~np.isin(open_days.to_numpy(), days.to_numpy())).to_list()
    extra = days.filter(~np.isin(days.to_numpy(), open_days.to_numpy())).to_list()
    if extra and (shift := _shift(set(days), set(open_days), extra)):
        return [*found, finding("shifted dates", symbol, extra[0], float(len(extra)), shift)]
    for rule, which, limit, what in (
        (
            "too many bars without a session",
            extra,
            config.max_extra_sessions,
            "bars lie on days without a session",
        ),
        ("too many missing sessions", missing, config.max_missing_sessions, "sessions are missing"),
    ):
        if len(which) > limit:
            text = f"{len(which)} {what}, more than the {limit} allowed; the first is {which[0]}"
            found.append(finding(rule, symbol, None, float(len(which)), text))
    if len(extra) <= config.max_extra_sessions:
        found += [finding("not a session", symbol, day, None) for day in extra]
    found += [finding("missing session", symbol, day, None) for day in missing]
    return found + _reused(frame, symbol, open_days) if missing else found


def _shift(days: set[date], open_days: set[date], extra: list[date]) -> str:
    """What a shift by one day looks like: weeks from Sunday to Thursday, or from Tuesday to Saturday."""
    day = timedelta(days=1)
    for weekday, away, words, sign in (
        (6, 5, "a day early (Sundays, no Fridays)", 1),
        (5, -5, "a day late (Saturdays, no Mondays)", -1),
    ):
        ends = [found for found in extra if found.weekday() == weekday]
        weeks = [
            found for found in ends if found + away * day in open_days and found + away * day not in days
        ]
        if len(weeks) >= _SHIFTED_WEEKS and len(weeks) > 0.6 * len(extra):
            return (
                f"in {len(weeks)} weeks from {weeks[0]} to {weeks[-1]} dates are {words}: moments of another "
                f"time zone were cut to days; add {sign:+d} day there, or download days in New York's time"
            )
    return ""


def _reused(frame: pl.DataFrame, symbol: str, open_days: pl.Series) -> list[Finding]:
    """Long holes across which price or volume changes its level."""
    place = np.searchsorted(open_days.to_numpy(), frame["date"].to_numpy())
    close, volume = frame["close"].to_numpy(), frame["volume"].fill_null(0).to_numpy()
    found = []
    for row in np.flatnonzero(np.diff(place) > _HOLE) + 1:
        level = close[row] / close[row - 1]
        before, after = np.median(volume[max(0, row - 20) : row]), np.median(volume[row : row + 20])
        traded = after / before if before > 0 and after > 0 else 1.0
        if max(level, 1 / level) >= _OTHER_LEVEL or max(traded, 1 / traded) >= _OTHER_VOLUME:
            text = (
                f"after {place[row] - place[row - 1] - 1} missing sessions the close is {level:.3g} and the "
                f"volume {traded:.3g} times what it was: another company may have taken over the ticker"
            )
            found.append(finding("reused ticker", symbol, frame["date"][int(row)], float(level), text))
    return found
