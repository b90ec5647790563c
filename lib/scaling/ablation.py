"""Which variant of a model or of its recipe becomes the default: decided on selection parts alone.

What counts is the loss that training stops by: on the selection part (of all folds together, where there are
folds), with the intercept re-fitted, so that the drift of those years is worth nothing. Calibration and test
parts are not read. Among the variants whose loss lies within one standard error of the lowest (of the
difference, paired by date, over seeds and dates; Breiman et al. 1984, section 3.4.3), the first declared
wins: an ablation declares the cheapest first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl

from lib.config.base import is_binary
from lib.config.fold_splits import fold_label
from lib.errors import DataError
from lib.inference.comparisons import DateLosses, compare_losses
from lib.metrics.losses import intercept_refitted
from lib.scaling.axes import CURVE_KEY
from lib.scaling.samples import Aligned, PredictionFiles, Reader, align, selection_reader

PROBLEM = [column for column in CURVE_KEY if column not in ("condition", "model")]
"""What the variants share, besides the model whose name stands before those of its varied settings."""
OWN_SPLIT = "own split"
Variant = tuple[str, str]
"""Recipe (a condition) and model."""


def rank_variants(
    runs: pl.DataFrame, read: Reader, primary: str | None = None, confidence: float = 0.9
) -> pl.DataFrame:
    """One row per problem and variant; the lowest loss first.

    Args:
        runs: those of one ablation in the table of runs (`lib.scaling.run_table`), in order of declaration.
        read: given a run's path and `val`, its predictions on validation.
        primary: the symbol that decides; None: all of them.
        confidence: of the intervals of the paired difference from the best.

    Returns:
        `recipe` and `settings` name the variant; `log_loss` (of regression: the squared error), the mean over
        all dates of the folds' selection parts and over seeds; its `difference` from the lowest (with `_low`,
        `_high`, `_error`); `auc` and `training_seconds`, means over runs; a column per fold with its mean
        loss; `chosen` marks the choice.

    Raises:
        DataError: a run is missing or damaged, or the runs of a fold do not share their samples and seeds.
    """
    unfinished = runs.filter(pl.col("status") != "done")
    if not unfinished.is_empty():
        raise DataError(f"{unfinished.height} runs of the ablation are not finished: {unfinished['path'][0]}")
    if runs.is_empty():
        raise DataError("an ablation without runs: nothing to compare.")
    if runs["fold"].is_not_null().any():
        runs = runs.filter(pl.col("fold").is_not_null())
    runs = runs.with_columns(plain=pl.col("model").str.split(".").list.first())
    rows: list[dict[str, Any]] = []
    for _, group in runs.group_by([*PROBLEM, "plain"], maintain_order=True):
        rows += _rank(group, read, primary, confidence)
    return pl.DataFrame(rows, infer_schema_length=None)


def _rank(group: pl.DataFrame, read: Reader, primary: str | None, confidence: float) -> list[dict[str, Any]]:
    horizon = int(group["horizon"][0])
    variants: list[Variant] = group.select("condition", "model").unique(maintain_order=True).rows()
    by_fold = {
        OWN_SPLIT if fold is None else fold_label(int(str(fold))): _losses_of_fold(members, read, primary)
        for (fold,), members in group.sort("fold", "seed").group_by("fold", maintain_order=True)
    }
    losses = {variant: _joined(variant, list(by_fold.values())) for variant in variants}
    best = min(losses, key=lambda variant: float(losses[variant].means.mean()))
    rows = []
    for variant, found in losses.items():
        runs = group.filter(pl.col("condition") == variant[0], pl.col("model") == variant[1])
        gap = None if variant == best else compare_losses(found, losses[best], horizon)
        low, high = gap.interval(confidence) if gap else (None, None)
        rows.append(
            {column: group[column][0] for column in PROBLEM}
            | {"model": group["plain"][0], "recipe": variant[0], "settings": variant[1].partition(".")[2]}
            | {"folds": len(by_fold), "seeds": len(found.sums), "dates": found.counts.size}
            | {"log_loss": float(found.means.mean()), "difference": gap.value if gap else 0.0}
            | {"difference_error": gap.standard_error if gap else None}
            | {"difference_low": low, "difference_high": high}
            | {"auc": runs["selection_auc"].mean(), "training_seconds": runs["train_seconds"].mean()}
            | {fold: float(own[variant].means.mean()) for fold, own in by_fold.items()}
        )
    chosen = next(row for row in rows if row["difference"] <= (row["difference_error"] or 0.0))
    ordered = sorted(rows, key=lambda row: row["log_loss"])
    return [row | {"chosen": row is chosen} for row in ordered]


def _losses_of_fold(members: pl.DataFrame, read: Reader, primary: str | None) -> dict[Variant, DateLosses]:
    """Losses by date of every variant, one row per seed, on the fold's selection part."""
    rows = members.to_dicts()
    predictions = PredictionFiles(selection_reader(read), primary, what="selection")
    samples = [predictions.of(member) for member in rows]
    usable = [found for found in samples if found is not None]
    aligned, notes = align(usable, str(rows[0]["task"]), "the ablation") if usable else (None, [])
    if aligned is None or notes or len(usable) < len(rows):
        problems = [trouble[-1] for trouble in (*predictions.troubles, *notes)]
        raise DataError("the runs of an ablation cannot be compared: " + " ".join(problems))
    places: dict[Variant, list[int]] = {}
    for place, member in enumerate(rows):
        places.setdefault((str(member["condition"]), str(member["model"])), []).append(place)
    seeds = {variant: [rows[place]["seed"] for place in own] for variant, own in places.items()}
    if len({tuple(own) for own in seeds.values()}) > 1:
        raise DataError(f"fold {rows[0]['fold']}: the variants of an ablation have different seeds: {seeds}")
    refitted = _refitted(aligned)
    return {variant: refitted.losses(own) for variant, own in places.items()}


def _refitted(aligned: Aligned) -> Aligned:
    binary = is_binary(aligned.task)
    scores = [intercept_refitted(aligned.target, score, binary) for score in aligned.scores]
    return replace(aligned, scores=np.array(scores))


def _joined(variant: Variant, folds: Sequence[Mapping[Variant, DateLosses]]) -> DateLosses:
    """The folds one after the other, as one stretch of dates."""
    if any(variant not in fold or len(fold[variant].sums) != len(folds[0][variant].sums) for fold in folds):
        raise DataError(f"{', '.join(variant)}: not the same seeds in every fold; nothing to compare.")
    return DateLosses.chained([fold[variant] for fold in folds])
