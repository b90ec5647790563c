"""The measures of one run, from its predictions alone: the content of metrics.json.

The result depends on nothing but predictions, parameters and the evaluation settings; it holds no clock and
no timing, so a killed and resumed run writes the same bytes. Comparing runs is done elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl

from lib.config.base import is_binary
from lib.config.workflow import EvaluationConfig
from lib.evaluation.plain import plain
from lib.evaluation.uncertainty import (
    Ints,
    auc_draws,
    block_length,
    enough_blocks,
    index_dates,
    mean_draws,
    percentile_interval,
    r2_draws,
    stationary_weights,
    sum_by_date,
)
from lib.metrics.classification import Floats, Metric, classification_metrics, log_loss_per_sample
from lib.metrics.regression import regression_metrics, squared_error_per_sample

SPLITS = ("validation", "calibration", "test")
BINARY_INTERVALS = ("auc", "log_loss", "brier")
REGRESSION_INTERVALS = ("mse", "mae", "r2")
_RELIABILITY_BINS = 10


def scores_of(frame: pl.DataFrame, task: str) -> Floats:
    """What a run is judged by: the probability of class 1, or the predicted return; (n,), NaN if absent."""
    column = "prediction"
    if (
        is_binary(task)
        and "probability_1" in frame.columns
        and frame["probability_1"].null_count() < frame.height
    ):
        column = "probability_1"
    return frame[column].cast(pl.Float64).fill_null(float("nan")).to_numpy()


def loss_per_sample(target: Floats, score: Floats, task: str) -> Floats:
    """The primary measure per sample: log loss in nats, or squared error for regression."""
    return log_loss_per_sample(target, score) if is_binary(task) else squared_error_per_sample(target, score)


def primary_metric(task: str) -> str:
    """Name of the primary measure of a task."""
    return "log_loss" if is_binary(task) else "mse"


def split_metrics(
    frame: pl.DataFrame, task: str, horizon: int, cfg: EvaluationConfig, reference_rate: float | None
) -> dict[str, Any]:
    """All measures of one split, with intervals.

    Args:
        frame: predictions of the split (columns `date, target, prediction`, and `probability_1` if binary).
        task: a binary task or `regression`.
        horizon: bars that a label looks ahead; blocks are at least that long.
        reference_rate: share of class 1 in training, for the log loss of always saying just that.

    Returns:
        The measures of `lib.metrics`, `<measure>_low` and `<measure>_high` for the principal ones (None where
        the split is shorter than two blocks or a measure is undefined), `effective_n` (dates divided by the
        horizon: overlapping labels repeat each other), `block_length`, `first` and `last` date.
    """
    target = frame["target"].cast(pl.Float64).fill_null(float("nan")).to_numpy()
    score = scores_of(frame, task)
    binary = is_binary(task)
    out: dict[str, Any] = dict(
        classification_metrics(target, score, reference_rate) if binary else regression_metrics(target, score)
    )
    names = BINARY_INTERVALS if binary else REGRESSION_INTERVALS
    out |= {f"{name}_{end}": None for name in names for end in ("low", "high")}
    dates, index = index_dates(frame["date"].to_numpy())
    out |= {"effective_n": dates.size / horizon, "block_length": None}
    out |= {"first": str(dates[0]) if dates.size else None, "last": str(dates[-1]) if dates.size else None}
    if dates.size == 0 or out["n_invalid"]:
        return out
    counts = sum_by_date(np.ones_like(target), index, dates.size)
    loss = loss_per_sample(target, score, task)
    by_date = [sum_by_date(values, index, dates.size) / counts for values in (loss, target)]
    out["block_length"] = block = block_length(by_date, horizon)
    if enough_blocks(dates.size, block):
        weights = stationary_weights(dates.size, block, cfg.bootstrap_draws, cfg.seed)
        for name, values in _draws(target, score, task, index, weights).items():
            out[f"{name}_low"], out[f"{name}_high"] = percentile_interval(values, cfg.confidence)
    return out


def _draws(target: Floats, score: Floats, task: str, index: Ints, weights: Floats) -> dict[str, Floats]:
    n_dates = weights.shape[1]
    counts = sum_by_date(np.ones_like(target), index, n_dates)
    loss = loss_per_sample(target, score, task)

    def of_mean(values: Floats) -> Floats:
        return mean_draws(sum_by_date(values, index, n_dates), counts, weights)

    if is_binary(task):
        return {
            "auc": auc_draws(target, score, index, weights),
            "log_loss": of_mean(loss),
            "brier": of_mean((score - target) ** 2),
        }
    return {
        "mse": of_mean(loss),
        "mae": of_mean(np.abs(score - target)),
        "r2": r2_draws(target, score, index, weights),
    }


def reliability(
    target: Floats, probability: Floats, bins: int = _RELIABILITY_BINS
) -> list[dict[str, float | int]]:
    """Points of the reliability diagram: in bins of equal count, mean probability against observed share.

    Equal counts rather than equal widths, because the probabilities of market models crowd in a narrow range.
    Equal probabilities are never split between bins, so a collapsed model gives one bin.
    """
    if target.size == 0 or not np.all(np.isfinite(probability)):
        return []
    edges = np.unique(np.quantile(probability, np.linspace(0.0, 1.0, bins + 1)))
    bin_of = (
        np.searchsorted(edges[1:-1], probability, side="right") if edges.size > 2 else np.zeros(target.size)
    )
    points: list[dict[str, float | int]] = []
    for number in np.unique(bin_of):
        inside = bin_of == number
        points.append(
            {
                "bin_low": float(probability[inside].min()),
                "bin_high": float(probability[inside].max()),
                "mean_probability": float(probability[inside].mean()),
                "observed": float(target[inside].mean()),
                "count": int(inside.sum()),
            }
        )
    return points


def evaluate_run(
    validation: pl.DataFrame,
    test: pl.DataFrame,
    run: Mapping[str, Any],
    params: Mapping[str, Any],
    provenance: Mapping[str, Any],
    cfg: EvaluationConfig,
    primary: str | None = None,
) -> dict[str, Any]:
    """The content of metrics.json.

    Args:
        validation: predictions of validation, `part` being `selection` or `calibration`.
        test: predictions of the test set.
        run: the eight fields of the run.
        params: its resolved parameters (`training_base_rate` and `splits.minimum_class_count` are used).
        provenance: its provenance (`parameters` is used).
        cfg: draws, confidence and seed of the intervals.
        primary: label of the symbol whose windows give the measures; the others are in `by_symbol`. None, or
            a label that the predictions do not hold: all symbols together.

    Returns:
        `run, parameters, splits {validation, calibration, test}, reliability {calibration, test}, by_symbol,
        primary, uncertainty, warnings`; only plain JSON values.
    """
    task, horizon = str(run["task"]), int(run["horizon"])
    parts = {
        "validation": validation.filter(pl.col("part") == "selection"),
        "calibration": validation.filter(pl.col("part") == "calibration"),
        "test": test,
    }
    symbols = sorted(set(validation["symbol"]) | set(test["symbol"]))
    chosen = primary if primary in symbols else None
    main = {
        name: frame if chosen is None else frame.filter(pl.col("symbol") == chosen)
        for name, frame in parts.items()
    }
    rate = params.get("training_base_rate")
    splits = {name: split_metrics(frame, task, horizon, cfg, rate) for name, frame in main.items()}
    diagrams = {}
    for name in ("calibration", "test"):
        target = main[name]["target"].cast(pl.Float64).to_numpy()
        diagrams[name] = reliability(target, scores_of(main[name], task)) if is_binary(task) else []
    minimum = int((params.get("splits") or {}).get("minimum_class_count", 20))
    result: dict[str, Any] = plain(
        {
            "run": run,
            "parameters": provenance.get("parameters") or {},
            "primary": chosen,
            "splits": splits,
            "by_symbol": _by_symbol(parts, symbols, task) if len(symbols) > 1 else {},
            "reliability": diagrams,
            "uncertainty": cfg.model_dump(),
            "warnings": [
                text for name in SPLITS for text in _alarms(name, splits[name], main[name], minimum)
            ],
        }
    )
    return result


def _by_symbol(parts: Mapping[str, pl.DataFrame], symbols: list[str], task: str) -> dict[str, dict[str, Any]]:
    out: dict[str, dict[str, Any]] = {}
    for symbol in symbols:
        frames = {name: frame.filter(pl.col("symbol") == symbol) for name, frame in parts.items()}
        out[symbol] = {name: _measures(frame, task) for name, frame in frames.items()}
    return out


def _measures(frame: pl.DataFrame, task: str) -> dict[str, Metric]:
    target, score = frame["target"].cast(pl.Float64).to_numpy(), scores_of(frame, task)
    return classification_metrics(target, score) if is_binary(task) else regression_metrics(target, score)


def _alarms(
    name: str, measures: Mapping[str, Any], frame: pl.DataFrame, minimum_class_count: int
) -> list[str]:
    """What a reader must know about a split before believing its numbers, one sentence each."""
    n = measures["n"]
    if n == 0:
        return [f"{name}: no samples."]
    alarms = []
    if measures["n_invalid"]:
        alarms.append(
            f"{name}: {measures['n_invalid']} of {n} predictions are not finite; nothing was measured."
        )
    if "base_rate" in measures:
        positives = int((frame["target"] > 0.5).sum())
        fewest = min(positives, n - positives)
        if fewest == 0:
            alarms.append(f"{name}: one class only; AUC is undefined.")
        elif fewest < minimum_class_count:
            alarms.append(
                f"{name}: only {fewest} samples of the rarer class (fewer than {minimum_class_count})."
            )
        if measures["zero_recall"]:
            alarms.append(f"{name}: recall is 0; not one positive was found at probability 0.5.")
    if measures["collapsed"]:
        low, high = measures["prediction_min"], measures["prediction_max"]
        alarms.append(f"{name}: predictions have collapsed to the range {low:.4g} to {high:.4g}.")
    if measures["block_length"] and measures.get("mse_low", measures.get("log_loss_low")) is None:
        alarms.append(f"{name}: too few dates for intervals (blocks of {measures['block_length']} bars).")
    return alarms
