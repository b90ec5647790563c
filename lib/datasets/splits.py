"""Splits samples by date into training, selection, calibration and test, with no leak across a border.

Validation is divided in two: `selection` (early stopping and every choice) and `calibration`. This module
reads dates only, never prices or channels.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

import polars as pl

from lib.config.data import SplitConfig
from lib.errors import DataError

PARTS = ("train", "selection", "calibration", "test")


@dataclass(frozen=True)
class Part:
    """One part: samples with `first` <= date <= `last` whose label ends early enough before `until`."""

    name: str
    first: date | None
    last: date | None
    until: date | None
    """First date of the next part; None for the last part."""


def parts_of(dates: pl.Series, splits: SplitConfig) -> list[Part]:
    """The four parts, given the dates of all bars (of all symbols; repeats and order do not matter).

    Calibration begins after the first `selection_share` of the bars' dates within validation; it is empty if
    that is all of them.
    Raises DataError if validation has too few dates to be divided.
    """
    validation = dates.filter(
        (dates >= splits.validation_start) & (dates <= splits.validation_end)
    ).unique().sort()  # fmt: skip
    in_selection = round(splits.selection_share * len(validation))
    if splits.selection_share == 1.0 and len(validation):  # nothing is held back: a search calibrates nothing
        calibration_start = splits.test_start
    elif 0 < in_selection < len(validation):
        calibration_start = validation[in_selection]
    else:
        raise DataError(
            f"validation ({splits.validation_start} to {splits.validation_end}) has {len(validation)} bar "
            f"date(s); the bars run {_span(dates)}. Both its parts, selection and calibration, need at least "
            f"one: change the split dates or bring a longer history."
        )
    return [
        Part("train", splits.train_start, splits.train_end, splits.validation_start),
        Part("selection", splits.validation_start, validation[in_selection - 1], calibration_start),
        Part("calibration", calibration_start, splits.validation_end, splits.test_start),
        Part("test", splits.test_start, splits.test_end, None),
    ]


def assign(frame: pl.DataFrame, splits: SplitConfig) -> pl.Series:
    """For each row the name of its part, or null if it belongs to none.

    `frame` has `date` and `label_end` (null: no label, no part). A sample belongs to the part of its own
    date. It is purged if its label ends on or after the first date of the next part, and with an embargo of n
    days also if it ends in the n days before it.
    """
    parts = parts_of(frame["date"], splits)
    embargo = timedelta(days=splits.embargo_days)
    when: pl.Expr = pl.lit(None, pl.String)
    for part in parts:
        inside = pl.col("label_end").is_not_null()
        if part.first is not None:
            inside &= pl.col("date") >= part.first
        if part.last is not None:
            inside &= pl.col("date") <= part.last
        if part.until is not None:
            inside &= pl.col("label_end") < part.until - embargo
        when = pl.when(inside).then(pl.lit(part.name)).otherwise(when)
    return frame.select(part=when).to_series()


def _span(dates: pl.Series) -> str:
    return f"from {dates.min()!s} to {dates.max()!s}"


def check_not_empty(counts: dict[str, int], frame: pl.DataFrame, splits: SplitConfig, need: str) -> None:
    """DataError that names every part (of those counted) without samples, its dates and what the data offer.

    `need` says in words what a sample needs (context, horizon), for the message.
    """
    empty = [part for part in parts_of(frame["date"], splits) if counts.get(part.name) == 0]
    if empty:
        named = "; ".join(f"{p.name} ({p.first or 'start'} to {p.last or 'end'})" for p in empty)
        raise DataError(
            f"no samples in {named}. The bars after warm-up run {_span(frame['date'])}; {need}. "
            f"Windows per part: "
            + ", ".join(f"{name} {count}" for name, count in counts.items())
            + ". Change the split dates, shorten context or horizon, or bring a longer history."
        )
