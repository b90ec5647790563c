"""The measures of one run, from its predictions alone: the content of metrics.json.

The result depends only on predictions, prices, parameters and the evaluation settings; it holds no clock and
no timing, so a killed and resumed run writes the same bytes. Compares no runs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import polars as pl

from lib.config.base import is_binary, is_ternary
from lib.config.workflow import EvaluationConfig
from lib.errors import DataError
from lib.inference.bootstrap import index_dates
from lib.metrics import ternary
from lib.metrics.calibration_error import reliability_bins
from lib.scoring.alarm import too_good
from lib.scoring.backtest import trade
from lib.scoring.calibration import calibrate
from lib.scoring.conformal import conformal
from lib.scoring.json_values import plain
from lib.scoring.market import volatility_regimes
from lib.scoring.measures import (
    loss_per_sample,
    measures_by_regime,
    measures_by_symbol,
    measures_by_year,
    scores_of,
    split_metrics,
    targets_of,
)

SPLITS = ("validation", "calibration", "test")

DAILY_SCHEMA: dict[str, type[pl.DataType]] = {
    "date": pl.Date, "symbol": pl.String, "target": pl.Float64, "score": pl.Float64, "loss": pl.Float64,
    "covered": pl.Boolean, "width": pl.Float64, "position": pl.Float64, "hold_return": pl.Float64,
    "return_gross": pl.Float64, "return_net": pl.Float64, "equity": pl.Float64, "hold_equity": pl.Float64,
    "drawdown": pl.Float64,
}  # fmt: skip
"""Columns of daily.parquet: one row per test sample of the primary symbol."""


@dataclass(frozen=True)
class RunEvaluation:
    """Result of one run's evaluation."""

    metrics: dict[str, Any]
    """The content of metrics.json; only plain JSON values."""
    daily: pl.DataFrame
    """The content of daily.parquet, schema `DAILY_SCHEMA`."""


def evaluate_run(
    validation: pl.DataFrame,
    test: pl.DataFrame,
    params: Mapping[str, Any],
    provenance: Mapping[str, Any],
    cfg: EvaluationConfig,
    primary: str | None = None,
    prices: pl.DataFrame | None = None,
    history: pl.DataFrame | None = None,
) -> RunEvaluation:
    """All measures of one run.

    Args:
        validation: predictions of validation, `part` being `selection` or `calibration`.
        test: predictions of the test set.
        params: its resolved parameters (`run`, `training_class_shares`, `training_shares_by_symbol`, `splits`
            are used).
        provenance: its provenance (`parameters`, `fit` are used).
        cfg: draws, confidence and seed of the intervals, level of conformal prediction, costs of trading.
        primary: label of the symbol whose windows give the measures; the others are in `by_symbol`. None: all
            symbols together. Predictions of a single other symbol (a synthetic market) are measured on that
            symbol.
        prices: `date, symbol, open, close` of its dataset, for trading and regimes; None leaves those out.
        history: its losses by validation, for the gap between training and validation.
    """
    run = params["run"]
    task, horizon = str(run["task"]), int(run["horizon"])
    parts = {
        "validation": validation.filter(pl.col("part") == "selection"),
        "calibration": validation.filter(pl.col("part") == "calibration"),
        "test": test,
    }
    symbols = {symbol for frame in parts.values() for symbol in frame["symbol"].unique()}
    chosen = primary if primary in symbols else None
    if primary is not None and chosen is None and len(symbols) > 1:
        raise DataError(
            f"the predictions are of {', '.join(sorted(symbols))}, and none of {primary}, the symbol that "
            "gives the measures: name one of them as `primary` of the data."
        )
    main = {
        name: (frame if chosen is None else frame.filter(pl.col("symbol") == chosen)).sort("date", "symbol")
        for name, frame in parts.items()
    }
    shares = training_shares(params, chosen)
    rate = None if shares is None else shares if is_ternary(task) else shares[-1]
    splits = {name: split_metrics(frame, task, horizon, cfg, rate) for name, frame in main.items()}
    minimum = int((params.get("splits") or {}).get("minimum_class_count", 20))
    intervals, covered = conformal(main["calibration"], main["test"], task, horizon, cfg)
    trading, traded = _trading(main["test"], prices, task, horizon, cfg)
    regimes = None if prices is None else volatility_regimes(prices, _train_end(params))
    alarm = too_good(splits, task, cfg.too_good, minimum)
    metrics: dict[str, Any] = plain(
        {
            "run": run,
            "parameters": provenance.get("parameters") or {},
            "primary": chosen,
            "training_shares": shares,
            "splits": splits,
            "by_symbol": measures_by_symbol(parts, task),
            "by_year": measures_by_year(main["test"], task),
            "by_regime": measures_by_regime(main["test"], regimes, task),
            "reliability": {name: _reliability(main[name], task) for name in ("calibration", "test")},
            "calibration": _calibration(main, task, horizon),
            "conformal": intervals,
            "trading": trading,
            "fit": fit_facts(provenance, history),
            "uncertainty": cfg.model_dump(),
            "too_good": alarm is not None,
            "warnings": [
                *([alarm] if alarm else []),
                *(text for name in SPLITS for text in _alarms(name, splits[name], main[name], minimum)),
            ],
        }
    )
    return RunEvaluation(metrics, _daily(main["test"], task, covered, traded))


def training_shares(params: Mapping[str, Any], symbol: str | None) -> list[float] | None:
    """Share of each class in training, for the measured symbol if training held it; None for regression.

    Other symbols give no base rate for this one: against theirs, any model that recognises the symbol would
    seem to have learned something.
    """
    by_symbol = params.get("training_shares_by_symbol") or {}
    shares: list[float] | None = by_symbol.get(symbol) or params.get("training_class_shares")
    return shares


def fit_facts(provenance: Mapping[str, Any], history: pl.DataFrame | None) -> dict[str, Any]:
    """Steps, and the losses at the best step: how far training is ahead of validation.

    The training loss is the mean since the validation before, while the weights change and dropout is on, so
    it lies above the loss of the final fit: a gap of 0 does not prove that nothing was memorised.
    """
    fit = provenance.get("fit") or {}
    out = {name: fit.get(name) for name in ("best_step", "steps", "stopped_early")}
    out |= dict.fromkeys(("best_train_loss", "best_validation_loss", "train_gap"))
    if history is None or history.height == 0 or history["selection_loss"].is_null().all():
        return out
    best = history.filter(pl.col("selection_loss").is_finite()).sort("selection_loss", "step")[:1]
    if best.height == 0:
        return out
    train, held = best["train_loss"][0], best["validation_loss"][0]
    out["best_step"] = out["best_step"] or best["step"][0]
    return out | {
        "best_train_loss": train,
        "best_validation_loss": held,
        "train_gap": None if train is None else held - train,
    }


def _train_end(params: Mapping[str, Any]) -> date | None:
    end = (params.get("splits") or {}).get("train_end")
    return date.fromisoformat(str(end)) if end else None


def _reliability(frame: pl.DataFrame, task: str) -> list[dict[str, float | int]]:
    target, score = targets_of(frame), scores_of(frame, task)
    if is_ternary(task):  # of class +1
        return reliability_bins((target == 1).astype(np.float64), score[:, 2])
    return reliability_bins(target, score) if is_binary(task) else []


def _calibration(main: Mapping[str, pl.DataFrame], task: str, horizon: int) -> dict[str, Any] | None:
    if not is_binary(task) or main["test"].height == 0:
        return None
    frame = main["calibration"]
    _, index = index_dates(frame["date"].to_numpy())
    new = targets_of(main["test"]), scores_of(main["test"], task)
    return calibrate(targets_of(frame), scores_of(frame, task), index, horizon, new)


def _trading(
    test: pl.DataFrame, prices: pl.DataFrame | None, task: str, horizon: int, cfg: EvaluationConfig
) -> tuple[dict[str, Any], pl.DataFrame | None]:
    if test.height == 0 or not np.isfinite(scores_of(test, task)).all():
        return {"positions": False, "reason": "No position: there is no finite test forecast."}, None
    if test["symbol"].n_unique() > 1:
        return {"positions": False, "reason": "No position: no primary symbol among several."}, None
    return trade(test, prices, task, horizon, cfg)


def _daily(
    test: pl.DataFrame, task: str, covered: pl.DataFrame | None, traded: pl.DataFrame | None
) -> pl.DataFrame:
    test = test.unique(["date", "symbol"], keep="first", maintain_order=True)
    target, score = targets_of(test), scores_of(test, task)
    daily = test.select(pl.col("date").cast(pl.Date), "symbol").with_columns(
        target=pl.Series(target),
        score=pl.Series(ternary.signed(score) if is_ternary(task) else score),
        loss=pl.Series(loss_per_sample(target, score, task)),
    )
    for more in (covered, traded):
        if more is not None:
            once = more.unique(["date", "symbol"], keep="first")
            daily = daily.join(once, on=["date", "symbol"], how="left", maintain_order="left")
    missing = [name for name in DAILY_SCHEMA if name not in daily.columns]
    return daily.with_columns(pl.lit(None).alias(name) for name in missing).select(
        pl.col(name).cast(kind) for name, kind in DAILY_SCHEMA.items()
    )


def _alarms(
    name: str, measures: Mapping[str, Any], frame: pl.DataFrame, minimum_class_count: int
) -> list[str]:
    """Warnings about the measures of a split, one sentence each."""
    n = measures["n"]
    if n == 0:
        return [f"{name}: no samples."]
    alarms = []
    if (repeated := n - frame.unique(["date", "symbol"]).height) > 0:
        alarms.append(f"{name}: {repeated} samples repeat a date and symbol.")
    if measures["n_invalid"]:
        alarms.append(
            f"{name}: {measures['n_invalid']} of {n} predictions are not finite; nothing was measured."
        )
    if "base_rate" in measures:
        counts = frame["target"].value_counts()["count"]
        fewest = 0 if len(counts) == 1 else int(counts.min())  # type: ignore[arg-type]
        if fewest == 0:
            alarms.append(f"{name}: one class only; AUC is undefined.")
        elif fewest < minimum_class_count:
            alarms.append(
                f"{name}: only {fewest} samples of the rarer class (fewer than {minimum_class_count})."
            )
        if measures["zero_recall"]:
            alarms.append(f"{name}: recall is 0; not one sample of a class was found.")
    if measures["collapsed"]:
        low, high = measures["prediction_min"], measures["prediction_max"]
        alarms.append(f"{name}: predictions have collapsed to the range {low:.4g} to {high:.4g}.")
    if measures["block_length"] and measures.get("mse_low", measures.get("log_loss_low")) is None:
        alarms.append(f"{name}: too few dates for intervals (blocks of {measures['block_length']} bars).")
    return alarms
