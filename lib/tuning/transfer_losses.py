"""Losses that show whether a recipe transfers to another size: the found rate and its neighbours, trained
there.

Gives losses and judges nothing (`lib.scaling.transfer` does).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import polars as pl

from lib.config.resolve import ResolvedRun
from lib.datasets.windows import SplitSamples
from lib.errors import TrainingDiverged
from lib.metrics.losses import intercept_refitted, losses
from lib.models.contract import Model
from lib.training.progress import say

LOSSES = {
    "factor": pl.Float64,
    "learning_rate": pl.Float64,
    "date": pl.Date,
    "loss": pl.Float64,
    "n": pl.Int64,
}
"""Columns of a check: the mean loss of each selection date, with the intercept re-fitted, and its samples. A
training that diverged has one row without a date."""


def with_rate(resolved: ResolvedRun, factor: float) -> ResolvedRun:
    """The same run with a multiple of its learning rate."""
    rate = factor * resolved.recipe.learning_rate
    return resolved.model_copy(update={"recipe": resolved.recipe.model_copy(update={"learning_rate": rate})})


def losses_by_rate(
    resolved: ResolvedRun,
    samples: SplitSamples,
    factors: Sequence[float],
    fit: Callable[[ResolvedRun, float], Model],
) -> pl.DataFrame:
    """Selection losses of the found rate and its multiples.

    Args:
        resolved: with the found recipe.
        samples: training, and selection of the primary symbol.
        factors: multiples of the rate.
        fit: trains a run on them; it also receives the factor.

    Returns:
        A table with the columns `LOSSES`.
    """
    tables = []
    for factor in factors:
        own = with_rate(resolved, factor)
        try:
            model = fit(own, factor)
        except TrainingDiverged as error:
            say(f"{factor:g} times the found rate: {error}")
            found = pl.DataFrame({"date": [None], "loss": [None], "n": [0]})
        else:
            selection, binary = samples.selection, model.problem.binary
            forecast = intercept_refitted(selection.target, model.forecast(selection), binary)
            found = (
                pl.DataFrame({"date": selection.dates, "loss": losses(selection.target, forecast, binary)})
                .group_by("date")
                .agg(pl.col("loss").mean(), n=pl.len())
                .sort("date")
            )
        rate = own.recipe.learning_rate
        tables.append(found.with_columns(factor=pl.lit(factor), learning_rate=pl.lit(rate)))
    return pl.concat(
        [table.select(pl.col(name).cast(kind) for name, kind in LOSSES.items()) for table in tables]
    )
