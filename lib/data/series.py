"""Series from their sources to one form: spliced or subtracted, with the day each value was public."""

from __future__ import annotations

import calendar
from collections.abc import Sequence
from datetime import date

import polars as pl

from lib.config.data import DataConfig
from lib.config.series_table import Combination, Publication, SeriesDefinition
from lib.data.reading.price_files import Remark
from lib.data.sources import open_source
from lib.data.validation.series_checks import frequency_of
from lib.errors import DataError

SERIES_SCHEMA: dict[str, type[pl.DataType]] = {
    "date": pl.Date,
    "series": pl.String,
    "value": pl.Float64,
    "available_from": pl.Date,
}


def empty_series() -> pl.DataFrame:
    """The table of an optional series that no source has."""
    return pl.DataFrame(schema=SERIES_SCHEMA)


def publish(observations: pl.DataFrame, name: str, definition: SeriesDefinition) -> pl.DataFrame:
    """Observations in the columns of `SERIES_SCHEMA`, each with the first day at whose close it may be used.

    Args:
        observations: date, value and available_from; where the last is null, the definition's rule decides.
        name: our name of the series.
        definition: the rule.
    """
    frequency = frequency_of(observations)
    rule = [available_from(day, definition.publication, frequency) for day in observations["date"]]
    known = observations.with_columns(rule=pl.Series(rule, dtype=pl.Date))
    return known.select(
        "date",
        pl.lit(name).alias("series"),
        "value",
        pl.coalesce("available_from", "rule").alias("available_from"),
    )


def available_from(day: date | None, publication: Publication, frequency: str) -> date | None:
    """First day at whose close a value dated `day` may be used, by a publication rule."""
    if day is None:
        return None
    start = day
    if publication.period == "own":
        start = _day_after_period(day, frequency)
    if not publication.business_days:
        return date.fromordinal(start.toordinal() + publication.days)
    left, current = publication.days, start
    while left:
        current = date.fromordinal(current.toordinal() + 1)
        left -= current.weekday() < 5
    return current


def _day_after_period(day: date, frequency: str) -> date:
    if frequency == "monthly":
        last = calendar.monthrange(day.year, day.month)[1]
        return date.fromordinal(date(day.year, day.month, last).toordinal() + 1)
    return date.fromordinal(day.toordinal() + (7 if frequency == "weekly" else 1))


def fetch_series(
    name: str,
    definition: SeriesDefinition,
    candidates: Sequence[tuple[str, str]],
    data: DataConfig,
    optional: bool,
) -> tuple[pl.DataFrame, tuple[Remark, ...]]:
    """One series from the first of its origins that has it, in the columns of `SERIES_SCHEMA`, and remarks.

    Args:
        name: our own.
        definition: its publication rule, and whether it is revised.
        candidates: (source, the source's name), preferred first.
        data: where the sources are.
        optional: give an empty table if no source has it, instead of an error.

    Raises:
        DataError: no source has it, or one that has it does not answer.
    """
    tried = []
    for source_name, label in candidates:
        source = open_source(data, source_name)
        if source.missing([label]):
            tried.append(f"{source_name} has no {label}")
            continue
        found = source.series(label, first_releases=definition.revised)
        return publish(found, name, definition), source.remarks(label)
    if optional:
        return empty_series(), ()
    where = "; ".join(tried) or f"none of the sources {', '.join(data.series_sources) or '(none)'} knows it"
    raise DataError(f"series {name} ({definition.title}): {where}. See config/data/series.yaml.")


def combine_files(
    first: pl.DataFrame, second: pl.DataFrame, name: str, combination: Combination
) -> pl.DataFrame:
    """`combine`, or an empty table if a part is empty."""
    if first.is_empty() or second.is_empty():
        return empty_series()
    return combine(first, second, name, combination)


def combine(first: pl.DataFrame, second: pl.DataFrame, name: str, combination: Combination) -> pl.DataFrame:
    """A series made of two others; a value is public when the later of its parts is.

    Args:
        first: in the columns of `SERIES_SCHEMA`.
        second: likewise.
        name: our name of the new series.
        combination: how.
    """
    if combination.how == "splice":
        before = first.filter(pl.col("date") <= combination.at)
        after = second.filter(pl.col("date") > combination.at)
        joined = pl.concat([before, after.with_columns(pl.col("value") + combination.spread)])
    else:
        joined = first.join(second, on="date", suffix="_of_second").with_columns(
            pl.col("value") - pl.col("value_of_second"),
            available_from=pl.max_horizontal("available_from", "available_from_of_second"),
        )
    return joined.with_columns(series=pl.lit(name)).select(*SERIES_SCHEMA).sort("date")
