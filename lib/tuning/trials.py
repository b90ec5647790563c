"""The record of a search as a table: every trial, also the failed and the interrupted ones."""

from __future__ import annotations

from typing import Any

import optuna
import polars as pl
from optuna.trial import FrozenTrial, TrialState

from lib.config.hpo import FloatRange, IntRange, SearchSpace
from lib.tuning.space import values_of

ARCHITECTURE_COLUMNS = ("d_model", "n_layers", "n_heads", "d_ff")
_FEWEST = 8
"""Complete trials below which importances would be noise."""
FINISHED = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)


def is_interrupted(trial: FrozenTrial) -> bool:
    """Whether it ended with its process: a trial that failed by itself has a `reason`."""
    return trial.state == TrialState.FAIL and "reason" not in trial.user_attrs


def trials_frame(trials: list[FrozenTrial], space: SearchSpace) -> pl.DataFrame:
    """One row per trial.

    Columns: number, state (complete, pruned, failed, interrupted), value, one per parameter, the
    architecture (d_model, n_layers, n_heads, d_ff), param_count, seconds, steps, duplicate_of, reason.
    """
    names = list(space.parameters)
    rows = [_row(trial, names, space) for trial in trials if trial.state in FINISHED]
    schema: dict[str, Any] = {"number": pl.Int64, "state": pl.String, "value": pl.Float64}
    for name, values in space.parameters.items():
        if isinstance(values, FloatRange):
            schema[name] = pl.Float64
        elif isinstance(values, IntRange):
            schema[name] = pl.Int64
        else:
            kinds = {type(value) for value in values.values}
            number = pl.Int64 if kinds == {int} else pl.Float64
            schema[name] = number if kinds <= {int, float} else pl.String
            if schema[name] == pl.String:
                rows = [row | {name: None if row[name] is None else str(row[name])} for row in rows]
    for name in (*ARCHITECTURE_COLUMNS, "param_count"):
        schema.setdefault(name, pl.Int64)
    schema |= {"seconds": pl.Float64, "steps": pl.Int64, "duplicate_of": pl.Int64, "reason": pl.String}
    return pl.DataFrame(rows, schema=schema, orient="row")


def importances(study: optuna.Study, complete: list[FrozenTrial]) -> dict[str, Any]:
    """How much of the variance of the losses each parameter explains (Optuna's default evaluator, fANOVA).

    Returns:
        `method`, `n_trials`, and `shares` (parameter to share of 1), empty with a `reason` where there are
        too few trials.
    """
    names = {name for trial in complete for name in trial.params}
    facts: dict[str, Any] = {"method": "fANOVA", "n_trials": len(complete), "shares": {}, "reason": None}
    if len(complete) < _FEWEST or len({trial.value for trial in complete}) < 2 or len(names) < 2:
        return facts | {"reason": f"{len(complete)} complete trials tell too little"}
    evaluator = optuna.importance.FanovaImportanceEvaluator(seed=0)
    found = optuna.importance.get_param_importances(study, evaluator=evaluator)
    return facts | {"shares": {name: float(share) for name, share in found.items()}}


def _row(trial: FrozenTrial, names: list[str], space: SearchSpace) -> dict[str, Any]:
    facts = trial.user_attrs
    state = {"COMPLETE": "complete", "PRUNED": "pruned", "FAIL": "failed"}[trial.state.name]
    architecture = facts.get("architecture") or {}
    row = {"number": trial.number, "state": "interrupted" if is_interrupted(trial) else state}
    row["value"] = trial.value if trial.state != TrialState.PRUNED else None
    row |= {name: architecture.get(name) for name in ARCHITECTURE_COLUMNS}
    parameters = values_of(trial.params, space)
    row |= {name: parameters.get(name) for name in names}
    row |= {name: facts.get(name) for name in ("param_count", "seconds", "duplicate_of", "reason")}
    row["steps"] = facts.get("steps", max(trial.intermediate_values, default=None))
    return row
