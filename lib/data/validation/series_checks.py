"""Validation of series: dates, values, frequency, interpolation, and when each value was public."""

from __future__ import annotations

from datetime import date

import numpy as np
import polars as pl

from lib.config.data import ValidationConfig
from lib.config.series_table import SeriesDefinition
from lib.data.validation.findings import Finding, finding, with_severities
from lib.data.validation.price_checks import dates

_LONGEST = {"daily": 1, "weekly": 7, "monthly": 31}


def validate_series(
    frame: pl.DataFrame,
    name: str,
    definition: SeriesDefinition,
    config: ValidationConfig,
    today: date,
) -> list[Finding]:
    """What is wrong or odd with one series (an empty one is one that no source has: nothing).

    Args:
        frame: columns date, series, value, available_from.
        name: for the findings.
        definition: what it should be like.
        config: thresholds and severities.
        today: nothing may be dated after it.
    """
    if frame.is_empty():
        return []
    findings = [*dates(frame, name, today), *_values(frame, name, definition)]
    if not any(f.severity == "error" for f in findings):
        findings += _rhythm(frame, name, definition, config)
    if definition.revised and (frame["available_from"] - frame["date"]).n_unique() <= 4:
        findings.append(finding("latest revision", name, None, None))
    return with_severities(findings, config.severity)


def frequency_of(frame: pl.DataFrame) -> str:
    """`daily`, `weekly` or `monthly`, by the usual step between dates.

    Args:
        frame: with `date`, sorted.
    """
    if frame.height < 2:
        return "monthly"
    step = float(np.median(np.diff(frame["date"].to_physical().to_numpy())))
    return "daily" if step <= 4 else "weekly" if step <= 10 else "monthly"


def is_interpolated(frame: pl.DataFrame) -> bool:
    """Whether a daily series lies on straight lines between the days of a coarser one.

    Real daily values hardly ever make a second difference of exactly zero; a weekly series that was
    interpolated to days makes it on five or six days of every seven. Runs of one value do not count: a policy
    rate stands still for weeks.
    """
    values = frame["value"].to_numpy()
    if len(values) < 60 or frequency_of(frame) != "daily":
        return False
    first = np.diff(values)
    moving = first[1:] != 0
    straight = np.abs(np.diff(first)) <= 1e-9 * max(float(np.abs(values).max()), 1e-12)
    return bool(moving.sum() >= 30 and straight[moving].mean() > 0.5)


def _values(frame: pl.DataFrame, name: str, definition: SeriesDefinition) -> list[Finding]:
    found = []
    value = pl.col("value")
    for day in frame.filter(value.is_null() | ~value.is_finite())["date"]:
        found.append(finding("missing value", name, day, None))
    for limit, wrong in ((definition.minimum, "<"), (definition.maximum, ">")):
        if limit is None:
            continue
        rows = frame.filter(value < limit if wrong == "<" else value > limit)
        for day, number in rows.select("date", "value").iter_rows():
            found.append(finding("out of range", name, day, number, f"{number:g} {wrong} {limit:g}"))
    early = frame.filter(pl.col("available_from") < pl.col("date"))
    found += [finding("published before its date", name, day, None) for day in early["date"]]
    return found


def _rhythm(
    frame: pl.DataFrame, name: str, definition: SeriesDefinition, config: ValidationConfig
) -> list[Finding]:
    found = []
    frequency = frequency_of(frame)
    if is_interpolated(frame):
        text = (
            "values lie on straight lines between the days of a week or month; bring the weekly or monthly "
            "file itself, an interpolated value knows the next one"
        )
        return [finding("interpolated", name, None, None, text)]
    wanted = definition.frequency
    if frequency not in (("weekly", "monthly") if wanted == "as_is" else (wanted,)):
        said = "weekly or monthly" if wanted == "as_is" else wanted
        found.append(finding("wrong frequency", name, None, None, f"{frequency} values; {said} expected"))
    allowed = config.max_gap_days + _LONGEST[frequency]
    gaps = frame.with_columns(days=pl.col("date").diff().dt.total_days()).filter(pl.col("days") > allowed)
    for day, days in gaps.select("date", "days").iter_rows():
        found.append(finding("gap", name, day, float(days), f"no value for {days} days before"))
    top = float(frame["value"].max() or 0)  # type: ignore[arg-type]
    if definition.group == "trends" and (abs(top - 100) < 1e-9 or abs(top - 1) < 1e-9):
        found.append(finding("rescaled", name, None, top))
    return found
