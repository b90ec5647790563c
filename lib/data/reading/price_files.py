"""A file of daily prices in the columns that every source gives."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from lib.data.reading.adjusted import with_adjustment, with_split_volume
from lib.data.reading.columns import price_columns, times_of
from lib.data.reading.dates import days_of
from lib.data.reading.numbers import decimal_mark, numbers
from lib.data.reading.table import read_table

Remark = tuple[str, str]
"""A rule of the findings and a message: a remark on how data were read."""
_PRICES = ("open", "high", "low", "close", "adj_close")
_USED = (*_PRICES, "volume", "adj_volume")
_AMERICAN = ("nasdaq.com",)


@dataclass(frozen=True)
class FileContent:
    """A table, and remarks on how it was read."""

    frame: pl.DataFrame
    remarks: tuple[Remark, ...]


def read_prices(path: Path, symbol: str) -> FileContent:
    """Daily prices of one symbol: date, symbol, open, high, low, close, volume, adjustment; not validated.

    A newest-first table is reversed; any other order is left for validation to judge.

    Raises:
        DataError: the file is no table of daily prices, or can be read in more than one way.
    """
    table = read_table(path)
    found = price_columns(table, symbol)
    days = days_of(found.table, found.frame["date"], times_of(table), found.layout in _AMERICAN)
    texts = [found.frame[name] for name in _PRICES if name in found.frame.columns]
    mark = decimal_mark(found.table, texts)
    frame = pl.DataFrame(
        [days.days]
        + [
            numbers(found.table, found.frame[name], mark, days.days)
            for name in _USED
            if name in found.frame.columns
        ]
    )
    frame, said = oldest_first(frame)
    frame, of_volume = with_split_volume(frame)
    frame = with_adjustment(frame.with_columns(symbol=pl.lit(symbol)))
    notes = [*found.notes, days.note, "decimal commas" if mark == "," else "", said, *of_volume]
    return FileContent(frame, remarks_of(found.layout, notes, found.warnings))


def oldest_first(frame: pl.DataFrame) -> tuple[pl.DataFrame, str]:
    """A table with a newest-first one reversed, and a remark about it."""
    newest_first = frame.height > 1 and frame["date"].is_sorted(descending=True)
    return (frame.reverse(), "newest first") if newest_first else (frame, "")


def remarks_of(layout: str, notes: list[str], warnings: tuple[str, ...] = ()) -> tuple[Remark, ...]:
    """Remarks on how a file was read; none for a plain one."""
    said = "; ".join(note for note in notes if note)
    read = [("read as", f"read as: {layout or 'a table'}" + (f" ({said})" if said else ""))]
    return tuple((read if layout or said else []) + [("doubtful file", text) for text in warnings])
