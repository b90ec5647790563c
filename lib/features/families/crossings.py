"""Crossings and extremes: how long something has lasted, how long ago it happened, how far it is away."""

from __future__ import annotations

import numpy as np
import polars as pl

from lib.features.declaration import feature, lengths
from lib.features.expressions import CLOSE, HIGH, LOW
from lib.features.indicators import Array, since, ta

FAMILY = "crossings"


def _duration(signal: Array, scale: float) -> Array:
    """Signed bars since the sign of a signal last changed, as tanh(bars / scale); 0 on that bar."""
    side = np.sign(signal)
    changed = np.concatenate([[True], side[1:] != side[:-1]])
    return np.where(np.isnan(signal), np.nan, side * np.tanh(since(changed) / scale))


def _recency(signal: Array, scale: float) -> Array:
    """Sign of the last crossing of zero times exp(-bars since / scale): 1 just crossed upwards."""
    side = np.sign(signal)
    changed = np.concatenate([[False], (side[1:] != side[:-1]) & ~np.isnan(side[:-1])])
    age = since(changed)
    happened = np.maximum.accumulate(changed)
    found = np.where(happened, side * np.exp(-age / scale), 0.0)
    return np.where(np.isnan(signal), np.nan, found)


@feature(
    "duration_above_sma_{length}",
    family=FAMILY,
    formula="tanh(bars on this side of SMA(C, {length}) / {length}) with the sign of the side",
    inputs=("close",),
    look_back=lambda length: length,
    library="TA-Lib",
    at={100: lengths(20, 50, 200), 500: lengths(10, 100)},
)
def duration_above_sma(bars: pl.DataFrame, length: int) -> Array:
    """How long the close has been above or below its average."""
    close = bars["close"].to_numpy()
    return _duration(close - ta("SMA", close, timeperiod=length), length)


@feature(
    "sma_cross_{fast}_{slow}",
    family=FAMILY,
    formula="sign and recency of the last crossing of SMA(C, {fast}) and SMA(C, {slow}), decay {slow} bars",
    inputs=("close",),
    look_back=lambda fast, slow: slow + 1,
    library="TA-Lib",
    at={
        100: [{"fast": f, "slow": s} for f, s in ((5, 20), (20, 50), (50, 200))],
        500: [{"fast": f, "slow": s} for f, s in ((10, 30), (20, 100))],
    },
)
def sma_cross(bars: pl.DataFrame, fast: int, slow: int) -> Array:
    """A golden or death cross that fades with time."""
    close = bars["close"].to_numpy()
    signal = ta("SMA", close, timeperiod=fast) - ta("SMA", close, timeperiod=slow)
    return np.where(np.arange(len(signal)) < slow, np.nan, _recency(signal, slow))


@feature(
    "macd_cross_{fast}_{slow}_{signal}",
    family=FAMILY,
    formula="sign and recency of the last crossing of MACD({fast}, {slow}) and its signal, decay {slow} bars",
    inputs=("close",),
    look_back=lambda fast, slow, signal: slow + signal,
    library="TA-Lib",
    at={100: [{"fast": 12, "slow": 26, "signal": 9}], 500: [{"fast": 20, "slow": 50, "signal": 15}]},
)
def macd_cross(bars: pl.DataFrame, fast: int, slow: int, signal: int) -> Array:
    """A crossing of the MACD that fades with time."""
    close = bars["close"].to_numpy()
    found = ta("MACD", close, part=2, fastperiod=fast, slowperiod=slow, signalperiod=signal)
    return np.where(np.arange(len(found)) < slow + signal - 1, np.nan, _recency(found, slow))


@feature(
    "rsi_side_{length}",
    family=FAMILY,
    formula="tanh(bars on this side of RSI(C, {length}) = 50 / {length}) with the sign of the side",
    inputs=("close",),
    look_back=lambda length: length + 1,
    library="TA-Lib",
    at={100: lengths(14), 500: lengths(28)},
)
def rsi_side(bars: pl.DataFrame, length: int) -> Array:
    """How long the RSI has been above or below its middle."""
    return _duration(ta("RSI", bars["close"].to_numpy(), timeperiod=length) - 50, length)


@feature(
    "age_of_high_{length}",
    family=FAMILY,
    formula="bars since the highest H of the last {length}+1 bars / {length}",
    inputs=("high",),
    look_back=lambda length: length + 1,
    library="TA-Lib",
    at={100: lengths(20, 60, 250), 500: lengths(10, 120)},
)
def age_of_high(bars: pl.DataFrame, length: int) -> Array:
    """How long ago the highest price was."""
    return 1 - ta("AROON", bars["high"].to_numpy(), bars["high"].to_numpy(), part=1, timeperiod=length) / 100


@feature(
    "age_of_low_{length}",
    family=FAMILY,
    formula="bars since the lowest L of the last {length}+1 bars / {length}",
    inputs=("low",),
    look_back=lambda length: length + 1,
    library="TA-Lib",
    at={100: lengths(20, 60, 250), 500: lengths(10, 120)},
)
def age_of_low(bars: pl.DataFrame, length: int) -> Array:
    """How long ago the lowest price was."""
    return 1 - ta("AROON", bars["low"].to_numpy(), bars["low"].to_numpy(), part=0, timeperiod=length) / 100


@feature(
    "drawdown_{length}",
    family=FAMILY,
    formula="ln(C[t] / max H) over {length} bars up to t",
    inputs=("high", "close"),
    look_back=lambda length: length,
    at={100: lengths(60, 250), 500: lengths(10, 20, 120)},
)
def drawdown(bars: pl.DataFrame, length: int) -> pl.Expr:
    """Distance below the highest price."""
    return (CLOSE / HIGH.rolling_max(length)).log()


@feature(
    "rise_{length}",
    family=FAMILY,
    formula="ln(C[t] / min L) over {length} bars up to t",
    inputs=("low", "close"),
    look_back=lambda length: length,
    at={100: lengths(60, 250), 500: lengths(10, 20, 120)},
)
def rise(bars: pl.DataFrame, length: int) -> pl.Expr:
    """Distance above the lowest price."""
    return (CLOSE / LOW.rolling_min(length)).log()


@feature(
    "close_rank_{length}",
    family=FAMILY,
    formula="percentile rank of C[t] among the last {length} closes, -1 to 1",
    inputs=("close",),
    look_back=lambda length: length,
    at={100: lengths(60, 120, 250), 500: lengths(20, 30)},
)
def close_rank(bars: pl.DataFrame, length: int) -> pl.Expr:
    """Where the close stands among those of a while."""
    return 2 * (CLOSE.rolling_rank(length, method="average") - 0.5) / length - 1
