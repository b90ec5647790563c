"""Out-of-fold forecasts of base models, side by side, as a dataset table that any model can learn from.

The table has the form of every other dataset, so samples, splits, purge, training, predictions and evaluation
of a meta-module are those of any run. Fits nothing, and takes only forecasts of test parts: no model has seen
the bars it forecasts, nor a label that reaches into them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Self

import polars as pl

from lib.config.base import is_binary
from lib.config.meta import MetaModule
from lib.errors import DataError
from lib.features.schema import KEY_COLUMNS, PRICE_COLUMNS, channel_names
from lib.metrics.classification import CLIP

DAILY = ("daily", "multires")
"""Timescales with a bar per session."""


@dataclass(frozen=True)
class Base:
    """One base model's forecast problem; the fields are those of its run keys."""

    model: str
    budget: str
    dataset: str
    timescale: str
    task: str
    horizon: int

    @classmethod
    def of_run(cls, words: Mapping[str, Any]) -> Self:
        """From the key of one of its runs."""
        return cls(**{field.name: words[field.name] for field in fields(cls)})

    def forecasts(self, module: MetaModule) -> bool:
        """Whether it forecasts the same event as a meta-module."""
        wanted = (module.dataset, module.timescale, module.task, module.horizon)
        return (self.dataset, self.timescale, self.task, self.horizon) == wanted

    @property
    def channel(self) -> str:
        """Name of its channel, for example ``xgboost.Aa20.daily.threshold_1pct.h1``."""
        model = self.model if self.budget == "none" else f"{self.model}-{self.budget}"
        return ".".join((model, self.dataset, self.timescale, self.task, f"h{self.horizon}"))


def to_channel(predictions: pl.DataFrame, task: str) -> pl.Series:
    """Forecasts on the scale that is learned from: the logit of the probability, or the return; (n,)."""
    if not is_binary(task):
        return predictions["prediction"].cast(pl.Float64)
    probability = predictions["probability_1"].clip(CLIP, 1.0 - CLIP)
    return (probability / (1.0 - probability)).log()


def probability_of(channel: pl.Series) -> pl.Series:
    """The probability whose logit stands in a channel."""
    return 1.0 / (1.0 + (-channel.cast(pl.Float64)).exp())


def stack(
    dataset: pl.DataFrame,
    timescale: str,
    forecasts: Mapping[Base, Sequence[pl.DataFrame]],
    features: Sequence[str] = (),
) -> pl.DataFrame:
    """The dataset table of a meta-module: a channel per base model, then the chosen channels of `dataset`.

    Args:
        dataset: table of the forecast problem itself; its rows, prices and channels are used.
        timescale: of `dataset`.
        forecasts: for each base model the test predictions of its folds.
        features: channels of `dataset` to be kept.

    Returns:
        date, symbol, channels (Float32), open, high, low, close. A bar takes a base's forecast of the same
        bar; one of a slower timescale is joined as of the bar's date by the session on which the slower bar
        was complete. Bars before a base's first forecast and after its last one are left out, so that no
        forecast is older than its timescale makes it.

    Raises:
        DataError: a feature that is no channel, forecasts that are not of a test part, folds that overlap, or
            no bar that all bases forecast.
    """
    known = channel_names(dataset)
    unknown = [name for name in features if name not in known]
    if unknown:
        raise DataError(
            f"the dataset has no channel {', '.join(unknown)}; the channels of each tier are listed in "
            "docs/features.md."
        )
    table = dataset.select(*KEY_COLUMNS, *(pl.col(name) for name in features), *PRICE_COLUMNS)
    for base, folds in forecasts.items():
        table = _join(table, base, _forecasts(base, folds), timescale)
        if table.is_empty():
            raise DataError(
                f"no bar is left that {base.channel} and the bases before it all forecast; "
                "move `walk_forward.first_test` or leave that base out."
            )
    channels = [base.channel for base in forecasts]
    return table.select(
        *KEY_COLUMNS,
        *(pl.col(name).cast(pl.Float32) for name in (*channels, *features)),
        *PRICE_COLUMNS,
    ).sort("symbol", "date")


def _forecasts(base: Base, folds: Sequence[pl.DataFrame]) -> pl.DataFrame:
    for fold in folds:
        others = sorted(set(fold["part"].fill_null("none").unique()) - {"test"})
        if others:
            raise DataError(
                f"{base.channel}: forecasts of the part {', '.join(others)} cannot be stacked; the model has "
                "learned or chosen there. Only test parts are out of fold."
            )
    parts = [
        fold.select("date", "symbol").with_columns(to_channel(fold, base.task).alias(base.channel))
        for fold in folds
    ]
    joined = pl.concat(parts).sort("date", "symbol")
    if joined.select(pl.struct("date", "symbol").is_duplicated().any()).item():
        raise DataError(f"{base.channel}: two folds forecast the same bar; their test parts overlap.")
    return joined


def _join(table: pl.DataFrame, base: Base, forecasts: pl.DataFrame, timescale: str) -> pl.DataFrame:
    if base.timescale == timescale or {base.timescale, timescale} <= set(DAILY):
        return table.join(forecasts, on=["date", "symbol"], how="inner")
    last = forecasts.group_by("symbol").agg(last_forecast=pl.col("date").max())
    return (
        table.sort("date")
        .join_asof(forecasts, on="date", by="symbol", strategy="backward", check_sortedness=False)
        .join(last, on="symbol")
        .filter(pl.col("date") <= pl.col("last_forecast"), pl.col(base.channel).is_not_null())
        .drop("last_forecast")
    )
