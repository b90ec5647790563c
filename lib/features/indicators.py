"""The one door to the indicator libraries: arrays in, an array of the same length out.

Undefined leading values are NaN; histories shorter than a look-back give NaN throughout. Both libraries are
imported inside the functions, because pandas-ta alone costs a second. Inputs must be finite: one NaN makes
TA-Lib's recursive averages NaN for all later rows, which is why `assembly` checks first.
"""

from __future__ import annotations

from typing import cast

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


def sma(values: Array, length: int) -> Array:
    """Simple moving average of the last `length` values (TA-Lib SMA)."""
    import talib

    return cast(Array, talib.SMA(values, timeperiod=length))


def ema(values: Array, length: int) -> Array:
    """Exponential moving average, smoothing 2/(length+1), seeded with the first SMA (TA-Lib EMA)."""
    import talib

    return cast(Array, talib.EMA(values, timeperiod=length))


def rsi(close: Array, length: int) -> Array:
    """Wilder's relative strength index, 0 to 100 (TA-Lib RSI)."""
    import talib

    return cast(Array, talib.RSI(close, timeperiod=length))


def macd_histogram(close: Array, fast: int, slow: int, signal: int) -> Array:
    """MACD line minus its signal line, in units of price (TA-Lib MACD)."""
    import talib

    return cast(Array, talib.MACD(close, fastperiod=fast, slowperiod=slow, signalperiod=signal)[2])


def atr(high: Array, low: Array, close: Array, length: int) -> Array:
    """Wilder's average true range, in units of price (TA-Lib ATR)."""
    import talib

    return cast(Array, talib.ATR(high, low, close, timeperiod=length))


def rolling_deviation(values: Array, length: int) -> Array:
    """Sample standard deviation (divisor n - 1) of the last `length` values (pandas-ta stdev).

    `talib=False` is pinned: with it on, pandas-ta divides by n.
    """
    import pandas as pd
    import pandas_ta

    found = pandas_ta.stdev(pd.Series(values), length=length, ddof=1, talib=False)
    if found is None:  # its answer to a history shorter than the window
        return np.full(len(values), np.nan)
    return found.to_numpy(dtype=np.float64)
