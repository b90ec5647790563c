"""Reads cells of numbers: decimal point or comma, thousands, currency signs, K, M and B.

A file is written in one way: what its prices show holds for its volume, too. Ambiguous numbers are refused.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from lib.data.reading.foreign import first_words
from lib.data.reading.table import RawTable
from lib.errors import DataError

_CURRENCY = r"[$€£¥₹₽]|US\$|USD|EUR|GBP|CHF|JPY"
_BLANKS = r"[\s\u00a0\u2009\u202f'’]"
_MULTIPLES = {"K": 1e3, "M": 1e6, "B": 1e9, "T": 1e12}


def decimal_mark(table: RawTable, columns: Sequence[pl.Series]) -> str:
    """`.` or `,`: how these columns, of one file, write decimals.

    Raises:
        DataError: both are used, or it is ambiguous.
    """
    texts = [column for column in columns if column.dtype == pl.String]
    if all(column.cast(pl.Float64, strict=False).null_count() == column.null_count() for column in texts):
        return "."
    cells = pl.concat([_plain(column) for column in texts]).drop_nulls()
    comma = cells.filter(
        cells.str.contains(r"^[^,]*,(\d{1,2}|\d{4,})$|\..*,|^-?0?,\d|^-?\d{4,},\d|\d\.\d{3}\.")
    )
    point = cells.filter(
        cells.str.contains(r"^[^.]*\.(\d{1,2}|\d{4,})$|,.*\.|^-?0?\.\d|^-?\d{4,}\.\d|\d,\d{3},")
    )
    if len(comma) and len(point):
        raise DataError(
            f"{table.path}: `{point[0]}` has a decimal point and `{comma[0]}` a decimal comma. "
            "Save the file in one of the two."
        )
    if len(comma) or len(point):
        return "," if len(comma) else "."
    unclear = cells.filter(cells.str.contains(r"^-?\d{1,3},\d{3}$"))
    if len(unclear):
        cell = unclear[0]
        raise DataError(
            f"{table.path}: `{cell}` is {cell.replace(',', '')} or {cell.replace(',', '.')}: thousands and "
            "decimals cannot be told apart. Save the file with decimal points."
        )
    return "."


def numbers(table: RawTable, column: pl.Series, decimal: str, days: pl.Series) -> pl.Series:
    """A column as numbers; missing cells stay missing.

    Args:
        table: for the message.
        column: as text, or typed.
        decimal: its decimal mark.
        days: the dates of its rows, for the message.

    Raises:
        DataError: a cell is no number.
    """
    if column.dtype != pl.String:
        if not (column.dtype.is_numeric() or column.dtype == pl.Null):
            raise DataError(
                f"{table.path}: column {column.name} holds {column.dtype}, not numbers. Rename it."
            )
        return column.cast(pl.Float64)
    if decimal == ".":
        found = column.cast(pl.Float64, strict=False)
        if found.null_count() == column.null_count():
            return found
    thousands, mark = (",", r"\.") if decimal == "." else (r"\.", ",")
    plain = _plain(column)
    form = rf"^[-+]?(\d{{1,3}}({thousands}\d{{3}})+|\d+)?({mark}\d*)?([eE][-+]?\d+)?[KMBT]?$"
    text = plain.set(~plain.str.contains(form).fill_null(True), None)
    text = text.str.replace_all(thousands, "").str.replace(mark, ".")
    found = text.str.replace("[KMBT]$", "").cast(pl.Float64, strict=False)
    unit = text.str.extract("([KMBT])$").replace_strict(_MULTIPLES, default=1.0, return_dtype=pl.Float64)
    wrong = found.is_null() & column.is_not_null()
    if wrong.any():
        row = int(wrong.arg_max() or 0)
        why = "a share in percent" if "%" in column[row] else "not a number"
        where = (
            f"{table.path}: {column.name} is `{first_words(column[row])}` on {days[row]} ({table.place(row)})"
        )
        raise DataError(
            f"{where}, which is {why}. Correct the cell, or leave it empty if the value is missing."
        )
    return (found * unit).alias(column.name)


def _plain(column: pl.Series) -> pl.Series:
    """Without currency, blanks and apostrophes; accountants' parentheses as a minus."""
    text = column.str.replace_all("−", "-").str.replace_all(_CURRENCY, "").str.replace_all(_BLANKS, "")
    return text.str.replace(r"^\((.*)\)$", "-$1")
