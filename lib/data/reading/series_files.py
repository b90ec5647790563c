"""A file of one series in the columns that every source gives."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from lib.data.reading.dates import days_of
from lib.data.reading.names import AVAILABLE_KEYS, DATE_KEYS, is_nameless, key_of
from lib.data.reading.numbers import decimal_mark, numbers
from lib.data.reading.price_files import FileContent, oldest_first, remarks_of
from lib.data.reading.table import RawTable, read_table
from lib.errors import DataError

_BESIDE = (*DATE_KEYS, *AVAILABLE_KEYS, "realtimeend", "ispartial", "change%")
_VALUES = ("value", "close", "price", "closelast", "last")


def read_series(path: Path) -> FileContent:
    """Observations of a file: date, value, available_from; missing values left out, oldest first.

    The value is the one other column, or the one called `value`, `close` or like the file. A column
    `available_from` (or `realtime_start`) says when each value was public; of several rows of a date, the
    first release counts then. `<1`, as Google Trends writes it, is one half.

    Raises:
        DataError: the file is no table of a series, or can be read in more than one way.
    """
    table = read_table(path)
    keys = {name: key_of(name) for name in table.frame.columns}
    if keys and next(iter(keys.values())) == "price" and any(table.tickers):  # yfinance's word over its dates
        keys[next(iter(keys))] = "date"
    value = _value_column(table, keys)
    dated = sorted(
        (is_nameless(key), name) for name, key in keys.items() if key in DATE_KEYS or is_nameless(key)
    )
    dates = [name for _, name in dated if name != value]
    if not dates:
        there = ", ".join(table.frame.columns[:30])
        raise DataError(
            f"{path}: no column for date. Its columns: {there}. Words that are looked for: "
            f"{', '.join(DATE_KEYS[:4])}. Rename the column of dates."
        )
    days = days_of(table, table.frame[dates[0]])
    text = table.frame[value]
    if text.dtype == pl.String:
        text = text.str.replace("^<1$", "0.5")
    mark = decimal_mark(table, [text])
    frame = pl.DataFrame([days.days, numbers(table, text, mark, days.days).alias("value")])
    public = next((name for name, key in keys.items() if key in AVAILABLE_KEYS), None)
    frame = frame.with_columns(
        available_from=days_of(table, table.frame[public]).days if public else pl.lit(None, pl.Date)
    )
    if public:
        frame = frame.sort("date", "available_from").unique("date", keep="first", maintain_order=True)
    frame, said = oldest_first(frame)
    notes = [*table.notes, days.note, "decimal commas" if mark == "," else "", said]
    if len(_candidates(keys)) > 1:
        notes.append(f"its column {value}")
    return FileContent(frame.filter(pl.col("value").is_not_null()), remarks_of(_layout(table, keys), notes))


def _candidates(keys: dict[str, str]) -> dict[str, str]:
    """Columns that may hold the values, by key."""
    return {key: name for name, key in keys.items() if key not in _BESIDE and not is_nameless(key)}


def _value_column(table: RawTable, keys: dict[str, str]) -> str:
    """The column that holds a series' values."""
    values = _candidates(keys)
    for known in (*_VALUES, key_of(table.path.stem)):
        if known in values:
            return values[known]
    if len(values) == 1:
        return next(iter(values.values()))
    there = ", ".join(values.values()) or "none besides dates"
    raise DataError(
        f"{table.path}: which column holds the values is not clear (there are: {there}). "
        "Keep one of them, call it `value`, or call the file like it."
    )


def _layout(table: RawTable, keys: dict[str, str]) -> str:
    first = next(iter(keys.values()))
    if any("Category:" in note for note in table.notes) or "ispartial" in keys.values():
        return "Google Trends"
    if any(table.tickers):
        return "yfinance"
    if first == "observationdate" or (table.frame.columns[0] == "DATE" and len(keys) == 2):
        return "FRED"
    return ""
