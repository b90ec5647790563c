"""Reads cells of dates, in the days of the exchange.

Dates of any order and length, months by name, moments (of which the day counts), Unix times and Excel's
numbers. Where several readings give a date for every row, order or the present day must rule out all but one;
otherwise the file is refused with both.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

import polars as pl

from lib.data.reading.foreign import first_words
from lib.data.reading.table import RawTable
from lib.errors import DataError

EXCHANGE_ZONE = "America/New_York"
FIRST_YEAR = 1900
_TIME = r"[T ,]+\d{1,2}:\d{2}(:\d{2}(\.\d+)?)?\s*([AaPp][Mm])?\s*(Z|UTC|GMT|E[SD]?T|[+-]\d{2}:?\d{2})?$"
_WEEKDAY = r"(?i)^(mon|tue|wed|thu|fri|sat|sun)[a-z]*[.,]?\s+"
_UNITS = (
    (10, "seconds", 1),
    (13, "milliseconds", 1_000),
    (16, "microseconds", 1_000_000),
    (19, "nanoseconds", 10**9),
)
_SHAPES: tuple[tuple[str, tuple[str, ...]], ...] = (
    (r"^\d{4}-\d{1,2}-\d{1,2}$", ("%Y-%m-%d",)),
    (r"^\d{4}-[A-Za-z]{3,9}-\d{1,2}$", ("%Y-%B-%d",)),
    (r"^\d{1,2}-\d{1,2}-\d{4}$", ("%m-%d-%Y", "%d-%m-%Y")),
    (r"^\d{1,2}-\d{1,2}-\d{2}$", ("%m-%d-%y", "%d-%m-%y", "%y-%m-%d")),
    (r"^\d{1,2}-[A-Za-z]{3,9}-\d{4}$", ("%d-%B-%Y",)),
    (r"^[A-Za-z]{3,9}-\d{1,2}-\d{4}$", ("%B-%d-%Y",)),
    (r"^\d{1,2}-[A-Za-z]{3,9}-\d{2}$", ("%d-%B-%y",)),
    (r"^[A-Za-z]{3,9}-\d{1,2}-\d{2}$", ("%B-%d-%y",)),
    (r"^\d{4}-\d{1,2}$", ("%Y-%m-%d",)),
    (r"^[A-Za-z]{3,9}-\d{4}$", ("%B-%Y-%d",)),
    (r"^\d{8}$", ("%Y%m%d",)),
)
"""How dates look once all their marks are hyphens, and what they may mean."""
_OF_MONTHS = (r"^\d{4}-\d{1,2}$", r"^[A-Za-z]{3,9}-\d{4}$")
_EXCEL_EPOCH = (date(1970, 1, 1) - date(1899, 12, 30)).days
"""Excel's number of the day from which ours are counted."""


@dataclass(frozen=True)
class Days:
    """Dates of rows, and how they were read if not as 2024-01-31."""

    days: pl.Series
    note: str = ""


def days_of(
    table: RawTable, column: pl.Series, times: pl.Series | None = None, american: bool = False
) -> Days:
    """Dates of a column.

    Args:
        table: for the message.
        column: as text, or typed.
        times: of day, from another column.
        american: the month is known to stand first.

    Raises:
        DataError: a cell is no date, day and month are ambiguous, or several moments lie on one day.
    """
    if column.dtype == pl.Date:
        return Days(column.alias("date"))
    if column.dtype.is_temporal():
        days = column.dt.date().alias("date")
        _refuse_intraday(table, days, column.cast(pl.String))
        return Days(days)
    if column.dtype != pl.String:
        column = column.cast(pl.Int64, strict=False).cast(pl.String)
    iso = column.str.to_date("%Y-%m-%d", strict=False) if _all(column, r"^\d{4}-\d{2}-\d{2}$") else None
    if iso is not None and iso.null_count() == column.null_count():
        found = Days(iso.alias("date"))
    elif _all(column, r"^-?\d+(\.\d+)?$") and not _all(column, r"^\d{8}$"):
        found = _counted(table, column)
    else:
        found = _written(table, column, american)
    if times is not None:
        _refuse_intraday(table, found.days, times)
    return found


def _all(column: pl.Series, pattern: str) -> bool:
    return bool(column.str.contains(pattern).fill_null(True).all())


def _written(table: RawTable, column: pl.Series, american: bool) -> Days:
    """Dates in words and figures."""
    bare = column.str.replace(_WEEKDAY, "").str.replace(_TIME, "")
    if not bare.equals(column):
        moments = column.str.extract(f"({_TIME})")
    plain = bare.str.strip_chars().str.replace_all(r"[/., ]+", "-").str.replace(r"(?i)sept(-|$)", "Sep$1")
    plain = plain.str.replace(r"(\d)(st|nd|rd|th)(-|$)", "$1$3").str.strip_chars("-")
    shape, formats = max(_SHAPES, key=lambda each: plain.str.contains(each[0]).sum())
    fits = plain.set(~plain.str.contains(shape).fill_null(True), None)
    if shape in _OF_MONTHS:
        fits = fits + "-01"
    read = {form: _parsed(fits, form) for form in formats}
    whole = {form: days for form, days in read.items() if days.null_count() == column.null_count()}
    if not whole:
        best = min(read.values(), key=lambda days: days.null_count())
        row = int((best.is_null() & column.is_not_null()).arg_max() or 0)
        cell = first_words(column[row])
        raise DataError(
            f"{table.path}: `{cell}` in {table.place(row)} is not a date like 2024-01-31, or not of "
            f"the same form as `{_example(column)}`. Write all dates in one form."
        )
    form, days = _only(table, column, whole, american)
    if not bare.equals(column):
        _refuse_intraday(table, days, moments)
    note = "" if form == "%Y-%m-%d" else f"dates like {_example(column)} are {days.drop_nulls()[0]}"
    return Days(days.alias("date"), note)


def _parsed(text: pl.Series, form: str) -> pl.Series:
    """Dates by a form; a year of two digits is the latest that is not to come."""
    days = text.str.to_date(form.replace("%y", "%Y"), strict=False)
    if "%y" not in form:
        return days
    now = date.today()
    frame = days.to_frame("day").select(
        pl.col("day").dt.offset_by(
            pl.when(pl.col("day").dt.year() <= now.year % 100)
            .then(pl.lit("2000y"))
            .otherwise(pl.lit("1900y"))
        )
    )
    return frame["day"]


def _only(
    table: RawTable, column: pl.Series, whole: dict[str, pl.Series], american: bool
) -> tuple[str, pl.Series]:
    """The one reading that is left when impossible ones are ruled out."""
    if american and (form := next((f for f in whole if f.startswith("%m")), None)):
        return form, whole[form]
    rules: tuple[Callable[[pl.Series], bool], ...] = (
        lambda days: bool((days <= date.today()).fill_null(True).all()),
        lambda days: bool((days >= date(FIRST_YEAR, 1, 1)).fill_null(True).all()),
        lambda days: days.is_sorted() or days.is_sorted(descending=True),
    )
    left = whole
    for rule in rules:
        left = {form: days for form, days in left.items() if rule(days)} or left
    first = next(iter(left))
    others = [form for form in left if not left[form].equals(left[first])]
    if others:
        differs = (left[first] != left[others[0]]).fill_null(False)
        row = int(differs.arg_max() or 0)
        one, other = left[first][row], left[others[0]][row]
        raise DataError(
            f"{table.path}: `{column[row]}` in {table.place(row)} is {one} or {other}: day and month cannot "
            "be told apart in this file. Write dates like 2024-01-31."
        )
    return first, left[first]


def _counted(table: RawTable, column: pl.Series) -> Days:
    """Unix times in any unit, and the numbers of days that Excel writes."""
    values = column.cast(pl.Float64)
    top = float(values.abs().max() or 0)  # type: ignore[arg-type]
    if float(values.min() or 0) >= 10_000 and top < 80_000:  # type: ignore[arg-type]
        days = (values.floor().cast(pl.Int32) - _EXCEL_EPOCH).cast(pl.Date).alias("date")
        _refuse_intraday(table, days, (values - values.floor()).cast(pl.String))
        return Days(days, f"Excel's numbers of days ({_example(column)} is {days.drop_nulls()[0]})")
    for digits, unit, per_second in _UNITS:
        if 8 <= len(str(int(top))) - (digits - 10) <= 10 and len(str(int(top))) <= digits:
            whole = column.str.replace(r"\..*$", "").cast(pl.Int64) // per_second
            moments = pl.from_epoch(whole, time_unit="s").dt.replace_time_zone("UTC")
            days = _exchange_days(table, moments)
            return Days(days, f"Unix times in {unit} ({_example(column)} is {days.drop_nulls()[0]})")
    raise DataError(
        f"{table.path}: `{_example(column)}` in {table.place(0)} is not a date like 2024-01-31, nor a Unix "
        "time. Write dates like 2024-01-31."
    )


def _exchange_days(table: RawTable, moments: pl.Series) -> pl.Series:
    """Days of moments: midnights of UTC are days themselves, anything else is a time at the exchange."""
    midnight = (moments.dt.epoch("s") % 86_400 == 0).fill_null(True).all()
    local = moments if midnight else moments.dt.convert_time_zone(EXCHANGE_ZONE)
    days = local.dt.date().alias("date")
    _refuse_intraday(table, days, local.dt.strftime("%H:%M:%S"))
    return days


def _refuse_intraday(table: RawTable, days: pl.Series, times: pl.Series) -> None:
    """Refuse several moments of one day."""
    if days.n_unique() == len(days):
        return
    both = pl.DataFrame({"day": days, "time": times}).group_by("day").agg(pl.col("time").n_unique())
    several = both.filter(pl.col("time") > 1).sort("day")
    if several.height:
        raise DataError(
            f"{table.path}: {several['day'][0]} has {several['time'][0]} rows at different times: these are "
            "intraday bars. Daily bars are needed: download those, one row per day."
        )


def _example(column: pl.Series) -> str:
    return first_words(str(column.drop_nulls()[0]))
