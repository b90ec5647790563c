"""The meaning of a table's columns, and the vendor of its layout.

Of a file with several symbols, the columns or rows of the one that the file is called by are taken.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import polars as pl

from lib.data.reading.foreign import first_words
from lib.data.reading.names import (
    DATE_KEYS,
    LETTER_KEYS,
    PRICE_KEYS,
    is_nameless,
    key_of,
    words_for,
)
from lib.data.reading.table import RawTable
from lib.errors import DataError

REQUIRED = ("date", "open", "high", "low", "close")
_TIME = r"^\d{1,2}:\d{2}(:\d{2}(\.\d+)?)?( ?[AP]M)?$|^\d{1,6}$"

_LAYOUTS: tuple[tuple[str, frozenset[str]], ...] = tuple(
    (name, frozenset(keys.split()))
    for name, keys in (
        ("nasdaq.com", "date closelast volume open high low"),
        ("investing.com", "date price open high low vol change%"),
        ("stooq", "ticker per date time open high low close vol openint"),
        ("Tiingo", "date close high low open volume adjclose adjvolume divcash splitfactor"),
        (
            "Alpha Vantage",
            "timestamp open high low close adjustedclose volume dividendamount splitcoefficient",
        ),
        ("Alpha Vantage", "timestamp open high low close volume"),
        ("EODHD", "date open high low close adjustedclose volume"),
        ("Polygon", "ticker volume open close high low windowstart"),
        ("MetaTrader", "date open high low close tickvol vol spread"),
        ("Barchart", "time open high low latest change %change volume"),
        ("yfinance", "date open high low close volume dividends stocksplits"),
        ("Nasdaq Data Link", "date open high low close volume exdividend splitratio adjclose adjvolume"),
        ("Yahoo", "date open high low close adjclose volume"),
    )
)
"""Known layouts by the keys that they have, the more particular first."""


@dataclass(frozen=True)
class Columns:
    """A table's columns under their canonical names.

    Attributes: frame: those that are used, as text or typed. table: what they are of, for places in messages.
        layout: its vendor; empty if it is none in particular. notes: how it was read. warnings: what should
        be checked.
    """

    frame: pl.DataFrame
    table: RawTable
    layout: str
    notes: tuple[str, ...]
    warnings: tuple[str, ...]


def price_columns(table: RawTable, symbol: str) -> Columns:
    """The columns of daily prices.

    Raises:
        DataError: a column is absent, two look like the same, or the file is about other symbols.
    """
    table, notes = _of_one_symbol(table, symbol)
    keys = [key_of(name) for name in table.frame.columns]
    letters = set(LETTER_KEYS) <= set(keys)
    chosen: dict[str, str] = {}
    for column, key in sorted(
        zip(table.frame.columns, keys, strict=True), key=lambda each: is_nameless(each[1])
    ):
        name = _canonical(column, key, symbol, letters)
        if name == "close" and key == "price" and column == table.frame.columns[0]:
            name = "date"  # yfinance writes the dates under the word Price
        if name is None or (name in chosen and is_nameless(key)):
            continue
        chosen[name] = _one_of(table, name, chosen[name], column) if name in chosen else column
    _take_adjusted_only(chosen)
    missing = [name for name in REQUIRED if name not in chosen]
    if "volume" not in chosen and "tick_volume" not in chosen:
        missing.append("volume")
    if missing:
        words = [first_words(re.sub(r"\|\d+$", "", name)) for name in table.frame.columns[:30]]
        there = ", ".join(word or "(no name)" for word in words)
        raise DataError(
            f"{table.path}: no column for {', '.join(missing)}. Its columns: {there}. "
            f"Words that are looked for: {words_for(missing)}. Rename the columns of the file."
        )
    frame = table.frame.select(pl.col(column).alias(name) for name, column in chosen.items())
    frame, lines, warnings = _rows_of(table, frame, symbol)
    if "tick_volume" in frame.columns:
        frame, said = _volume_of_ticks(frame)
        warnings += said
    layout = "yfinance" if any(table.tickers) else _layout(set(keys), letters)
    return Columns(frame, replace(table, lines=lines), layout, (*table.notes, *notes), tuple(warnings))


def _canonical(column: str, key: str, symbol: str, letters: bool) -> str | None:
    """Our name of a column; None if it is not used."""
    if is_nameless(key) or key in DATE_KEYS:
        return "date"
    if letters and key in LETTER_KEYS:
        return LETTER_KEYS[key]
    own = {key, key.removeprefix(key_of(symbol)), key.removesuffix(key_of(symbol))}  # Close_SPY
    return next((name for name, known in PRICE_KEYS.items() if own & set(known)), None)


def _one_of(table: RawTable, name: str, first: str, second: str) -> str:
    """Choice between two columns with one meaning: one of two equal ones, or the date beside its time."""
    frame = table.frame
    if frame[first].equals(frame[second]):
        return first
    if name == "date":
        times = [
            column
            for column in (first, second)
            if key_of(column) == "time" and frame[column].cast(pl.String).str.contains(_TIME).all()
        ]
        if len(times) == 1:
            return second if times == [first] else first
    raise DataError(
        f"{table.path}: columns `{first}` and `{re.sub(r'[|][0-9]+$', '', second)}` both look like {name}. "
        "Delete one of them."
    )


def times_of(table: RawTable) -> pl.Series | None:
    """The column of times of day beside one of dates."""
    keys = {key_of(name): name for name in table.frame.columns}
    if "time" in keys and "date" in keys:
        return table.frame[keys["time"]].cast(pl.String)
    return None


def _take_adjusted_only(chosen: dict[str, str]) -> None:
    """Where only adjusted prices are given, they are the prices."""
    for name in ("open", "high", "low", "close"):
        if name in chosen:
            return
    for name in ("open", "high", "low", "close", "volume"):
        if f"adj_{name}" in chosen:
            chosen[name] = chosen.pop(f"adj_{name}")


def _of_one_symbol(table: RawTable, symbol: str) -> tuple[RawTable, tuple[str, ...]]:
    """The columns of one symbol, where a second header line gives symbols to columns."""
    given = [ticker for ticker in dict.fromkeys(table.tickers[1:]) if ticker]
    if len(given) < 2:
        return table, ()
    own = [ticker for ticker in given if _same_symbol(ticker, symbol)]
    if not own:
        raise DataError(
            f"{table.path}: its columns are of {', '.join(given[:8])} and none is {symbol}. "
            "Save each symbol to a file of its own name."
        )
    kept = [
        column
        for column, ticker in zip(table.frame.columns, table.tickers, strict=True)
        if ticker == own[0] or column == table.frame.columns[0] or not ticker
    ]
    frame = table.frame.select(kept)
    if "|" in "".join(kept):
        frame.columns = [re.sub(r"\|\d+$", "", name) for name in kept]
    return (
        RawTable(table.path, frame, (own[0],), table.lines, table.notes),
        (f"the columns of {own[0]}, of {len(given)} symbols",),
    )


def _rows_of(
    table: RawTable, frame: pl.DataFrame, symbol: str
) -> tuple[pl.DataFrame, Sequence[int], list[str]]:
    """The rows of one symbol, where a column names symbols."""
    lines, warnings = table.lines, []
    if "ticker" in frame.columns:
        named = frame["ticker"].cast(pl.String)
        given = [name for name in named.unique(maintain_order=True) if name]
        own = [name for name in given if _same_symbol(name, symbol)]
        if len(given) > 1:
            if not own:
                raise DataError(
                    f"{table.path}: its rows are of {', '.join(given[:8])} and none of {symbol}. "
                    "Save each symbol to a file of its own name."
                )
            kept = named.is_in(own)
            lines = [line for line, take in zip(lines, kept, strict=False) if take]
            frame = frame.filter(kept)
        elif given and not own:
            warnings.append(f"its rows say that they are of {given[0]}, and the file is called {symbol}")
        frame = frame.drop("ticker")
    else:
        given = [ticker for ticker in dict.fromkeys(table.tickers) if key_of(ticker) not in ("ticker", "")]
        if len(given) == 1 and not _same_symbol(given[0], symbol):
            warnings.append(f"its header says that it is of {given[0]}, and the file is called {symbol}")
    return frame, lines, warnings


def _same_symbol(given: str, symbol: str) -> bool:
    """`SPY.US`, `^SPY`, `SPY_adjclose` and `SPY` are the same."""
    first, second = (re.split(r"[._ :]", re.sub(r"^[\^$]", "", word.upper()))[0] for word in (given, symbol))
    return first == second


def _volume_of_ticks(frame: pl.DataFrame) -> tuple[pl.DataFrame, list[str]]:
    """MetaTrader's number of price changes, where there is no volume."""
    if "volume" in frame.columns:
        real = frame["volume"].cast(pl.String).str.contains("[1-9]").fill_null(False).any()
        if real:
            return frame.drop("tick_volume"), []
        frame = frame.drop("volume")
    return frame.rename({"tick_volume": "volume"}), [
        "its volume is a number of price changes (ticks), not of shares"
    ]


def _layout(keys: set[str], letters: bool) -> str:
    if letters:
        return "Polygon"
    return next((name for name, known in _LAYOUTS if known <= keys and len(keys - known) <= 6), "")
