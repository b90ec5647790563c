"""Conformal intervals for returns and sets of classes: the coverage they promise and the coverage they reach.

Split conformal prediction (Vovk, Gammerman & Shafer 2005) by the package crepes, fitted on the calibration
part of validation. The promise holds if calibration and test days are exchangeable; markets are not, so the
measured coverage stands beside the promised level, also quarter by quarter.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from lib.config.base import classes_of, is_classification
from lib.config.workflow import EvaluationConfig
from lib.inference.bootstrap import block_bootstrap, block_length, index_dates, mean_draws, sum_by_date
from lib.metrics.classification import Floats
from lib.scoring.measures import scores_of, targets_of

LEVELS = (0.5, 0.8, 0.9, 0.95)
MINIMUM = 40
"""Fewer calibration samples than this promise nothing."""


def conformal(
    fitted_on: pl.DataFrame, test: pl.DataFrame, task: str, horizon: int, cfg: EvaluationConfig
) -> tuple[dict[str, Any] | None, pl.DataFrame | None]:
    """Intervals or sets at the declared level, their coverage, and coverage over time.

    Args:
        fitted_on: predictions of the calibration part.
        test: predictions of the test set.
        task: decides between intervals (absolute residuals) and sets (one minus the probability).
        horizon: least block length of the interval of the coverage.
        cfg: level, draws, confidence and seed.

    Returns:
        The `conformal` part of metrics.json, and one row per test sample (`date, symbol, covered, width`, a
        set's width being its number of classes); (None, None) with too few or broken predictions.
    """
    known = (targets_of(fitted_on), scores_of(fitted_on, task))
    new = (targets_of(test), scores_of(test, task))
    if known[0].size < MINIMUM or new[0].size == 0 or not all(np.isfinite(v).all() for v in (*known, *new)):
        return None, None
    outcome = _outcomes(known, new, task, sorted({*LEVELS, cfg.conformal_level}))
    covered, width = outcome[cfg.conformal_level]
    rows = test.select("date", "symbol").with_columns(
        covered=pl.Series(covered), width=pl.Series(width, dtype=pl.Float64)
    )
    low, high = _coverage_interval(test, covered, horizon, cfg)
    result: dict[str, Any] = {
        "kind": "set" if is_classification(task) else "interval",
        "level": cfg.conformal_level,
        "fitted_on": int(known[0].size),
        "coverage": float(covered.mean()),
        "coverage_low": low,
        "coverage_high": high,
        **_sizes(covered, width, task),
        "by_period": _by_quarter(rows),
        "levels": [{"level": level, "coverage": float(hit.mean())} for level, (hit, _) in outcome.items()],
    }
    return result, rows


def _outcomes(
    known: tuple[Floats, Floats], new: tuple[Floats, Floats], task: str, levels: list[float]
) -> dict[float, tuple[np.ndarray, Floats]]:
    """At each level whether each new target is covered, and the width of its interval or size of its set."""
    if not is_classification(task):
        ends = {level: return_intervals(known[1], known[0], new[1], level) for level in levels}
        return {
            level: ((own[:, 0] <= new[0]) & (new[0] <= own[:, 1]), own[:, 1] - own[:, 0])
            for level, own in ends.items()
        }
    p = class_p_values(known[1], known[0], new[1], task)
    happened = p[np.arange(new[0].size), np.searchsorted(np.array(classes_of(task)), new[0])]
    return {level: (happened >= 1 - level, (p >= 1 - level).sum(axis=1).astype(float)) for level in levels}


def return_intervals(score: Floats, target: Floats, new: Floats, level: float) -> Floats:
    """Lower and upper ends around new forecasts, (m, 2), from forecasts (n,) whose targets (n,) are known."""
    from crepes import ConformalRegressor

    ends = ConformalRegressor().fit(residuals=target - score).predict_int(new, confidence=level)
    return np.asarray(ends, dtype=np.float64)


def class_p_values(score: Floats, target: Floats, new: Floats, task: str) -> Floats:
    """p-value of each class for each new forecast, (m, classes), from forecasts whose targets are known.

    A class is in the set of a level if its p-value is at least one minus the level. Scores are probabilities
    of class 1, or of each of three classes. Without smoothing the sets are not random, and cover at least as
    often as promised.
    """
    from crepes import ConformalClassifier
    from crepes.extras import hinge

    fitted = ConformalClassifier().fit(
        hinge(_by_class(score), np.array(classes_of(task)), target.astype(int))
    )
    return np.asarray(fitted.predict_p(hinge(_by_class(new)), smoothing=False), dtype=np.float64)


def _by_class(score: Floats) -> Floats:
    """Probabilities of all classes, (n, classes); with two classes made from those of class 1."""
    return np.column_stack([1.0 - score, score]) if score.ndim == 1 else score


def _sizes(covered: np.ndarray, width: Floats, task: str) -> dict[str, float | None]:
    if not is_classification(task):
        return {"mean_width": float(width.mean()), "mean_size": None, "singletons": None, "empty": None,
                "singleton_accuracy": None}  # fmt: skip
    single = width == 1
    return {
        "mean_width": None,
        "mean_size": float(width.mean()),
        "singletons": float(single.mean()),
        "empty": float((width == 0).mean()),
        "singleton_accuracy": float(covered[single].mean()) if single.any() else None,
    }


def _coverage_interval(
    test: pl.DataFrame, covered: np.ndarray, horizon: int, cfg: EvaluationConfig
) -> tuple[float | None, float | None]:
    dates, index = index_dates(test["date"].to_numpy())
    sums = sum_by_date(covered.astype(np.float64), index, dates.size)
    counts = sum_by_date(np.ones(covered.size), index, dates.size)
    block = block_length([sums / counts], horizon)
    drawn = block_bootstrap(dates.size, block, cfg.bootstrap_draws, cfg.seed, cfg.confidence)
    if drawn is None:
        return None, None
    low, high = drawn.interval(mean_draws(sums, counts, drawn.weights))
    return None if low is None else max(0.0, low), None if high is None else min(1.0, high)


def _by_quarter(rows: pl.DataFrame) -> list[dict[str, Any]]:
    quarters = rows.with_columns(
        period=pl.format("{}Q{}", pl.col("date").dt.year(), pl.col("date").dt.quarter())
    )
    table = quarters.group_by("period").agg(
        first=pl.col("date").min(), last=pl.col("date").max(), n=pl.len(), coverage=pl.col("covered").mean()
    )
    ordered = table.sort("first").with_columns(pl.col("first", "last").cast(pl.String))
    return ordered.to_dicts()
