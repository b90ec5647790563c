"""Sessions of an exchange as a plain list of days, computed once and passed on as a file.

The calendar library takes seconds to import and to build; jobs read the finished list instead.
"""

from __future__ import annotations

from datetime import date
from functools import lru_cache
from pathlib import Path

import polars as pl

from lib.data.io import read_parquet
from lib.errors import ConfigError

FIRST, LAST = date(1950, 1, 1), date(2060, 12, 31)
"""Days that the list covers; no data may lie outside."""


@lru_cache(maxsize=4)
def sessions_of(calendar: str) -> pl.Series:
    """Sessions between `FIRST` and `LAST` (as far as the exchange's calendar goes), as dates in order.

    Raises:
        ConfigError: no calendar has this code.
    """
    import exchange_calendars as xc

    try:
        kind = type(xc.get_calendar(calendar))
    except xc.errors.CalendarError:
        raise ConfigError(
            f"exchange calendar {calendar!r} is not known; use a code such as XNYS (New York)."
        ) from None
    lowest, highest = kind.bound_min(), kind.bound_max()
    first = max(FIRST, lowest.date()) if lowest is not None else FIRST
    last = min(LAST, highest.date()) if highest is not None else LAST
    found = xc.get_calendar(calendar, start=str(first), end=str(last)).sessions
    return pl.Series("session", found.to_numpy().astype("datetime64[D]")).cast(pl.Date)


def read_sessions(path: Path) -> pl.Series:
    """Sessions from the file that the calendar rule wrote."""
    return read_parquet(path)["session"]
