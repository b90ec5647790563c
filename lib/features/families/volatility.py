"""Level of volatility, as a fraction of the price: the main signal of the touch tasks."""

from __future__ import annotations

import numpy as np
import polars as pl

from lib.features import indicators
from lib.features.catalogue import feature
from lib.features.indicators import Array


@feature(
    "atr_{length}",
    family="volatility",
    formula="ATR({length})[t] / C[t]",
    inputs=("high", "low", "close"),
    tier=20,
    look_back=lambda length: length + 1,
    library="TA-Lib",
    each=[{"length": 14}],
)
def atr(bars: pl.DataFrame, length: int) -> Array:
    """Wilder's average true range as a fraction of the price."""
    high, low, close = (bars[name].to_numpy() for name in ("high", "low", "close"))
    return indicators.atr(high, low, close, length) / close


@feature(
    "volatility_{length}",
    family="volatility",
    formula="standard deviation (n-1) of ln(C[i] / C[i-1]), {length} returns up to t, per bar",
    inputs=("close",),
    tier=20,
    look_back=lambda length: length + 1,
    library="pandas-ta",
    each=[{"length": 20}],
)
def volatility(bars: pl.DataFrame, length: int) -> Array:
    """Realised volatility of the close, per bar (not annualised)."""
    log_close = np.log(bars["close"].to_numpy())
    return indicators.rolling_deviation(np.diff(log_close, prepend=np.nan), length)
