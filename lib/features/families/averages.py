"""Relations of the close to its moving averages. An average itself is a raw level and never a channel."""

from __future__ import annotations

import polars as pl

from lib.features import indicators
from lib.features.catalogue import feature
from lib.features.indicators import Array


@feature(
    "close_to_sma_{length}",
    family="moving averages",
    formula="C[t] / SMA(C, {length})[t] - 1",
    inputs=("close",),
    tier=20,
    look_back=lambda length: length,
    library="TA-Lib",
    each=[{"length": 20}, {"length": 200}],
)
def close_to_sma(bars: pl.DataFrame, length: int) -> Array:
    """Signed distance from a simple moving average, as a fraction of it."""
    close = bars["close"].to_numpy()
    return close / indicators.sma(close, length) - 1


@feature(
    "close_to_ema_{length}",
    family="moving averages",
    formula="C[t] / EMA(C, {length})[t] - 1",
    inputs=("close",),
    tier=20,
    look_back=lambda length: length,
    library="TA-Lib",
    each=[{"length": 50}],
)
def close_to_ema(bars: pl.DataFrame, length: int) -> Array:
    """Signed distance from an exponential moving average, as a fraction of it."""
    close = bars["close"].to_numpy()
    return close / indicators.ema(close, length) - 1
