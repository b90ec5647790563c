"""The paired difference of two tables of predictions, for comparisons without a table of runs."""

from __future__ import annotations

import numpy as np
import polars as pl

from lib.inference.bootstrap import index_dates, sum_by_date
from lib.inference.comparisons import Estimate, estimate_mean
from lib.scoring.measures import loss_per_sample, scores_of


def paired_difference(a: pl.DataFrame, b: pl.DataFrame, task: str, horizon: int) -> Estimate | None:
    """Mean loss of predictions `a` minus that of `b` on the samples (date and symbol) that both hold.

    Args:
        a: predictions of one run, columns `date, symbol, target` and the scores of its task.
        b: predictions of the other.
        task: decides the loss: log loss in nats, or squared error.
        horizon: least block length in bars.

    Returns:
        The estimate, negative where `a` is better; None if the two share no finite prediction.
    """
    tables = [
        frame.select("date", "symbol", pl.Series(name, loss_per_sample(target, scores_of(frame, task), task)))
        for name, frame in (("a", a), ("b", b))
        for target in (frame["target"].cast(pl.Float64).to_numpy(),)
    ]
    joined = tables[0].join(tables[1], on=["date", "symbol"]).sort("date", "symbol")
    difference = (joined["a"] - joined["b"]).to_numpy()
    finite = np.isfinite(difference)
    if not finite.any():
        return None
    dates, index = index_dates(joined["date"].to_numpy()[finite])
    sums = sum_by_date(difference[finite], index, dates.size)
    counts = sum_by_date(np.ones(int(finite.sum())), index, dates.size)
    return estimate_mean(sums, counts, horizon)
