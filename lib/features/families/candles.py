"""Shape of the bar: range, gap, and where open and close lie in it.

Ratios within a range of zero (a bar that did not trade away from one price) are 0, which is their middle.
"""

from __future__ import annotations

import polars as pl

from lib.features.catalogue import feature

OPEN, HIGH, LOW, CLOSE = pl.col("open"), pl.col("high"), pl.col("low"), pl.col("close")


@feature(
    "range_{length}",
    family="range",
    formula="ln(max H / min L) over {length} bar(s) up to t",
    inputs=("high", "low"),
    tier=20,
    look_back=lambda length: length,
    each=[{"length": 1}, {"length": 5}],
)
def log_range(bars: pl.DataFrame, length: int) -> pl.Expr:
    """Range of the last bars relative to the price: a level of volatility."""
    return (HIGH.rolling_max(length) / LOW.rolling_min(length)).log()


@feature(
    "range_position_{length}",
    family="range",
    formula="2·(C[t] - min L) / (max H - min L) - 1 over {length} bar(s) up to t",
    inputs=("high", "low", "close"),
    tier=20,
    look_back=lambda length: length,
    each=[{"length": 1}, {"length": 20}],
)
def range_position(bars: pl.DataFrame, length: int) -> pl.Expr:
    """Where the close lies in the range of the last bars: -1 at the low, 1 at the high."""
    top, bottom = HIGH.rolling_max(length), LOW.rolling_min(length)
    return pl.when(top > bottom).then(2 * (CLOSE - bottom) / (top - bottom) - 1).otherwise(top * 0)


@feature(
    "gap",
    family="range",
    formula="ln(O[t] / C[t-1])",
    inputs=("open", "close"),
    tier=20,
    look_back=lambda: 2,
)
def gap(bars: pl.DataFrame) -> pl.Expr:
    """Overnight move."""
    return (OPEN / CLOSE.shift(1)).log()


@feature(
    "body",
    family="candles",
    formula="(C[t] - O[t]) / (H[t] - L[t])",
    inputs=("open", "high", "low", "close"),
    tier=20,
    look_back=lambda: 1,
)
def body(bars: pl.DataFrame) -> pl.Expr:
    """Signed body of the candle as a share of its range. (As a return it would be return minus gap.)"""
    return pl.when(HIGH > LOW).then((CLOSE - OPEN) / (HIGH - LOW)).otherwise(0.0)


@feature(
    "upper_shadow",
    family="candles",
    formula="ln(H[t] / max(O[t], C[t]))",
    inputs=("open", "high", "close"),
    tier=20,
    look_back=lambda: 1,
)
def upper_shadow(bars: pl.DataFrame) -> pl.Expr:
    """How far the price went above the body, relative to the price."""
    return (HIGH / pl.max_horizontal(OPEN, CLOSE)).log()


@feature(
    "lower_shadow",
    family="candles",
    formula="ln(min(O[t], C[t]) / L[t])",
    inputs=("open", "low", "close"),
    tier=20,
    look_back=lambda: 1,
)
def lower_shadow(bars: pl.DataFrame) -> pl.Expr:
    """How far the price went below the body, relative to the price."""
    return (pl.min_horizontal(OPEN, CLOSE) / LOW).log()
