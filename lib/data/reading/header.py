"""Finds the header among the first lines of a table: the line with most words that name columns.

Symbols over or under the names, as yfinance writes them, belong to it. Knows no files and no delimiters.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lib.data.reading.foreign import first_words
from lib.data.reading.names import column_and_ticker, is_dated, known_names
from lib.errors import DataError

HEAD_LINES = 40
"""Among so many first lines the header is looked for."""
_LABELS = ("ticker", "price", "date", "")


@dataclass(frozen=True)
class Header:
    """Names and symbols of columns, and after how many lines the rows begin."""

    names: list[str]
    tickers: tuple[str, ...]
    begin: int


def header_of(rows: Sequence[Sequence[str]]) -> tuple[Header, list[str]]:
    """The header among the first rows, and what was left out above it, in words."""
    at, notes = _best(rows), []
    names = [cell.strip() for cell in rows[at]]
    while names and not names[-1]:
        names.pop()  # a delimiter too many
    width = len(names)
    above = [row for row in rows[:at] if any(cell.strip() for cell in row)]
    tickers = _tickers(above[-1], width) if above else ()
    if above[: -1 if tickers else None]:
        notes.append(f"left out above the table: `{first_words(' '.join(above[0]))}`")
    begin = at + 1
    for row in rows[begin : begin + 2]:
        if not _is_label(row, width):
            break
        tickers = tickers or _tickers(row, width)
        begin += 1
    named = [column_and_ticker(name) for name in names]
    if not tickers and any(ticker for _, ticker in named):
        tickers = tuple(ticker for _, ticker in named)
    return Header(unique([name for name, _ in named]), tickers, begin), notes


def refuse_headless(path: Path, text: str, split: dict[str, list[list[str]]]) -> None:
    """Refuse a text no line of which names columns: either no table, or one without a header.

    Args:
        path: for the message.
        text: all of it.
        split: its first lines, split by each delimiter.

    Raises:
        DataError: what it is instead. A table of two columns and more with words above is left to others.
    """
    first = next((line for line in text.splitlines() if line.strip()), "")
    if not first:
        raise DataError(f"{path}: the file is empty: it holds blank lines only. Download it again.")
    widest = max((next((row for row in rows if row), []) for rows in split.values()), key=len)
    if len(widest) > 1 and any(is_dated(cell) for cell in widest):
        raise DataError(
            f"{path}: no header: its first line is `{first_words(first)}`. "
            "Put a line like Date,Open,High,Low,Close,Volume above it."
        )
    if len(widest) < 2:
        raise DataError(
            f"{path}: this is no table but a text or an error page: `{first_words(text)}`. Download it again."
        )


def _best(rows: Sequence[Sequence[str]]) -> int:
    """The first of the rows that have most names of columns."""
    scores = [known_names(row) for row in rows[:HEAD_LINES]]
    return scores.index(max(scores)) if scores else 0


def _is_label(row: Sequence[str], width: int) -> bool:
    """A further header line, which repeats the symbol or the names."""
    first = row[0].strip().lower() if row else ""
    others = [cell.strip() for cell in row[1:]]
    return (
        len(row) <= width + 1
        and first in _LABELS
        and (bool(first) or any(others))
        and not any(re.search(r"^[-+$]?[\d.,]+$", cell) for cell in others)
        and not is_dated(first)
    )


def _tickers(row: Sequence[str], width: int) -> tuple[str, ...]:
    """The symbols over or under the names of a header; nothing if the row is another one."""
    cells = [cell.strip() for cell in row]
    if len(cells) < 2 or len(cells) > width or cells[0].lower() not in _LABELS or known_names(cells[1:]):
        return ()
    return tuple(cells + [""] * (width - len(cells))) if any(cells[1:]) else ()


def unique(names: Sequence[str]) -> list[str]:
    """Names in which none occurs twice; a repeated one gets its place behind a bar."""
    seen: set[str] = set()
    found = []
    for place, name in enumerate(names):
        found.append(f"{name}|{place}" if name in seen else name)
        seen.add(found[-1])
    return found
