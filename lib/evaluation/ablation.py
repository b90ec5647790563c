"""Which normalisation and readout PatchTST has by default: decided on walk-forward folds.

Each fold trains on the years before its validation year. What counts is the loss on the selection parts of
the folds, over all their dates together; calibration and test parts are not read. Among the variants whose
loss lies within one standard error of the least one's (of the difference, paired by date, over seeds and
dates; Breiman et al. 1984, section 3.4.3), the cheapest step wins.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from lib.config.folds import fold_label
from lib.errors import DataError
from lib.evaluation.axes import WORDS
from lib.evaluation.comparisons import DateLosses, compare_losses, joined_searches
from lib.evaluation.samples import Predictions, Reader, align, selection_reader

PROBLEM = [*WORDS]
"""`model` without the values of what differs: ``patchtst-mixed``."""
POOLING = ("last", "flatten", "mean", "attention")
"""Cheapest first: read from the last patch alone, the last layer computes one position instead of all."""
NORMALISATION = ("none", "zscore", "revin", "revin_stats")
"""Cheapest first: constants of training, statistics of each window, the same handed on as inputs."""
OWN_SPLIT = "own split"
_SETTINGS = ["normalisation", "pooling"]


def rank_readouts(runs: pl.DataFrame, read: Reader, confidence: float = 0.9) -> pl.DataFrame:
    """One row per problem, normalisation and readout; the least loss first.

    Args:
        runs: the table of runs (`lib.evaluation.collect`) of a classification task.
        read: given a run's path and `val`, its predictions on validation.
        confidence: of the intervals of the paired difference from the best.

    Returns:
        `log_loss`, the mean over all dates of the folds' selection parts and over seeds, in nats; its
        `difference` from the least one (with `_low`, `_high`, `_error`); `auc` and `training_seconds`, means
        over runs; a column per fold with its mean loss; `chosen` marks the choice.

    Raises:
        DataError: a run is missing or damaged, or the runs of a fold do not share their samples and seeds.
    """
    unfinished = runs.filter(pl.col("status") != "done")
    if not unfinished.is_empty():
        raise DataError(f"{unfinished.height} runs of the ablation are not finished: {unfinished['path'][0]}")
    members = runs.filter(pl.col("normalisation").is_not_null())
    if members.is_empty():
        raise DataError("no run with a normalisation and a readout: nothing to compare.")
    members = members.with_columns(pl.col("model").str.split(".").list.first())
    rows: list[dict[str, Any]] = []
    if members["fold"].is_not_null().any():
        members = members.filter(pl.col("fold").is_not_null())
    for _, group in members.sort("fold", "seed").group_by(PROBLEM, maintain_order=True):
        rows += _rank(group, read, confidence)
    return pl.DataFrame(rows, infer_schema_length=None)


def _rank(group: pl.DataFrame, read: Reader, confidence: float) -> list[dict[str, Any]]:
    horizon = int(group["horizon"][0])
    by_fold = {
        OWN_SPLIT if fold is None else fold_label(int(str(fold))): _losses_of_fold(members.to_dicts(), read)
        for (fold,), members in group.group_by("fold", maintain_order=True)
    }
    rows = []
    losses = {name: _joined(name, list(by_fold.values())) for name in group.select(_SETTINGS).unique().rows()}
    best = min(losses, key=lambda name: float(losses[name].means.mean()))
    for name, found in losses.items():
        runs = group.filter(pl.col("normalisation") == name[0], pl.col("pooling") == name[1])
        gap = None if name == best else compare_losses(found, losses[best], horizon)
        low, high = gap.interval(confidence) if gap else (None, None)
        rows.append(
            {word: group[word][0] for word in PROBLEM}
            | dict(zip(_SETTINGS, name, strict=True))
            | {"folds": len(by_fold), "seeds": len(found.sums), "dates": found.counts.size}
            | {"log_loss": float(found.means.mean()), "difference": gap.value if gap else 0.0}
            | {"difference_error": gap.standard_error if gap else None}
            | {"difference_low": low, "difference_high": high}
            | {"auc": runs["selection_auc"].mean(), "training_seconds": runs["train_seconds"].mean()}
            | {fold: float(own[name].means.mean()) for fold, own in by_fold.items()}
        )
    able = [row for row in rows if row["difference"] <= (row["difference_error"] or 0.0)]
    chosen = min(able, key=_cost)
    ordered = sorted(rows, key=lambda row: row["log_loss"])
    return [row | {"chosen": row is chosen} for row in ordered]


def _losses_of_fold(members: list[dict[str, Any]], read: Reader) -> dict[tuple[Any, ...], DateLosses]:
    """Losses by date of every normalisation and readout, one row per seed, on the fold's selection part."""
    predictions = Predictions(selection_reader(read))
    samples = [predictions.of(member) for member in members]
    usable = [found for found in samples if found is not None]
    aligned, notes = align(usable, str(members[0]["task"]), "the ablation") if usable else (None, [])
    if aligned is None or notes or len(usable) < len(members):
        said = [trouble[-1] for trouble in (*predictions.troubles, *notes)]
        raise DataError("the runs of an ablation cannot be compared: " + " ".join(said))
    places: dict[tuple[Any, ...], list[int]] = {}
    for place, member in enumerate(members):
        places.setdefault(tuple(member[word] for word in _SETTINGS), []).append(place)
    seeds = {name: [members[place]["seed"] for place in own] for name, own in places.items()}
    if len({tuple(own) for own in seeds.values()}) > 1:
        raise DataError(
            f"fold {members[0]['fold']}: the variants of an ablation have different seeds: {seeds}"
        )
    return {name: aligned.losses(own) for name, own in places.items()}


def _joined(name: tuple[Any, ...], folds: list[dict[tuple[Any, ...], DateLosses]]) -> DateLosses:
    """The folds one after the other, as one stretch of dates."""
    if any(name not in fold or len(fold[name].sums) != len(folds[0][name].sums) for fold in folds):
        raise DataError(f"{', '.join(name)}: not the same seeds in every fold; nothing to compare.")
    parts = [fold[name] for fold in folds]
    return DateLosses(
        np.concatenate([part.sums for part in parts], axis=1),
        np.concatenate([part.counts for part in parts]),
        joined_searches([part.searches for part in parts]),
    )


def _cost(row: dict[str, Any]) -> tuple[int, int]:
    return POOLING.index(row["pooling"]), NORMALISATION.index(row["normalisation"])
