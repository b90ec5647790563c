"""The evaluations of many runs as tables: what the report reads, and one tidy table of measures for readers.

Made from the contents of metrics.json and daily.parquet; measures nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import polars as pl

from lib.scoring.run_scores import DAILY_SCHEMA

Evaluations = Mapping[str, Mapping[str, Any]]
"""Content of metrics.json by a run's path."""
METRICS_SCHEMA: dict[str, type[pl.DataType]] = {
    "path": pl.String, "split": pl.String, "slice": pl.String, "metric": pl.String,
    "value": pl.Float64, "low": pl.Float64, "high": pl.Float64,
}  # fmt: skip
"""Columns of metrics.parquet: one row per run, split, slice and measure."""
EVALUATIONS_SCHEMA: dict[str, type[pl.DataType]] = {"path": pl.String, "metrics": pl.String}
"""Columns of evaluations.parquet: the whole metrics.json of each run, as JSON."""
DAILIES_SCHEMA: dict[str, type[pl.DataType]] = {"path": pl.String, **DAILY_SCHEMA}
WHOLE = "all"
"""The slice that is no part."""
_SPLITS = {"validation": "selection"}
"""Splits that the table of runs names otherwise."""
_KEYS = ("symbol", "year", "regime")
"""What a slice is of; no measures."""


def metrics_table(evaluated: Evaluations) -> pl.DataFrame:
    """One row per run, split, slice and measure, schema `METRICS_SCHEMA`.

    Slices are `all`, `symbol SPY`, and of the test split `year 2008` and `regime high` (of volatility). `low`
    and `high` are the ends of the interval where a measure has one. What is not a number (dates, flags) or
    could not be computed has no row.
    """
    rows = [row for path, metrics in evaluated.items() for row in _rows(path, metrics)]
    return pl.DataFrame(rows, schema=METRICS_SCHEMA, orient="row")


def _rows(path: str, metrics: Mapping[str, Any]) -> Iterator[tuple[Any, ...]]:
    for split, name, measures in _slices(metrics):
        for metric, value in measures.items():
            end = metric.rpartition("_")
            if metric in _KEYS or (end[2] in ("low", "high") and end[0] in measures) or not _is_number(value):
                continue
            ends = (measures.get(f"{metric}_low"), measures.get(f"{metric}_high"))
            yield (path, split, name, metric, float(value), *ends)


def _slices(metrics: Mapping[str, Any]) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Split, slice and measures."""
    for split, measures in metrics.get("splits", {}).items():
        yield _SPLITS.get(split, split), WHOLE, measures or {}
    for symbol, parts in (metrics.get("by_symbol") or {}).items():
        for split, measures in parts.items():
            yield _SPLITS.get(split, split), f"symbol {symbol}", measures or {}
    for kind in ("year", "regime"):
        for measures in metrics.get(f"by_{kind}") or []:
            yield "test", f"{kind} {measures[kind]}", measures


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def evaluations_table(evaluated: Evaluations) -> pl.DataFrame:
    """The contents of metrics.json, schema `EVALUATIONS_SCHEMA`."""
    rows = [(path, json.dumps(metrics, sort_keys=True)) for path, metrics in evaluated.items()]
    return pl.DataFrame(rows, schema=EVALUATIONS_SCHEMA, orient="row")


def evaluations_of(table: pl.DataFrame) -> dict[str, dict[str, Any]]:
    """The contents back from such a table, by a run's path."""
    return {path: json.loads(metrics) for path, metrics in table.select("path", "metrics").iter_rows()}


def dailies_table(dailies: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    """The tables of single days by a run's path as one, schema `DAILIES_SCHEMA`."""
    empty = pl.DataFrame(schema=DAILIES_SCHEMA)
    named = [frame.select(pl.lit(path).alias("path"), *DAILY_SCHEMA) for path, frame in dailies.items()]
    return pl.concat([empty, *named])


def dailies_of(table: pl.DataFrame) -> dict[str, pl.DataFrame]:
    """The tables of single days back from that one, by a run's path."""
    return {str(path): frame.drop("path") for (path,), frame in table.group_by(["path"], maintain_order=True)}
