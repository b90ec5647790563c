"""Momentum oscillators, centred on 0 and free of the price's scale."""

from __future__ import annotations

import polars as pl

from lib.features.declaration import feature, lengths
from lib.features.indicators import Array, high_low_close, pandas_ta, ratio, ta

FAMILY = "momentum"


@feature(
    "rsi_{length}",
    family=FAMILY,
    formula="(RSI(C, {length})[t] - 50) / 50",
    inputs=("close",),
    look_back=lambda length: length + 1,
    library="TA-Lib",
    at={20: lengths(14), 50: lengths(21, 50), 200: lengths(7, 28), 500: lengths(5, 10, 35, 70, 100)},
)
def rsi(bars: pl.DataFrame, length: int) -> Array:
    """Wilder's relative strength index on the scale from -1 to 1."""
    return (ta("RSI", bars["close"].to_numpy(), timeperiod=length) - 50) / 50


@feature(
    "macd_histogram_{fast}_{slow}_{signal}",
    family=FAMILY,
    formula="(MACD - its signal line)({fast}, {slow}, {signal})[t] / C[t]",
    inputs=("close",),
    look_back=lambda fast, slow, signal: slow + signal - 1,
    library="TA-Lib",
    at={
        20: [{"fast": 12, "slow": 26, "signal": 9}],
        200: [{"fast": 5, "slow": 35, "signal": 7}, {"fast": 8, "slow": 17, "signal": 9}],
        500: [{"fast": 20, "slow": 50, "signal": 15}, {"fast": 50, "slow": 150, "signal": 30}],
    },
)
def macd_histogram(bars: pl.DataFrame, fast: int, slow: int, signal: int) -> Array:
    """MACD histogram as a fraction of the price."""
    close = bars["close"].to_numpy()
    return ta("MACD", close, part=2, fastperiod=fast, slowperiod=slow, signalperiod=signal) / close


@feature(
    "stochastic_k_{length}_{smooth}",
    family=FAMILY,
    formula="slow %K({length}, {smooth})[t], -1 to 1",
    inputs=("high", "low", "close"),
    look_back=lambda length, smooth: length + smooth - 1,
    library="TA-Lib",
    at={
        50: [{"length": 14, "smooth": 3}],
        500: [{"length": n, "smooth": m} for n, m in ((5, 3), (28, 4), (60, 5))],
    },
)
def stochastic_k(bars: pl.DataFrame, length: int, smooth: int) -> Array:
    """Slow stochastic."""
    high, low, close = high_low_close(bars)
    found = ta("STOCH", high, low, close, fastk_period=length, slowk_period=smooth, slowd_period=1)
    return found / 50 - 1


@feature(
    "stochastic_d_{length}_{smooth}_{signal}",
    family=FAMILY,
    formula="%D({length}, {smooth}, {signal})[t], -1 to 1",
    inputs=("high", "low", "close"),
    look_back=lambda length, smooth, signal: length + smooth + signal - 2,
    library="TA-Lib",
    at={
        50: [{"length": 14, "smooth": 3, "signal": 3}],
        500: [{"length": n, "smooth": m, "signal": k} for n, m, k in ((5, 3, 3), (28, 5, 4))],
    },
)
def stochastic_d(bars: pl.DataFrame, length: int, smooth: int, signal: int) -> Array:
    """Signal line of the slow stochastic."""
    high, low, close = high_low_close(bars)
    found = ta(
        "STOCH", high, low, close, part=1, fastk_period=length, slowk_period=smooth, slowd_period=signal
    )
    return found / 50 - 1


@feature(
    "williams_r_{length}",
    family=FAMILY,
    formula="Williams %R({length})[t], -1 to 1",
    inputs=("high", "low", "close"),
    look_back=lambda length: length,
    library="TA-Lib",
    same_as="range_position_{length}",
    at={50: lengths(14), 500: lengths(7, 28, 80)},
)
def williams_r(bars: pl.DataFrame, length: int) -> Array:
    """Where the close lies between the last highs and lows."""
    return ta("WILLR", *high_low_close(bars), timeperiod=length) / 50 + 1


@feature(
    "cci_{length}",
    family=FAMILY,
    formula="CCI({length})[t] / 100",
    inputs=("high", "low", "close"),
    look_back=lambda length: length,
    library="TA-Lib",
    at={50: lengths(20), 200: lengths(10, 50), 500: lengths(5, 100, 200)},
)
def cci(bars: pl.DataFrame, length: int) -> Array:
    """Commodity channel index: distance from the mean typical price in mean deviations."""
    return ta("CCI", *high_low_close(bars), timeperiod=length) / 100


@feature(
    "ultimate_oscillator_{short}_{middle}_{long}",
    family=FAMILY,
    formula="ULTOSC({short}, {middle}, {long})[t], -1 to 1",
    inputs=("high", "low", "close"),
    look_back=lambda short, middle, long: long + 1,
    library="TA-Lib",
    at={200: [{"short": 7, "middle": 14, "long": 28}], 500: [{"short": 20, "middle": 40, "long": 80}]},
)
def ultimate_oscillator(bars: pl.DataFrame, short: int, middle: int, long: int) -> Array:
    """Williams' ultimate oscillator."""
    found = ta("ULTOSC", *high_low_close(bars), timeperiod1=short, timeperiod2=middle, timeperiod3=long)
    return found / 50 - 1


@feature(
    "stochastic_rsi_{length}_{window}",
    family=FAMILY,
    formula="fast %K over {window} bars of RSI(C, {length})[t], -1 to 1",
    inputs=("close",),
    look_back=lambda length, window: length + window,
    library="TA-Lib",
    at={200: [{"length": 14, "window": 13}], 500: [{"length": 7, "window": 6}, {"length": 28, "window": 27}]},
)
def stochastic_rsi(bars: pl.DataFrame, length: int, window: int) -> Array:
    """Where the RSI lies within its own last range."""
    values = ta("RSI", bars["close"].to_numpy(), timeperiod=length)
    series = pl.Series(values, nan_to_null=True)
    low, high = series.rolling_min(window), series.rolling_max(window)
    return 2 * ratio((series - low).to_numpy(), (high - low).to_numpy()) - 1


@feature(
    "trix_{length}",
    family=FAMILY,
    formula="TRIX(C, {length})[t] / 100",
    inputs=("close",),
    look_back=lambda length: 3 * length - 1,
    library="TA-Lib",
    at={100: lengths(15), 500: lengths(5, 30, 60)},
)
def trix(bars: pl.DataFrame, length: int) -> Array:
    """One-bar change of a triple exponential average."""
    return ta("TRIX", bars["close"].to_numpy(), timeperiod=length) / 100


@feature(
    "true_strength_{fast}_{slow}",
    family=FAMILY,
    formula="TSI(C, {fast}, {slow})[t] / 100",
    inputs=("close",),
    look_back=lambda fast, slow: fast + slow,
    library="pandas-ta-classic",
    at={500: [{"fast": 13, "slow": 25}, {"fast": 25, "slow": 60}]},
)
def true_strength(bars: pl.DataFrame, fast: int, slow: int) -> Array:
    """Blau's true strength index."""
    found = pandas_ta("tsi", bars["close"].to_numpy(), fast=fast, slow=slow, signal=2, talib=False)
    return found / 100


@feature(
    "pretty_good_{length}",
    family=FAMILY,
    formula="(C[t] - SMA(C, {length})[t]) / EMA(ATR({length}), {length})[t]",
    inputs=("high", "low", "close"),
    look_back=lambda length: 2 * length,
    library="TA-Lib",
    at={500: lengths(14, 50)},
)
def pretty_good(bars: pl.DataFrame, length: int) -> Array:
    """Distance from the mean in average ranges."""
    high, low, close = high_low_close(bars)
    spread = ta("ATR", high, low, close, timeperiod=length)
    smooth = spread.copy()
    smooth[length:] = ta("EMA", spread[length:], timeperiod=length)
    return ratio(close - ta("SMA", close, timeperiod=length), smooth)
