"""Momentum oscillators, centred on 0 and free of the price's scale."""

from __future__ import annotations

import polars as pl

from lib.features import indicators
from lib.features.catalogue import feature
from lib.features.indicators import Array


@feature(
    "rsi_{length}",
    family="momentum",
    formula="(RSI(C, {length})[t] - 50) / 50",
    inputs=("close",),
    tier=20,
    look_back=lambda length: length + 1,
    library="TA-Lib",
    each=[{"length": 14}],
)
def rsi(bars: pl.DataFrame, length: int) -> Array:
    """Wilder's relative strength index on the scale from -1 to 1."""
    return (indicators.rsi(bars["close"].to_numpy(), length) - 50) / 50


@feature(
    "macd_histogram_{fast}_{slow}_{signal}",
    family="momentum",
    formula="(MACD - its signal line)({fast}, {slow}, {signal})[t] / C[t]",
    inputs=("close",),
    tier=20,
    look_back=lambda fast, slow, signal: slow + signal - 1,
    library="TA-Lib",
    each=[{"fast": 12, "slow": 26, "signal": 9}],
)
def macd_histogram(bars: pl.DataFrame, fast: int, slow: int, signal: int) -> Array:
    """MACD histogram as a fraction of the price."""
    close = bars["close"].to_numpy()
    return indicators.macd_histogram(close, fast, slow, signal) / close
