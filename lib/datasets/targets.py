"""Targets: the value to forecast for every bar at a horizon, and the date on which it becomes known.

Targets use the future on purpose, and only they do; `splits` decides which samples are trained on.
"""

from __future__ import annotations

from typing import get_args

import polars as pl

from lib.config.base import Task, is_ternary, threshold_of
from lib.config.experiment import BarrierConfig
from lib.datasets.barriers import triple_barrier
from lib.errors import ConfigError, DataError


def add_targets(
    frame: pl.DataFrame, task: Task, horizon: int, barriers: BarrierConfig | None = None
) -> pl.DataFrame:
    """`frame` with the columns `target` (Float64) and `label_end` (Date) added; rows stay as they are.

    `frame` has date, symbol, high, low, close, sorted by symbol and date; `horizon` H is in bars, at least 1.
    Within each symbol, for the bar t:

    - `threshold_Npct`: 1 if max(high[t+1..t+H]) >= close[t]·(1 + N/100), else 0;
    - `direction`: 1 if close[t+H] > close[t], else 0;
    - `regression`: close[t+H] / close[t] - 1;
    - `triple_barrier`: -1, 0 or 1, see `triple_barrier`; `barriers` are for this task only.

    `label_end` is the date of bar t+H (also of a barrier touched before: to keep early touches and purge
    the rest would change the classes at every border). Both are null for the last H bars of a symbol, and
    where a ternary label is not defined.
    Raises ConfigError for an unknown task or horizon, DataError if no symbol has more than H bars.
    """
    if task not in get_args(Task):
        raise ConfigError(f"unknown task {task!r}; use one of {', '.join(get_args(Task))}.")
    if horizon < 1:
        raise ConfigError(f"horizon {horizon} is not possible; it is the number of bars ahead, at least 1.")
    longest = max(frame.group_by("symbol").len()["len"].to_list(), default=0)
    if horizon >= longest:
        raise DataError(
            f"horizon {horizon} is longer than the data: the longest symbol has {longest} bars after "
            f"warm-up. Use a shorter horizon or a longer history."
        )
    label_end = pl.col("date").shift(-horizon).over("symbol")
    labelled = frame.with_columns(target=_target(task, horizon, barriers).cast(pl.Float64))
    return labelled.with_columns(label_end=pl.when(pl.col("target").is_not_null()).then(label_end))


def _target(task: Task, horizon: int, barriers: BarrierConfig | None) -> pl.Expr:
    if is_ternary(task):
        return triple_barrier(horizon, barriers or BarrierConfig())
    close = pl.col("close")
    if task.startswith("threshold_"):
        # A maximum over the H bars that end at t+H, moved back to t.
        highest = pl.col("high").rolling_max(horizon).shift(-horizon).over("symbol")
        return highest >= close * (1 + threshold_of(task))
    last = close.shift(-horizon).over("symbol")
    return last > close if task == "direction" else last / close - 1
