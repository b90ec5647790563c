"""What the market did, from the prices of a dataset: volatility regimes and next-open returns.

Volatility of a day uses closes up to that day only. The return that a position of day t earns lies wholly
after the close of t: from the open of the next bar to the open of the one after it.
"""

from __future__ import annotations

from datetime import date

import polars as pl

REGIME_BARS = 20
"""Bars over which volatility is measured."""


def volatility_regimes(prices: pl.DataFrame, train_end: date | None) -> pl.DataFrame | None:
    """The regime of every day: thirds of the volatility that the symbol had in training.

    Args:
        prices: `date, symbol, close`.
        train_end: last training date; later days do not move the limits. None: all days set them.

    Returns:
        `date, symbol, volatility` (standard deviation of 20 log returns up to the day, annualised),
        `regime` (low, middle, high), `volatility_low`, `volatility_high` (limits of the regime, null at the
        open ends); None if no day has a volatility before `train_end`.
    """
    daily = prices.sort("symbol", "date").with_columns(
        volatility=pl.col("close").log().diff().rolling_std(REGIME_BARS).over("symbol")
    )
    daily = daily.filter(pl.col("volatility").is_not_null())
    known = daily if train_end is None else daily.filter(pl.col("date") <= train_end)
    if known.height == 0:
        return None
    limits = known.group_by("symbol").agg(
        lower=pl.col("volatility").quantile(1 / 3), upper=pl.col("volatility").quantile(2 / 3)
    )
    per_year = bars_per_year(daily["date"]) ** 0.5
    level = pl.col("volatility")
    lowest = pl.when(level <= pl.col("lower")).then(pl.lit("low"))
    regime = lowest.when(level <= pl.col("upper")).then(pl.lit("middle")).otherwise(pl.lit("high"))
    return daily.join(limits, on="symbol").select(
        "date",
        "symbol",
        volatility=level * per_year,
        regime=regime,
        volatility_low=pl.when(level > pl.col("upper")).then(pl.col("upper"))
        .when(level > pl.col("lower")).then(pl.col("lower")) * per_year,
        volatility_high=pl.when(level <= pl.col("lower")).then(pl.col("lower"))
        .when(level <= pl.col("upper")).then(pl.col("upper")) * per_year,
    )  # fmt: skip


def next_open_returns(prices: pl.DataFrame) -> pl.DataFrame:
    """What a position decided at the close of each day earns when it is taken at the next open.

    Args:
        prices: `date, symbol, open`.

    Returns:
        `date, symbol, entry` (date of the next bar), `market_return` (open of the next bar to the open of the
        one after it). Days without two later bars are left out: their result is not known yet.
    """
    entry, end = pl.col("open").shift(-1).over("symbol"), pl.col("open").shift(-2).over("symbol")
    return (
        prices.sort("symbol", "date")
        .with_columns(entry=pl.col("date").shift(-1).over("symbol"), market_return=end / entry - 1.0)
        .filter(pl.col("market_return").is_not_null())
        .select("date", "symbol", "entry", "market_return")
    )


def bars_per_year(dates: pl.Series) -> float:
    """Number of bars per calendar year, measured from the dates."""
    days = dates.unique().sort()
    span = (days[-1] - days[0]).days if len(days) > 1 else 0
    return (len(days) - 1) / (span / 365.25) if span else 1.0
