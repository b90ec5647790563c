"""Forecasts of a production model for the newest complete bar of each symbol, or for one of the past.

Every number comes with its bar and the date until which it holds. Fits nothing new: the calibration map came
with the model, and intervals come from the calibration part that was promoted with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from lib.config.base import classes_of, is_binary
from lib.config.workflow import EvaluationConfig
from lib.data.io import read_json
from lib.data.manifest import read_params, verify_checksums
from lib.datasets.windows import newest_samples
from lib.errors import DataError, IntegrityError
from lib.extras.production.promote import (
    CALIBRATION,
    METRICS,
    PLUGIN,
    calibration_part,
    check_plugin,
    read_current,
)
from lib.features.bars import bars_ahead
from lib.models import registry
from lib.scoring.calibration_map import CalibrationMap, map_interval
from lib.scoring.conformal import MINIMUM, class_p_values, return_intervals
from lib.scoring.measures import scores_of, targets_of


def forecast(
    home: Path, dataset: pl.DataFrame, sessions: pl.Series, cfg: EvaluationConfig,
    offered: Mapping[str, Any], on: date | None = None,
) -> pl.DataFrame:  # fmt: skip
    """One row per symbol.

    Args:
        home: folder of a production model; its current version forecasts.
        dataset: a dataset table of the same tier, column and timescale as the model was trained on.
        sessions: of the exchange, past and to come.
        cfg: level of conformal prediction; draws, confidence and seed of the intervals.
        offered: `source` and `features` of the dataset (`lib.study.data_plan.feature_identity`).
        on: forecast as of this day, as if later bars were not there.

    Returns:
        `name, version, symbol, date` (the bar), `until` (date of the bar H ahead, the last that counts),
        `horizon, close, prediction`, the probability of each class, `calibrated_probability` with
        `probability_low` and `probability_high` (binary tasks), `conformal_set` (classes) or `return_low` and
        `return_high`, and `conformal_level`. What does not apply to the task is null.

    Raises:
        IntegrityError: the model's files are not what was promoted, or the dataset is of another source or of
            other versions of the features than the model learned from.
        ModelError: the data have other channels than the model.
        DataError: no symbol has enough bars, or the calendar ends too early.
    """
    record = read_current(home)
    if record is None:
        raise IntegrityError(f"{home}: no production model. Promote one: make promote RUN=results/runs/…")
    folder = home / f"v{record['version']}"
    mismatches = verify_checksums(folder)
    if mismatches:
        lines = "; ".join(f"{m.path}: {m.problem}" for m in mismatches)
        raise IntegrityError(f"{lines}. Promote the run again.")
    _check_offered(record, offered)
    params = read_params(folder)
    run = params["run"]
    samples = newest_samples(dataset, run["task"], run["horizon"], params["context_length"], on)
    if params.get("plugin"):
        check_plugin(folder / PLUGIN, params["plugin_hash"], f"{folder} was promoted with")
        registry.add_plugin(folder / PLUGIN)
    model = registry.get(params["model"]).load(folder / "model")
    forecasts = model.predict(samples).to_frame("forecast").drop("part", "target", "uncertainty")
    closes = dataset.select("date", "symbol", "close")
    until = [bars_ahead(sessions, run["timescale"], day, run["horizon"]) for day in forecasts["date"]]
    table = forecasts.join(closes, on=["date", "symbol"], how="left", maintain_order="left").with_columns(
        pl.lit(record["name"]).alias("name"),
        pl.lit(record["version"], pl.Int64).alias("version"),
        pl.Series("until", until, dtype=pl.Date),
    )
    table = table.with_columns(_uncertainty(folder, forecasts, run["task"], run["horizon"], cfg))
    missing = [column for column in SCHEMA if column not in table.columns]
    own = [column for column in table.columns if column.startswith("probability_") and column not in SCHEMA]
    filled = table.with_columns(pl.lit(None, SCHEMA[column]).alias(column) for column in missing)
    names = list(SCHEMA)
    at = names.index("prediction") + 1
    return filled.select(*names[:at], *own, *names[at:])


def _check_offered(record: Mapping[str, Any], offered: Mapping[str, Any]) -> None:
    learned = record.get("learned_from") or {}
    name = f"{record['name']} v{record['version']}"
    if learned.get("source") != offered["source"]:
        raise IntegrityError(
            f"{name} learned from source {learned.get('source')}, this configuration reads "
            f"{offered['source']}; their prices and adjustments differ. Use its source, or train and promote "
            "again."
        )
    if learned.get("features") != offered["features"]:
        raise IntegrityError(
            f"{name} learned from features {learned.get('features')}, this code makes {offered['features']}: "
            "channels of the same name may mean other numbers. Train and promote again."
        )


SCHEMA: dict[str, type[pl.DataType]] = {
    "name": pl.String, "version": pl.Int64, "symbol": pl.String, "date": pl.Date, "until": pl.Date,
    "horizon": pl.Int64, "close": pl.Float64, "prediction": pl.Float64, "calibrated_probability": pl.Float64,
    "probability_low": pl.Float64, "probability_high": pl.Float64, "conformal_set": pl.String,
    "return_low": pl.Float64, "return_high": pl.Float64, "conformal_level": pl.Float64,
}  # fmt: skip
"""Columns of a forecast; the probability of each class comes after `prediction`."""


def _uncertainty(
    folder: Path, forecasts: pl.DataFrame, task: str, horizon: int, cfg: EvaluationConfig
) -> list[pl.Series]:
    metrics = read_json(folder / METRICS, dict)
    known = calibration_part(folder, metrics.get("primary"))
    scores, past, happened = scores_of(forecasts, task), scores_of(known, task), targets_of(known)
    columns: dict[str, Any] = {}
    if is_binary(task):
        content = read_json(folder / CALIBRATION, dict)
        fitted = CalibrationMap.from_json(content)
        columns["calibrated_probability"] = fitted(scores)
        low, high = map_interval(known, fitted, scores, horizon, cfg)
        columns |= {"probability_low": low, "probability_high": high}
    if happened.size >= MINIMUM:
        columns["conformal_level"] = np.full(len(forecasts), cfg.conformal_level)
        if classes_of(task):
            sets = class_p_values(past, happened, scores, task) >= 1 - cfg.conformal_level
            columns["conformal_set"] = [_words(row, classes_of(task)) for row in sets]
        else:
            ends = return_intervals(past, happened, scores, cfg.conformal_level)
            columns |= {"return_low": ends[:, 0], "return_high": ends[:, 1]}
    return [pl.Series(name, values, dtype=SCHEMA[name]) for name, values in columns.items()]


def _words(members: np.ndarray, classes: tuple[int, ...]) -> str:
    return " ".join(str(label) for label, inside in zip(classes, members, strict=True) if inside) or "none"


def describe(table: pl.DataFrame) -> str:
    """A sentence per symbol: what is forecast, from which bar, for which dates."""
    if table.is_empty():
        raise DataError("no forecast.")
    newest = table["date"].max()
    lines = []
    for row in table.to_dicts():
        shown = [f"{name} {row[name]:.4f}" for name in row if name.startswith("probability_") and
                 name not in SCHEMA]  # fmt: skip
        if row["calibrated_probability"] is not None:
            shown.append(
                f"calibrated {row['calibrated_probability']:.4f} "
                f"({_number(row['probability_low'])} to {_number(row['probability_high'])})"
            )
        if row["return_low"] is not None:
            low, high = row["return_low"], row["return_high"]
            shown.append(f"return {row['prediction']:+.4f} ({low:+.4f} to {high:+.4f})")
        old = f"; its newest bar is older than that of others ({newest!s})" if row["date"] != newest else ""
        lines.append(
            f"{row['symbol']}: from the bar of {row['date']}, for the {row['horizon']} bar(s) until "
            f"{row['until']}: {', '.join(shown)}{old}"
        )
    return "\n".join(lines)


def _number(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.4f}"
