"""The measures of one set of predictions, with block-bootstrap intervals, whole and in parts of it.

Works on a table of predictions and knows nothing of runs, files or other models.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from lib.config.base import classes_of, is_binary, is_classification, is_ternary, primary_metric
from lib.config.workflow import EvaluationConfig
from lib.inference.bootstrap import (
    Ints,
    average_precision_draws,
    block_bootstrap,
    block_length,
    index_dates,
    mean_draws,
    r2_draws,
    share_draws,
    sum_by_date,
)
from lib.inference.comparisons import Estimate, estimate_mean
from lib.inference.forecast_tests import auc_influence
from lib.metrics import ternary
from lib.metrics.calibration_error import bin_of, calibration_error_by_chance, expected_calibration_error
from lib.metrics.classification import THRESHOLD, Floats, classification_metrics, roc_auc
from lib.metrics.losses import losses
from lib.metrics.regression import NEGLIGIBLE, regression_metrics

BINARY_INTERVALS = ("auc", "pr_auc", "log_loss", "brier", "ece", "accuracy", "precision", "recall", "f1")
REGRESSION_INTERVALS = ("mse", "mae", "r2", "directional_accuracy")
TERNARY_INTERVALS = ("auc", "log_loss", "brier", "accuracy")
_RANGES: dict[str, tuple[float | None, float | None]] = {
    "brier": (0.0, 1.0), "ece": (0.0, 1.0), "mae": (0.0, None), "r2": (None, 1.0),
    **dict.fromkeys(("pr_auc", "accuracy", "precision", "recall", "f1", "directional_accuracy"), (0.0, 1.0)),
}  # fmt: skip
"""Limits of stretched intervals."""
Reference = float | Sequence[float] | None


def scores_of(frame: pl.DataFrame, task: str) -> Floats:
    """Scores by which a run is judged: the probability of class 1, or the predicted return; (n,), NaN if
    absent.

    For three classes the probability of each; (n, 3).
    """
    if is_ternary(task):
        names = [f"probability_{label}" for label in classes_of(task)]
        return frame.select(pl.col(names).cast(pl.Float64).fill_null(float("nan"))).to_numpy()
    column = "prediction"
    if (
        is_binary(task)
        and "probability_1" in frame.columns
        and frame["probability_1"].null_count() < frame.height
    ):
        column = "probability_1"
    return frame[column].cast(pl.Float64).fill_null(float("nan")).to_numpy()


def targets_of(frame: pl.DataFrame) -> Floats:
    """Targets as floats; (n,), NaN if absent."""
    return frame["target"].cast(pl.Float64).fill_null(float("nan")).to_numpy()


def loss_per_sample(target: Floats, score: Floats, task: str) -> Floats:
    """The primary measure per sample, (n,): log loss in nats, or squared error for regression."""
    return losses(target, score, is_binary(task))


def plain_measures(target: Floats, score: Floats, task: str, reference: Reference = None) -> dict[str, Any]:
    """All measures without intervals; binary ones with the expected calibration error."""
    if is_ternary(task):
        return dict(ternary.ternary_metrics(target, score, reference))
    if not is_binary(task):
        return dict(regression_metrics(target, score))
    out: dict[str, Any] = dict(classification_metrics(target, score, reference))  # type: ignore[arg-type]
    usable = out["n"] > 0 and not out["n_invalid"]
    out["ece"] = expected_calibration_error(target, score) if usable else None
    out["ece_by_chance"] = calibration_error_by_chance(score) if usable else None
    return out


def split_metrics(
    frame: pl.DataFrame, task: str, horizon: int, cfg: EvaluationConfig, reference: Reference
) -> dict[str, Any]:
    """All measures of one split, with intervals.

    Args:
        frame: predictions of the split (columns `date, target, prediction`, and the probability of each
            class where there are classes).
        task: decides what is measured.
        horizon: bars that a label looks ahead; blocks are at least that long.
        cfg: draws, confidence and seed.
        reference: share of class 1 in training (of each of three classes), for the log loss of that constant
            forecast.

    Returns:
        The measures of `lib.metrics`, `<measure>_low` and `<measure>_high` for the principal ones (None where
        the split is shorter than four blocks or a measure is undefined; comparisons of models show those of
        the loss and the AUC), `effective_n` (dates divided by the horizon: overlapping labels repeat each
        other), `block_length`, `first` and `last` date.
    """
    target, score = targets_of(frame), scores_of(frame, task)
    out = plain_measures(target, score, task, reference)
    names = {0: REGRESSION_INTERVALS, 2: BINARY_INTERVALS, 3: TERNARY_INTERVALS}[len(classes_of(task))]
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
    for name, estimate in _estimates(target, score, task, horizon, index, counts).items():
        out[f"{name}_low"], out[f"{name}_high"] = estimate.interval(cfg.confidence)
    drawn = block_bootstrap(dates.size, block, cfg.bootstrap_draws, cfg.seed, cfg.confidence)
    if drawn is not None:
        for name, values in _draws(target, score, task, index, drawn.weights).items():
            low, high = drawn.interval(values)
            least, most = _RANGES.get(name, (None, None))
            if is_ternary(task) and name == "brier":
                most = 2.0
            out[f"{name}_low"] = low if low is None or least is None else max(low, least)
            out[f"{name}_high"] = high if high is None or most is None else min(high, most)
    return out


def rankings(outcome: Floats, target: Floats, score: Floats) -> list[tuple[Floats, Floats]]:
    """Pairs of outcome (n,) and score (n,) for rankings: one, or one per class of three; [] if there is
    none."""
    if score.ndim == 1:
        pairs = [(outcome, score)]
    else:
        pairs = [((target == k).astype(np.float64), score[:, i]) for i, k in enumerate(ternary.CLASSES)]
    return [(kind, own) for kind, own in pairs if 0 < kind.sum() < kind.size]


def _estimates(
    target: Floats, score: Floats, task: str, horizon: int, index: Ints, counts: Floats
) -> dict[str, Estimate]:
    """The primary loss and the AUC, as `estimate_loss` and `estimate_auc` of `lib.scaling.curves` measure
    those of one run; no AUC for returns or with one class."""
    loss = sum_by_date(loss_per_sample(target, score, task), index, counts.size)
    found = {primary_metric(task): replace(estimate_mean(loss, counts, horizon), least=0.0)}
    pairs = rankings(target, target, score) if is_classification(task) else []
    if pairs:
        influences = [one for pair in pairs if (one := auc_influence(*pair)) is not None]
        influence = np.mean(influences, axis=0)
        auc = estimate_mean(sum_by_date(influence, index, counts.size), counts, horizon)
        value = float(np.mean([roc_auc(*pair) for pair in pairs]))
        found["auc"] = replace(auc, value=value, least=0.0, most=1.0)
    return found


def _draws(target: Floats, score: Floats, task: str, index: Ints, weights: Floats) -> dict[str, Floats]:
    n_dates = weights.shape[1]
    counts = sum_by_date(np.ones_like(target), index, n_dates)

    def of_mean(values: Floats) -> Floats:
        return mean_draws(sum_by_date(values, index, n_dates), counts, weights)

    def of_share(part: npt.ArrayLike, whole: npt.ArrayLike) -> Floats:
        return share_draws(*(weights @ sum_by_date(values, index, n_dates) for values in (part, whole)))

    if is_ternary(task):
        return {
            "brier": of_mean(ternary.brier_per_sample(target, score)),
            "accuracy": of_mean(np.array(ternary.CLASSES)[score.argmax(axis=1)] == target),
        }
    if is_binary(task):
        actual, claimed = target > 0.5, score >= THRESHOLD
        return {
            "brier": of_mean((score - target) ** 2),
            "ece": _ece_draws(target, score, index, weights),
            "pr_auc": average_precision_draws(target, score, index, weights),
            "accuracy": of_mean(actual == claimed),
            "precision": of_share(actual & claimed, claimed),
            "recall": of_share(actual & claimed, actual),
            "f1": of_share(2.0 * (actual & claimed), actual.astype(np.float64) + claimed),
        }
    moved = np.abs(target) > NEGLIGIBLE
    return {
        "mae": of_mean(np.abs(score - target)),
        "r2": r2_draws(target, score, index, weights),
        "directional_accuracy": of_share(moved & ((score > 0) == (target > 0)), moved),
    }


def _ece_draws(target: Floats, score: Floats, index: Ints, weights: Floats) -> Floats:
    """Expected calibration error in every draw, (draws,), in the bins of the whole sample."""
    n_dates, number = weights.shape[1], bin_of(score)
    gaps = np.zeros((n_dates, int(number.max()) + 1))
    np.add.at(gaps, (index, number), target - score)
    counts = sum_by_date(np.ones_like(target), index, n_dates)
    drawn: Floats = np.abs(weights @ gaps).sum(axis=1) / (weights @ counts)
    return drawn


def measures_by_symbol(parts: Mapping[str, pl.DataFrame], task: str) -> dict[str, dict[str, Any]]:
    """Measures of every symbol in every part; empty with a single symbol."""
    symbols = sorted({symbol for frame in parts.values() for symbol in frame["symbol"].unique()})
    if len(symbols) < 2:
        return {}
    return {
        symbol: {
            name: plain_measures(targets_of(own), scores_of(own, task), task)
            for name, frame in parts.items()
            for own in (frame.filter(pl.col("symbol") == symbol),)
        }
        for symbol in symbols
    }


def measures_by_year(test: pl.DataFrame, task: str) -> list[dict[str, Any]]:
    """Measures of every calendar year of the test set."""
    years = test.with_columns(group=pl.col("date").dt.year())
    return [{"year": int(year), **rest} for year, rest in _grouped(years, task)]


def measures_by_regime(test: pl.DataFrame, regimes: pl.DataFrame | None, task: str) -> list[dict[str, Any]]:
    """Measures of the test days of low, middle and high volatility.

    `regimes` has `date, symbol, regime, volatility_low, volatility_high` (see `market.volatility_regimes`).
    The limits are those of the measured symbol; None where several symbols with different limits are measured
    together.
    """
    if regimes is None or test.height == 0:
        return []
    joined = test.join(regimes, on=["date", "symbol"], how="inner").with_columns(group=pl.col("regime"))
    order = {"low": 0, "middle": 1, "high": 2}
    found = dict(_grouped(joined, task))
    return [
        {
            "regime": name,
            **{end: _only(joined.filter(group=name)[end]) for end in ("volatility_low", "volatility_high")},
            **found[name],
        }
        for name in sorted(found, key=lambda name: order[name])
    ]


def _only(values: pl.Series) -> float | None:
    """The value that all share; None if they differ."""
    distinct = values.unique()
    return distinct[0] if distinct.len() == 1 else None


def _grouped(frame: pl.DataFrame, task: str) -> list[tuple[Any, dict[str, Any]]]:
    out = []
    for (name,), part in frame.group_by(["group"], maintain_order=True):
        measures = plain_measures(targets_of(part), scores_of(part, task), task)
        span = {"first": str(part["date"].min()), "last": str(part["date"].max())}
        out.append((name, measures | span))
    return sorted(out, key=lambda pair: str(pair[0]))
