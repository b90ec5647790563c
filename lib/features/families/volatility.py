"""Level of volatility, as a fraction of the price: the main signal of the touch tasks."""

from __future__ import annotations

import numpy as np
import polars as pl

from lib.features.declaration import feature, lengths
from lib.features.expressions import CLOSE, HIGH, LOW, NOTHING, OPEN, RETURN
from lib.features.indicators import Array, high_low_close, ratio, rolling_deviation, ta

FAMILY = "volatility"


def _root(variance: pl.Expr) -> pl.Expr:
    """Square root of a mean that is positive up to rounding."""
    return pl.when(variance > NOTHING).then(variance).otherwise(variance * 0).sqrt()


@feature(
    "atr_{length}",
    family=FAMILY,
    formula="ATR({length})[t] / C[t]",
    inputs=("high", "low", "close"),
    look_back=lambda length: length + 1,
    library="TA-Lib",
    at={20: lengths(14), 50: lengths(21), 200: lengths(7, 50), 500: lengths(5, 10, 30, 100)},
)
def atr(bars: pl.DataFrame, length: int) -> Array:
    """Wilder's average true range as a fraction of the price."""
    high, low, close = high_low_close(bars)
    return ta("ATR", high, low, close, timeperiod=length) / close


@feature(
    "volatility_{length}",
    family=FAMILY,
    formula="standard deviation (n-1) of ln(C[i] / C[i-1]), {length} returns up to t, per bar",
    inputs=("close",),
    look_back=lambda length: length + 1,
    at={20: lengths(20), 50: lengths(10, 50), 200: lengths(5, 100), 500: lengths(30, 75, 150, 250)},
)
def volatility(bars: pl.DataFrame, length: int) -> pl.Expr:
    """Realised volatility of the close, per bar (not annualised)."""
    return _root(RETURN.rolling_var(length))


@feature(
    "parkinson_{length}",
    family=FAMILY,
    formula="root of the mean of ln(H/L)² / (4 ln 2) over {length} bars up to t",
    inputs=("high", "low"),
    look_back=lambda length: length,
    at={50: lengths(20), 200: lengths(10, 50), 500: lengths(5, 100)},
)
def parkinson(bars: pl.DataFrame, length: int) -> pl.Expr:
    """Parkinson (1980): volatility from the range."""
    return _root(((HIGH / LOW).log() ** 2).rolling_mean(length) / (4 * np.log(2)))


@feature(
    "garman_klass_{length}",
    family=FAMILY,
    formula="root of the mean of ln(H/L)²/2 - (2 ln 2 - 1) ln(C/O)² over {length} bars up to t",
    inputs=("open", "high", "low", "close"),
    look_back=lambda length: length,
    at={50: lengths(20), 200: lengths(10, 50), 500: lengths(5, 100)},
)
def garman_klass(bars: pl.DataFrame, length: int) -> pl.Expr:
    """Garman and Klass (1980): volatility from range and body."""
    term = (HIGH / LOW).log() ** 2 / 2 - (2 * np.log(2) - 1) * (CLOSE / OPEN).log() ** 2
    return _root(term.rolling_mean(length))


@feature(
    "rogers_satchell_{length}",
    family=FAMILY,
    formula="root of the mean of ln(H/C)·ln(H/O) + ln(L/C)·ln(L/O) over {length} bars up to t",
    inputs=("open", "high", "low", "close"),
    look_back=lambda length: length,
    at={200: lengths(10, 20, 50), 500: lengths(5, 100)},
)
def rogers_satchell(bars: pl.DataFrame, length: int) -> pl.Expr:
    """Rogers and Satchell (1991): volatility that allows for drift."""
    up = (HIGH / CLOSE).log() * (HIGH / OPEN).log()
    down = (LOW / CLOSE).log() * (LOW / OPEN).log()
    return _root((up + down).rolling_mean(length))


@feature(
    "overnight_volatility_{length}",
    family=FAMILY,
    formula="standard deviation (n-1) of ln(O[i] / C[i-1]) over {length} bars up to t",
    inputs=("open", "close"),
    look_back=lambda length: length + 1,
    at={500: lengths(10, 20, 60)},
)
def overnight_volatility(bars: pl.DataFrame, length: int) -> pl.Expr:
    """The part of the volatility that happens between sessions."""
    return _root((OPEN / CLOSE.shift(1)).log().rolling_var(length))


@feature(
    "bollinger_position_{length}",
    family=FAMILY,
    formula="(C[t] - SMA(C, {length})[t]) / (2 standard deviations)",
    inputs=("close",),
    look_back=lambda length: length,
    library="TA-Lib",
    at={50: lengths(20), 200: lengths(10, 50), 500: lengths(5, 100, 200)},
)
def bollinger_position(bars: pl.DataFrame, length: int) -> Array:
    """Where the close lies in its Bollinger band: -1 at the lower, 1 at the upper."""
    close = bars["close"].to_numpy()
    upper = ta("BBANDS", close, timeperiod=length, nbdevup=2.0, nbdevdn=2.0)
    middle = ta("BBANDS", close, part=1, timeperiod=length, nbdevup=2.0, nbdevdn=2.0)
    return ratio(close - middle, upper - middle)


@feature(
    "bollinger_width_{length}",
    family=FAMILY,
    formula="(upper - lower Bollinger band(C, {length}, 2)) / SMA(C, {length})[t]",
    inputs=("close",),
    look_back=lambda length: length,
    library="TA-Lib",
    at={50: lengths(20), 200: lengths(10, 50), 500: lengths(5, 100)},
)
def bollinger_width(bars: pl.DataFrame, length: int) -> Array:
    """Width of the Bollinger band as a fraction of its middle."""
    close = bars["close"].to_numpy()
    upper = ta("BBANDS", close, timeperiod=length, nbdevup=2.0, nbdevdn=2.0)
    middle = ta("BBANDS", close, part=1, timeperiod=length, nbdevup=2.0, nbdevdn=2.0)
    return 2 * (upper / middle - 1)


@feature(
    "keltner_position_{length}",
    family=FAMILY,
    formula="(C[t] - EMA(C, {length})[t]) / (2 ATR({length})[t])",
    inputs=("high", "low", "close"),
    look_back=lambda length: length + 1,
    library="TA-Lib",
    at={50: lengths(20), 200: lengths(10, 50), 500: lengths(5, 100)},
)
def keltner_position(bars: pl.DataFrame, length: int) -> Array:
    """Where the close lies in its Keltner channel: -1 at the lower, 1 at the upper."""
    high, low, close = high_low_close(bars)
    spread = 2 * ta("ATR", high, low, close, timeperiod=length)
    return ratio(close - ta("EMA", close, timeperiod=length), spread)


@feature(
    "volatility_ratio_{fast}_{slow}",
    family=FAMILY,
    formula="volatility over {fast} bars / over {slow} bars - 1",
    inputs=("close",),
    look_back=lambda fast, slow: slow + 1,
    at={
        200: [{"fast": f, "slow": s} for f, s in ((5, 20), (10, 50), (20, 100))],
        500: [{"fast": f, "slow": s} for f, s in ((5, 60), (50, 200), (10, 20))],
    },
)
def volatility_ratio(bars: pl.DataFrame, fast: int, slow: int) -> pl.Expr:
    """Whether volatility is rising: the short against the long."""
    short, long = _root(RETURN.rolling_var(fast)), _root(RETURN.rolling_var(slow))
    return pl.when(long > 0).then(short / long - 1).otherwise(long)


@feature(
    "downside_share_{length}",
    family=FAMILY,
    formula="share of negative returns in the sum of squared returns over {length} bars, -1 to 1",
    inputs=("close",),
    look_back=lambda length: length + 1,
    at={200: lengths(20, 60), 500: lengths(10, 120)},
)
def downside_share(bars: pl.DataFrame, length: int) -> pl.Expr:
    """How much of the variance came from falls."""
    signed = (-RETURN.sign() * RETURN**2).rolling_mean(length)
    whole = (RETURN**2).rolling_mean(length)
    return pl.when(whole > NOTHING).then(signed / whole).otherwise(whole * 0)


@feature(
    "range_surprise_{length}",
    family=FAMILY,
    formula="true range[t] / ATR({length})[t-1] - 1",
    inputs=("high", "low", "close"),
    look_back=lambda length: length + 2,
    library="TA-Lib",
    at={200: lengths(14), 500: lengths(50)},
)
def range_surprise(bars: pl.DataFrame, length: int) -> Array:
    """The bar's range against what was usual before it."""
    high, low, close = high_low_close(bars)
    usual = np.roll(ta("ATR", high, low, close, timeperiod=length), 1)
    usual[:1] = np.nan
    return ratio(ta("TRANGE", high, low, close), usual) - 1


@feature(
    "largest_move_{length}",
    family=FAMILY,
    formula="largest |ln(C[i] / C[i-1])| of the last {length} bars",
    inputs=("close",),
    look_back=lambda length: length + 1,
    at={200: lengths(20, 60), 500: lengths(5, 120)},
)
def largest_move(bars: pl.DataFrame, length: int) -> pl.Expr:
    """The largest one-bar move of a while."""
    return RETURN.abs().rolling_max(length)


@feature(
    "volatility_of_volatility_{length}",
    family=FAMILY,
    formula="standard deviation over {length} bars of the true range / C, over its mean",
    inputs=("high", "low", "close"),
    look_back=lambda length: length + 1,
    library="pandas-ta-classic",
    at={500: lengths(20, 60)},
)
def volatility_of_volatility(bars: pl.DataFrame, length: int) -> Array:
    """How uneven the ranges of a while were."""
    high, low, close = high_low_close(bars)
    spread = ta("TRANGE", high, low, close) / close
    mean = pl.Series(spread, nan_to_null=True).rolling_mean(length).to_numpy()
    return ratio(rolling_deviation(spread, length), mean)
