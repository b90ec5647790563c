"""The table of all models of every problem: selection and test measures with intervals, and training times.

The selection part is where models stopped or chose, so its figures are optimistic, and more so for those that
chose among more; nothing was chosen on the test. Measures are of the samples that all models share.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import polars as pl

from lib.config.base import is_binary, primary_metric
from lib.config.workflow import EvaluationConfig
from lib.errors import DataError
from lib.inference.comparisons import Estimate
from lib.scaling.axes import CASE, Row
from lib.scaling.curves import estimate_auc, estimate_loss
from lib.scaling.entries import named
from lib.scaling.folds import join
from lib.scaling.run_index import Group, RunIndex, StudyRuns, by_group
from lib.scaling.samples import Aligned, PredictionFiles, Reader, selection_reader

_FROM_TEST = ("difference", "difference_low", "difference_high", "in_confidence_set")


def comparison_table(
    tables: Sequence[Mapping[str, Any]], runs: pl.DataFrame, read: Reader, cfg: EvaluationConfig,
    primary: str | None = None,
) -> pl.DataFrame:  # fmt: skip
    """One row per problem and model, in order of the loss on the selection part.

    Args:
        tables: the tables of models (`lib.scaling.baselines`): which runs are compared, and their paired
            test differences from the model that was best on selection.
        runs: the table of runs.
        read: given a run's path and a split (`val`, `test`), its predictions.
        cfg: confidence of the intervals.
        primary: symbol whose windows count, where a run has it.

    Returns:
        The key columns of the case; the number of `folds`; `model, budget, seeds`; for `selection_` and
        `test_` the primary measure, and for two classes `brier` and `auc`, each with `_low` and `_high`;
        `test_difference` with its ends (of log losses or squared errors, paired by date); `training_seconds`,
        the mean over runs.

    Raises:
        DataError: predictions of a compared run are missing or damaged.
    """
    readers = {
        "selection": PredictionFiles(selection_reader(read), primary),
        "test": PredictionFiles(lambda path, _: read(path, "test"), primary),
    }
    done = runs.filter(pl.col("status") == "done")
    rows = [row for table in tables for row in _rows(table, done, readers, cfg)]
    if not rows:
        raise DataError("no finished runs of any problem: nothing to compare.")
    return pl.DataFrame(rows, infer_schema_length=None)


def _rows(
    table: Mapping[str, Any],
    done: pl.DataFrame,
    readers: Mapping[str, PredictionFiles],
    cfg: EvaluationConfig,
) -> list[dict[str, Any]]:
    key = {column: table[column] for column in CASE}
    folds = pl.col("fold").is_in(table["folds"]) if table["folds"] else pl.col("fold").is_null()
    members = done.filter(folds, *(pl.col(column) == value for column, value in key.items())).sort("path")
    index = RunIndex(members)
    groups = by_group(index.rows)
    measured = {part: _measure(groups, StudyRuns(index, own, cfg), part) for part, own in readers.items()}
    rows = []
    for line in table["rows"]:
        group = (line["model"], line["budget"])
        seconds = [member["train_seconds"] for member in groups[group]]
        rows.append(
            {**key, "folds": max(1, len(table["folds"])), "model": group[0], "budget": group[1]}
            | {"seeds": line["seeds"]}
            | measured["selection"][group]
            | measured["test"][group]
            | {f"test_{name}": line.get(name) for name in _FROM_TEST}
            | {"training_seconds": sum(seconds) / len(seconds)}
        )
    metric = f"selection_{primary_metric(key['task'])}"
    return sorted(rows, key=lambda row: float(row[metric]))


def _measure(
    groups: Mapping[Group, Sequence[Row]], material: StudyRuns, part: str
) -> dict[Group, dict[str, float | None]]:
    first = next(iter(groups.values()))[0]
    joined = join(groups, material, str(first["task"]), "the comparison")
    unusable = material.predictions.troubles
    if joined is None or unusable or len(joined.positions) < len(groups):
        problems = [trouble[-1] for trouble in unusable] + [trouble.text for trouble in material.troubles]
        raise DataError(f"models cannot be compared on the {part} part: " + " ".join(problems))
    return {
        group: _measures(joined.aligned, own, int(first["horizon"]), material.cfg, part)
        for group, own in joined.positions.items()
    }


def _measures(
    aligned: Aligned, own: Sequence[int], horizon: int, cfg: EvaluationConfig, part: str
) -> dict[str, float | None]:
    estimates: dict[str, Estimate | None] = {
        primary_metric(aligned.task): estimate_loss(aligned.losses(own), horizon)
    }
    if is_binary(aligned.task):
        # The Brier score is the squared error of the probability.
        brier = estimate_loss(replace(aligned, task="regression").losses(own), horizon)
        estimates["brier"] = replace(brier, most=1.0)
        estimates["auc"] = estimate_auc(aligned, own, horizon)
    found: dict[str, float | None] = {}
    for name, estimate in estimates.items():
        found |= named(f"{part}_{name}", estimate, cfg.confidence)
    return found
