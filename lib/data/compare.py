"""Two sources about the same symbol or series: where they differ by more than rounding."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from lib.config.data import DataConfig, ValidationConfig
from lib.data.io import read_parquet
from lib.data.sources import open_source
from lib.data.validation.findings import Finding, finding, with_severities
from lib.data.validation.series_checks import frequency_of
from lib.errors import DataError


def compare_origins(
    comparisons: Sequence[Mapping[str, Any]], data: DataConfig, raw: Path, config: ValidationConfig
) -> list[Finding]:
    """Differences between the data of a vintage and the same data elsewhere.

    Args:
        comparisons: each with `kind` (prices or series), `name` (of the raw file), `source` and `label`.
        data: where the sources are.
        raw: folder of the vintage's raw data.
        config: tolerances and severities.
    """
    found: list[Finding] = []
    for each in comparisons:
        source, name, label = open_source(data, each["source"]), each["name"], each["label"]
        ours = read_parquet(raw / each["kind"] / f"{name}.parquet")
        if each["kind"] == "series" and source.missing([label]):
            continue
        try:
            theirs = source.prices(label) if each["kind"] == "prices" else source.series(label)
        except DataError:
            continue  # missing or unusable: nothing to compare with
        other = f"{each['source']} {label}"
        if each["kind"] == "prices":
            found += compare_returns(ours, theirs, name, other, config.compare_tolerance)
        elif ours.height and theirs.height and frequency_of(ours) == frequency_of(theirs):
            found += compare_levels(ours, theirs, name, other, config.compare_tolerance)
    return with_severities(found, config.severity)


def compare_levels(
    ours: pl.DataFrame, theirs: pl.DataFrame, name: str, other: str, tolerance: float
) -> list[Finding]:
    """Days on which two series differ by more than `tolerance` (in units of the series)."""
    both = ours.join(theirs.select("date", other=pl.col("value")), on="date")
    wrong = both.filter((pl.col("value") - pl.col("other")).abs() > tolerance + 1e-9)
    return [
        finding(
            "differs between sources",
            name,
            day,
            there - here,
            f"{here:g} here, {there:g} in {other}",
        )
        for day, here, there in wrong.select("date", "value", "other").iter_rows()
    ]


def compare_returns(
    ours: pl.DataFrame, theirs: pl.DataFrame, name: str, other: str, tolerance: float
) -> list[Finding]:
    """Days on which the returns of two price histories differ by more than `tolerance` / 10.

    Levels may differ by a constant factor (another day of the last adjustment); a change of that factor is a
    seam or a wrong price.
    """
    both = (
        ours.select("date", "close")
        .join(theirs.select("date", other=pl.col("close")), on="date")
        .sort("date")
    )
    ratio = pl.col("close") / pl.col("other")
    steps = both.with_columns(step=ratio / ratio.shift(1) - 1)
    wrong = steps.filter(pl.col("step").abs() > tolerance / 10)
    return [
        finding("differs between sources", name, day, step, f"its return differs by {step:.2%} from {other}")
        for day, step in wrong.select("date", "step").iter_rows()
    ]
