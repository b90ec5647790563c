"""Builds the dataset table: the channels of a tier for all symbols, with the prices that targets need.

Knows nothing of targets, splits or models, and repairs nothing: a value that is not finite is an error.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

import numpy as np
import polars as pl

from lib.config.base import Timescale
from lib.errors import DataError
from lib.features.catalogue import LOOK_BACK_CAP, catalogue
from lib.features.declaration import Feature
from lib.features.groups import SeriesInput, join_series
from lib.features.schema import PRICE_COLUMNS
from lib.features.slower import join_slower


def assemble(
    bars_by_symbol: Mapping[str, pl.DataFrame],
    tier: int,
    timescale: Timescale = "daily",
    series: Sequence[SeriesInput] = (),
    until: date | None = None,
    history_from: date | None = None,
    slower: Mapping[str, Mapping[str, pl.DataFrame]] | None = None,
) -> pl.DataFrame:
    """The dataset table of some symbols at one timescale.

    `bars_by_symbol` maps a label to its bars (see `bars.resample`). The result has the columns date, symbol,
    the channels (Float32, those of `series` last), open, high, low, close (Float64), sorted by symbol and
    date, and no value in it is null or not finite. The first `LOOK_BACK_CAP[timescale] - 1` bars of each
    symbol are dropped as warm-up, whatever the tier, so that all tiers have the same dates. For `series`,
    `until` and `history_from` see `groups.join_series`. Timescale `multires` needs `slower`: for each symbol
    its weekly and monthly bars by timescale.

    Raises ConfigError for a tier or timescale that is not built, DataError for bars that cannot be used.
    """
    features = catalogue(tier, timescale)
    if not bars_by_symbol:
        raise DataError("there are no bars to compute features from: the dataset has no symbols.")
    warm_up = LOOK_BACK_CAP[timescale] - 1
    parts = []
    for symbol in sorted(bars_by_symbol):
        bars = bars_by_symbol[symbol].sort("date").with_columns(pl.col(PRICE_COLUMNS).cast(pl.Float64))
        _check_bars(bars, symbol, features, warm_up, timescale)
        table = _table(bars, symbol, features).slice(warm_up)
        if timescale == "multires":
            table = join_slower(table, (slower or {})[symbol], compute)
        _check_finite(table, symbol, features)
        parts.append(table)
    prices = pl.concat(parts)
    if not series and history_from is None:
        return prices
    return join_series(prices, series, until, history_from).select(pl.exclude(PRICE_COLUMNS), *PRICE_COLUMNS)


def compute(bars: pl.DataFrame, features: Sequence[Feature]) -> pl.DataFrame:
    """The channels (Float32) of one symbol's bars, one row per bar; warm-up rows are null or NaN.

    `features` is a whole tier: what a derived feature is made of must stand before it.
    """
    columns: list[pl.Expr | pl.Series] = []
    for feature in features:
        if feature.compute is not None:
            values = feature.compute(bars, **feature.parameters)
            columns.append(
                values.cast(pl.Float64).alias(feature.name)
                if isinstance(values, pl.Expr)
                else pl.Series(feature.name, values, dtype=pl.Float64)
            )
    table = bars.select(columns).fill_nan(None)
    derived = [
        feature.derive(*(pl.col(name) for name in feature.sources), **feature.parameters).alias(feature.name)
        for feature in features
        if feature.derive is not None
    ]
    return table.with_columns(derived).select(pl.col(f.name).cast(pl.Float32) for f in features)


def _table(bars: pl.DataFrame, symbol: str, features: Sequence[Feature]) -> pl.DataFrame:
    keys = bars.select(pl.col("date"), pl.lit(symbol).alias("symbol"))
    prices = bars.select(pl.col(PRICE_COLUMNS).cast(pl.Float64))
    return pl.concat([keys, compute(bars, features), prices], how="horizontal")


def _check_bars(
    bars: pl.DataFrame, symbol: str, features: Sequence[Feature], warm_up: int, timescale: str
) -> None:
    """Bars long enough, without repeated dates, and finite wherever a feature or a target reads them."""
    if bars.height <= warm_up:
        raise DataError(
            f"{symbol} has {bars.height} {timescale} bars, but features need {warm_up} bars of warm-up "
            f"before the first sample; give it a longer history or leave it out of the dataset."
        )
    if bars["date"].is_duplicated().any():
        day = bars.filter(pl.col("date").is_duplicated())["date"][0]
        raise DataError(f"{symbol} has more than one {timescale} bar on {day}; dates must be unique.")
    read = {column for feature in features for column in feature.inputs} - {"date"}
    used = sorted({*PRICE_COLUMNS, *read})
    for column in used:
        # One NaN would silently make all later values of a recursive average NaN.
        valid = pl.col(column).is_finite() & (pl.col(column) > 0 if column in PRICE_COLUMNS else True)
        bad = bars.filter(~valid.fill_null(False))
        if bad.height:
            raise DataError(
                f"{symbol} has {bad.height} {timescale} bar(s) whose {column} is missing, not finite or not "
                f"positive, the first on {bad['date'][0]}; correct the source."
            )


def _check_finite(table: pl.DataFrame, symbol: str, features: Sequence[Feature]) -> None:
    """No channel may be undefined after the warm-up: dropping its row would change the dates of this tier."""
    channels = table.select(pl.exclude("date", "symbol", *PRICE_COLUMNS))
    finite = np.isfinite(channels.to_numpy())
    if not finite.all():
        row, column = np.argwhere(~finite)[0]
        raise DataError(
            f"feature {channels.columns[column]} of {symbol} is undefined on {table['date'][int(row)]} "
            f"({int((~finite).sum())} such values); look at the prices before that date."
        )
