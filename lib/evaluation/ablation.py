"""Which normalisation and readout PatchTST has by default: decided on validation.

The whole of validation counts, with the part on which nothing was selected: on the other part each run chose
its own best epoch. Among the variants whose loss lies within one standard error of the best one's (of the
difference, paired by date; Breiman et al. 1984, section 3.4.3), the cheapest step wins.
"""

from __future__ import annotations

from typing import Any

import polars as pl

from lib.errors import DataError
from lib.evaluation.comparisons import compare_losses
from lib.evaluation.samples import Predictions, Reader, align

PROBLEM = ["variant", "dataset", "timescale", "task", "horizon", "budget"]
POOLING = ("last", "flatten", "mean", "attention")
"""Cheapest first: read from the last patch alone, the last layer computes one position instead of all."""
NORMALISATION = ("none", "zscore", "revin", "revin_stats")
"""Cheapest first: constants of training, statistics of each window, the same handed on as inputs."""
_MEANS = {
    "selection_log_loss": "selection_log_loss", "calibration_log_loss": "calibration_log_loss",
    "validation_auc": "selection_auc", "test_log_loss": "test_log_loss", "test_auc": "test_auc",
    "training_seconds": "train_seconds",
}  # fmt: skip


def rank_readouts(runs: pl.DataFrame, read: Reader, confidence: float = 0.9) -> pl.DataFrame:
    """One row per problem, normalisation and readout; the least validation loss first.

    Args:
        runs: the table of runs (`lib.evaluation.collect`); classification, finished ones count.
        read: given a run's path and `val`, its predictions on validation.
        confidence: of the intervals of the paired difference from the best.

    Returns:
        Means over seeds; `validation_log_loss` is over the whole of validation, `selection_log_loss` and
        `calibration_log_loss` over its parts; `difference` (with `_low`, `_high`, `_error`) is that of the
        validation losses from the least one; `chosen` marks the choice. Test figures stand beside, unused.

    Raises:
        DataError: no run is finished, or the runs of a problem do not share their samples.
    """
    done = runs.filter(pl.col("status") == "done", pl.col("normalisation").is_not_null())
    if done.is_empty():
        raise DataError("no finished run with a normalisation and a readout: nothing to compare.")
    rows: list[dict[str, Any]] = []
    for _, group in done.group_by(PROBLEM, maintain_order=True):
        rows += _rank(group, read, confidence)
    return pl.DataFrame(rows, infer_schema_length=None)


def _rank(group: pl.DataFrame, read: Reader, confidence: float) -> list[dict[str, Any]]:
    members = group.to_dicts()
    predictions = Predictions(lambda path, _: read(path, "val"))
    samples = [predictions.of(member) for member in members]
    usable = [found for found in samples if found is not None]
    task, horizon = str(members[0]["task"]), int(members[0]["horizon"])
    aligned, notes = align(usable, task, "the ablation") if usable else (None, [])
    if aligned is None or len(usable) < len(members):
        said = [trouble[-1] for trouble in (*predictions.troubles, *notes)]
        raise DataError("the runs of an ablation cannot be compared: " + " ".join(said))
    positions: dict[tuple[str, str], list[int]] = {}
    for place, member in enumerate(members):
        positions.setdefault((member["normalisation"], member["pooling"]), []).append(place)
    losses = {name: aligned.losses(places) for name, places in positions.items()}
    best = min(losses, key=lambda name: float(losses[name].means.mean()))
    rows = []
    for (normalisation, pooling), places in positions.items():
        found = losses[normalisation, pooling]
        gap = compare_losses(found, losses[best], horizon)
        low, high = gap.interval(confidence)
        is_best = (normalisation, pooling) == best
        rows.append(
            {word: members[0][word] for word in PROBLEM}
            | {"normalisation": normalisation, "pooling": pooling, "seeds": len(places)}
            | {"validation_log_loss": float(found.means.mean())}
            | {
                "difference": 0.0 if is_best else gap.value,
                "difference_error": None if is_best else gap.standard_error,
                "difference_low": None if is_best else low,
                "difference_high": None if is_best else high,
            }
            | {name: group[places][column].mean() for name, column in _MEANS.items()}
        )
    able = [row for row in rows if row["difference"] <= (row["difference_error"] or 0.0)]
    chosen = min(able, key=_cost)
    ordered = sorted(rows, key=lambda row: row["validation_log_loss"])
    return [row | {"chosen": row is chosen} for row in ordered]


def _cost(row: dict[str, Any]) -> tuple[int, int]:
    return POOLING.index(row["pooling"]), NORMALISATION.index(row["normalisation"])
