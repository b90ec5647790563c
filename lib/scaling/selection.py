"""Selection of a configuration on validation: test figures are never read.

The rule is that of one standard error (Breiman, Friedman, Olshen & Stone 1984, Classification and Regression
Trees, section 3.4.3): among the configurations whose mean validation loss lies within one standard error of
the best one's, over seeds, the cheapest is chosen (fewest parameters, then channels, series and symbols).
"""

from __future__ import annotations

from typing import Any

import polars as pl

from lib.config.base import BUDGET_PARAMETERS, primary_metric
from lib.errors import DataError

_KEY = ["dataset", "model", "budget"]


def select_configuration(
    runs: pl.DataFrame, task: str, timescale: str, horizon: int, context_length: int
) -> dict[str, Any]:
    """The chosen configuration, the reasons, and all candidates.

    Args:
        runs: tables of runs of the phases that are compared (`lib.scaling.run_table`).
        task: of the prediction problem on which they are compared.
        timescale: likewise.
        horizon: likewise, in bars.
        context_length: of the windows that the study uses on this timescale.

    Returns:
        The content of the selection file. In walk-forward folds a candidate's loss is its mean over the folds
        that all candidates have.

    Raises:
        DataError: no run of that problem is finished, or the candidates have no fold in common.
    """
    metric = f"selection_{primary_metric(task)}"
    finished = runs.filter(
        pl.col("status") == "done",
        pl.col("role") == "question",
        pl.col("condition") == "base",
        pl.col("train_fraction") == 1.0,
        pl.col("context_length") == context_length,
        pl.col("budget") != "none",
        pl.col("task") == task,
        pl.col("timescale") == timescale,
        pl.col("horizon") == horizon,
        pl.col(metric).is_finite(),
    )
    candidates = (
        _in_common_folds(finished)
        .group_by(*_KEY, "seed")
        .agg(pl.col(metric).mean(), pl.col("n_selection").sum())
        .group_by(_KEY)
        .agg(
            loss=pl.col(metric).mean(),
            error=pl.col(metric).std() / pl.len().sqrt(),
            seeds=pl.len(),
            n_selection=pl.col("n_selection").min(),
        )
        .sort("loss", *_KEY)
    )
    if candidates.is_empty():
        raise DataError(
            f"no finished run of {task} h{horizon}, {timescale}, among the phases to select from. Name "
            "another problem in `selection:`, or run the phases."
        )
    best = candidates.row(0, named=True)
    within = best["loss"] + (best["error"] or 0.0)
    able = [row for row in candidates.to_dicts() if row["loss"] <= within]
    chosen = min(able, key=_cost)
    error = "; one seed has no error" if best["error"] is None else f" (standard error {best['error']:.5f})"
    reasons = [
        f"{_name(best)} has the lowest mean validation loss, {best['loss']:.5f} over {best['seeds']} "
        f"seeds{error}."
    ]
    if chosen["loss"] == best["loss"]:
        reasons.append("No cheaper configuration lies within one standard error of it.")
    else:
        reasons.append(f"{_name(chosen)} is the cheapest of {len(able)} within one standard error of it.")
    worst = candidates.row(-1, named=True)
    reasons.append(
        f"The worst candidate, {_name(worst)}, is {worst['loss'] - best['loss']:.5f} above the best."
    )
    return {
        "chosen": {column: chosen[column] for column in _KEY},
        "problem": {"task": task, "timescale": timescale, "horizon": horizon, "measure": metric},
        "reasons": reasons,
        "candidates": [
            {column: row[column] for column in _KEY}
            | {
                "mean_validation_loss": round(row["loss"], 6),
                "standard_error": None if row["error"] is None else round(row["error"], 6),
                "seeds": row["seeds"],
            }
            for row in candidates.to_dicts()
        ],
    }


def _in_common_folds(runs: pl.DataFrame) -> pl.DataFrame:
    """The runs in the folds that every candidate has; on the study's own split, where there is no fold."""
    if runs["fold"].is_not_null().any():
        runs = runs.filter(pl.col("fold").is_not_null())
    candidates = runs.select(_KEY).n_unique() if runs.height else 0
    have = pl.struct(_KEY).n_unique().over("fold")
    common = runs.filter(have == candidates)
    if runs.height and common.is_empty():
        raise DataError("the candidates have no walk-forward fold in common; finish the runs of one of them.")
    return common


def _cost(row: dict[str, Any]) -> tuple[Any, ...]:
    dataset = row["dataset"]
    return BUDGET_PARAMETERS[row["budget"]], int(dataset[2:]), dataset[1], dataset[0], row["loss"]


def _name(row: dict[str, Any]) -> str:
    return f"{row['model']} {row['budget']} on {row['dataset']}"
