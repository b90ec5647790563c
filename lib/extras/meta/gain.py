"""Whether a meta-module gained anything over the best of its base models and over their plain average.

All of them on the same bars, each calibrated in the same way on the calibration part. "Best" is chosen on the
selection part of validation, never on test; nothing is fitted on test.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from lib.config.base import is_binary, primary_metric
from lib.config.workflow import EvaluationConfig
from lib.errors import DataError
from lib.extras.meta.stacked import probability_of
from lib.scoring.calibration_map import CalibrationMap, fit_map
from lib.scoring.json_values import plain
from lib.scoring.measures import loss_per_sample, scores_of, split_metrics, targets_of
from lib.scoring.paired import paired_difference

AVERAGE = "average"
_SHOWN = ("log_loss", "mse", "auc", "brier", "ece")


@dataclass(frozen=True)
class MetaCandidate:
    """One forecaster: its predictions of all parts, and the same calibrated."""

    name: str
    kind: str
    """`learner`, `base` or `average`."""
    predictions: pl.DataFrame
    calibrated: pl.DataFrame
    calibration: CalibrationMap | None
    selection_loss: float = field(default=float("nan"))

    def test(self, calibrated: bool) -> pl.DataFrame:
        """Its predictions of the test part."""
        frame = self.calibrated if calibrated else self.predictions
        return frame.filter(pl.col("part") == "test")


def candidates(
    learners: Mapping[str, pl.DataFrame], stacked: pl.DataFrame, bases: Sequence[str], task: str, horizon: int
) -> list[MetaCandidate]:
    """Learners, the base models of the same problem, and their plain average.

    Args:
        learners: predictions of validation and test by name; all on the same bars.
        stacked: the meta-module's dataset table.
        bases: channels of base models that forecast the same event.
        task: binary or regression.
        horizon: bars ahead.

    Raises:
        DataError: the learners do not hold the same bars.
    """
    first = next(iter(learners.values()))
    keys = first.select("date", "symbol", "target", "part").sort("date", "symbol")
    for name, frame in learners.items():
        if not frame.select("date", "symbol", "target", "part").sort("date", "symbol").equals(keys):
            raise DataError(f"{name} forecasts other bars than {next(iter(learners))}; train both again.")
    rows = keys.join(stacked, on=["date", "symbol"], how="left", maintain_order="left")
    column = "probability_1" if is_binary(task) else "prediction"
    single = {
        name: probability_of(rows[name]) if is_binary(task) else rows[name].cast(pl.Float64) for name in bases
    }
    mean = pl.DataFrame(single).mean_horizontal()
    found = [
        *(_candidate(name, "learner", frame.sort("date", "symbol"), task, horizon)
          for name, frame in learners.items()),
        *(_candidate(name, "base", keys.with_columns(values.alias(column)), task, horizon)
          for name, values in single.items()),
    ]  # fmt: skip
    if len(single) > 1:
        average = keys.with_columns(mean.alias(column))
        found.append(_candidate(AVERAGE, "average", average, task, horizon))
    return found


def _candidate(name: str, kind: str, predictions: pl.DataFrame, task: str, horizon: int) -> MetaCandidate:
    chosen = predictions.filter(pl.col("part") == "selection")
    loss = float(loss_per_sample(targets_of(chosen), scores_of(chosen, task), task).mean())
    if not is_binary(task):
        return MetaCandidate(name, kind, predictions, predictions, None, loss)
    fitted = fit_map(predictions.filter(pl.col("part") == "calibration"), horizon)
    calibrated = predictions.with_columns(
        pl.Series("probability_1", fitted(predictions["probability_1"].to_numpy()))
    )
    return MetaCandidate(name, kind, predictions, calibrated, fitted, loss)


def best(found: Sequence[MetaCandidate], kind: str) -> MetaCandidate:
    """The candidate of a kind with the smallest selection loss."""
    return min((c for c in found if c.kind == kind), key=lambda c: c.selection_loss)


def compare(found: Sequence[MetaCandidate], task: str, horizon: int, cfg: EvaluationConfig) -> dict[str, Any]:
    """Test measures of every candidate, and the paired gain of every learner.

    Returns:
        `metric, best_learner, best_single, rows, gains` as plain values. A gain is the loss of the baseline
        (`best_single` or `average`) minus that of the learner, by date: positive is better. Both are
        `calibrated` or both are not.
    """
    metric = primary_metric(task)
    references = [best(found, "base"), *(c for c in found if c.kind == "average")]
    rows, gains = [], []
    for candidate in found:
        row: dict[str, Any] = {
            "name": candidate.name,
            "kind": candidate.kind,
            "selection_loss": candidate.selection_loss,
            "calibration": candidate.calibration.method if candidate.calibration else None,
        }
        for prefix, calibrated in (("", False), ("calibrated_", True)):
            measured = split_metrics(candidate.test(calibrated), task, horizon, cfg, None)
            row["n_test"] = measured["n"]
            for name in _SHOWN:
                for end in ("", "_low", "_high"):
                    if f"{name}{end}" in measured:
                        row[f"{prefix}{name}{end}"] = measured[f"{name}{end}"]
        rows.append(row)
        if candidate.kind == "learner":
            gains += [_gain(candidate, r, c, task, horizon, cfg) for r in references for c in (False, True)]
    result: dict[str, Any] = plain(
        {
            "metric": metric,
            "best_learner": best(found, "learner").name,
            "best_single": references[0].name,
            "rows": rows,
            "gains": gains,
        }
    )
    return result


def signal(learner: MetaCandidate) -> pl.DataFrame:
    """The signal of a meta-module: date, symbol, part, target, its forecast and the calibrated one.

    The map is fitted on the calibration part, so there it is no forecast.
    """
    column = "probability_1" if "probability_1" in learner.predictions.columns else "prediction"
    name = "probability" if column == "probability_1" else "prediction"
    frame = learner.predictions.select("date", "symbol", "part", "target", pl.col(column).alias(name))
    return frame.with_columns(learner.calibrated[column].alias(f"calibrated_{name}"))


def _gain(
    learner: MetaCandidate,
    reference: MetaCandidate,
    calibrated: bool,
    task: str,
    horizon: int,
    cfg: EvaluationConfig,
) -> dict[str, Any]:
    estimate = paired_difference(reference.test(calibrated), learner.test(calibrated), task, horizon)
    low, high = estimate.interval(cfg.confidence) if estimate else (None, None)
    return {
        "learner": learner.name,
        "reference": "best_single" if reference.kind == "base" else reference.name,
        "calibrated": calibrated,
        "gain": estimate.value if estimate else None,
        "low": low,
        "high": high,
        "p_value": estimate.p_value() if estimate else None,
    }
