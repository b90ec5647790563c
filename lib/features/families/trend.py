"""Strength and direction of trends, in numbers without a scale."""

from __future__ import annotations

import numpy as np
import polars as pl

from lib.features.declaration import feature, lengths
from lib.features.expressions import CLOSE, HIGH, LOW, TRUE_RANGE
from lib.features.indicators import Array, high_low_close, pandas_ta, ratio, ta

FAMILY = "trend"


@feature(
    "adx_{length}",
    family=FAMILY,
    formula="ADX({length})[t] / 100",
    inputs=("high", "low", "close"),
    look_back=lambda length: 2 * length,
    library="TA-Lib",
    at={100: lengths(14), 200: lengths(28), 500: lengths(7, 50)},
)
def adx(bars: pl.DataFrame, length: int) -> Array:
    """Wilder's average directional index: strength without direction."""
    return ta("ADX", *high_low_close(bars), timeperiod=length) / 100


@feature(
    "directional_balance_{length}",
    family=FAMILY,
    formula="(+DI - -DI)({length})[t] / 100",
    inputs=("high", "low", "close"),
    look_back=lambda length: length + 1,
    library="TA-Lib",
    at={100: lengths(14), 200: lengths(28), 500: lengths(7, 50, 100)},
)
def directional_balance(bars: pl.DataFrame, length: int) -> Array:
    """Direction of the movement by Wilder's indicators."""
    plus = ta("PLUS_DI", *high_low_close(bars), timeperiod=length)
    return (plus - ta("MINUS_DI", *high_low_close(bars), timeperiod=length)) / 100


@feature(
    "aroon_{length}",
    family=FAMILY,
    formula="Aroon oscillator({length})[t] / 100",
    inputs=("high", "low"),
    look_back=lambda length: length + 1,
    library="TA-Lib",
    at={100: lengths(25), 200: lengths(50), 500: lengths(10, 100, 200)},
)
def aroon(bars: pl.DataFrame, length: int) -> Array:
    """Whether the last high or the last low is more recent."""
    return ta("AROONOSC", bars["high"].to_numpy(), bars["low"].to_numpy(), timeperiod=length) / 100


@feature(
    "close_to_sar",
    family=FAMILY,
    formula="(C[t] - SAR(0.02, 0.2)[t]) / C[t]",
    inputs=("high", "low", "close"),
    look_back=lambda: 2,
    library="TA-Lib",
    at={100: [{}]},
)
def close_to_sar(bars: pl.DataFrame) -> Array:
    """Distance from Wilder's parabolic stop."""
    high, low, close = high_low_close(bars)
    return (close - ta("SAR", high, low, acceleration=0.02, maximum=0.2)) / close


@feature(
    "regression_slope_{length}",
    family=FAMILY,
    formula="slope of the straight line through ln C over {length} bars up to t, per bar",
    inputs=("close",),
    look_back=lambda length: length,
    library="TA-Lib",
    minimum=4,  # through three points it is the return over two bars
    at={100: lengths(20, 50), 200: lengths(10, 100), 500: lengths(5, 150)},
)
def regression_slope(bars: pl.DataFrame, length: int) -> Array:
    """Least-squares growth rate."""
    return ta("LINEARREG_SLOPE", np.log(bars["close"].to_numpy()), timeperiod=length)


@feature(
    "regression_fit_{length}",
    family=FAMILY,
    formula="correlation of ln C with time over {length} bars up to t",
    inputs=("close",),
    look_back=lambda length: length,
    at={100: lengths(20), 200: lengths(50), 500: lengths(10, 100)},
)
def regression_fit(bars: pl.DataFrame, length: int) -> Array:
    """How straight the path was, with its sign."""
    logs = np.log(bars["close"].to_numpy())
    slope = ta("LINEARREG_SLOPE", logs, timeperiod=length)
    spread = np.sqrt(np.maximum(pl.Series(logs).rolling_var(length, ddof=0).to_numpy(), 0.0))
    return np.clip(ratio(slope * np.sqrt((length**2 - 1) / 12), np.where(spread > 1e-9, spread, 0.0)), -1, 1)


@feature(
    "regression_distance_{length}",
    family=FAMILY,
    formula="ln C[t] less the end of the straight line through the last {length} bars",
    inputs=("close",),
    look_back=lambda length: length,
    library="TA-Lib",
    at={500: lengths(10, 20, 50, 100)},
)
def regression_distance(bars: pl.DataFrame, length: int) -> Array:
    """Distance from the line of the trend."""
    logs = np.log(bars["close"].to_numpy())
    return logs - ta("LINEARREG", logs, timeperiod=length)


@feature(
    "vortex_{length}",
    family=FAMILY,
    formula="(VI+ - VI-)({length})[t]",
    inputs=("high", "low", "close"),
    look_back=lambda length: length + 1,
    at={100: lengths(14), 500: lengths(30, 60)},
)
def vortex(bars: pl.DataFrame, length: int) -> pl.Expr:
    """Botes and Siepman's vortex: which way the ranges move."""
    moves = (HIGH - LOW.shift(1)).abs() - (LOW - HIGH.shift(1)).abs()
    whole = TRUE_RANGE.rolling_mean(length)
    return pl.when(whole > 0).then(moves.rolling_mean(length) / whole).otherwise(whole)


@feature(
    "choppiness_{length}",
    family=FAMILY,
    formula="log(sum of true ranges / range, {length} bars) / log({length}), 0 straight to 1 choppy",
    inputs=("high", "low", "close"),
    look_back=lambda length: length + 1,
    at={100: lengths(14), 200: lengths(28), 500: lengths(60)},
)
def choppiness(bars: pl.DataFrame, length: int) -> pl.Expr:
    """Dreiss' choppiness index."""
    whole = HIGH.rolling_max(length) - LOW.rolling_min(length)
    found = (TRUE_RANGE.rolling_mean(length) * length / whole).log() / np.log(length)
    return pl.when(whole > 0).then(found).otherwise(TRUE_RANGE.rolling_mean(length) * 0)


@feature(
    "efficiency_{length}",
    family=FAMILY,
    formula="(C[t] - C[t-{length}]) / sum of |C[i] - C[i-1]|",
    inputs=("close",),
    look_back=lambda length: length + 1,
    at={100: lengths(10, 20), 200: lengths(50), 500: lengths(5, 100, 200)},
)
def efficiency(bars: pl.DataFrame, length: int) -> pl.Expr:
    """Kaufman's efficiency ratio with its sign: 1 straight up, -1 straight down."""
    path = CLOSE.diff().abs().rolling_mean(length) * length
    return pl.when(path > 0).then((CLOSE - CLOSE.shift(length)) / path).otherwise(path).clip(-1, 1)


@feature(
    "supertrend_{length}",
    family=FAMILY,
    formula="(C[t] - supertrend({length}, 3)[t]) / C[t]",
    inputs=("high", "low", "close"),
    look_back=lambda length: length + 1,
    library="pandas-ta-classic",
    at={500: lengths(10, 30)},
)
def supertrend(bars: pl.DataFrame, length: int) -> Array:
    """Distance from the supertrend stop."""
    high, low, close = high_low_close(bars)
    stop = pandas_ta("supertrend", high, low, close, length=length, multiplier=3.0)
    found: Array = (close - stop) / close
    found[: length + 1] = np.where(
        np.arange(min(length + 1, len(found))) < length, np.nan, found[: length + 1]
    )
    return found
