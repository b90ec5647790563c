"""Relations of the close to its moving averages. An average itself is a raw level and never a channel."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import polars as pl

from lib.features.declaration import feature, lengths
from lib.features.indicators import Array, ta

FAMILY = "moving averages"
SLOPE_BARS = 5
"""Bars over which the slope of an average is taken."""


Periods = dict[int, list[dict[str, int]]]
DISTANCES: list[tuple[str, Callable[[int], int], Periods]] = [
    (
        "SMA",
        lambda length: length,
        {
            20: lengths(20, 200),
            50: lengths(5, 10, 50, 100),
            200: lengths(30, 150),
            500: lengths(8, 15, 75, 120),
        },
    ),
    (
        "EMA",
        lambda length: length,
        {20: lengths(50), 50: lengths(10, 20, 100, 200), 200: lengths(5, 30), 500: lengths(8, 15, 75, 150)},
    ),
    ("WMA", lambda length: length, {200: lengths(10, 20, 50, 100), 500: lengths(5, 30, 150)}),
    ("DEMA", lambda length: 2 * length - 1, {200: lengths(20, 50), 500: lengths(10, 100)}),
    ("TEMA", lambda length: 3 * length - 2, {200: lengths(20, 50), 500: lengths(10, 80)}),
    ("KAMA", lambda length: length + 1, {200: lengths(10, 30), 500: lengths(60)}),
    ("TRIMA", lambda length: length, {500: lengths(10, 20, 50, 100)}),
    ("T3", lambda length: 6 * length - 5, {500: lengths(5, 10, 20)}),
]
"""TA-Lib's averages (T3 with its factor 0.7), the bars each needs, and the periods of each tier."""


def _declare_distance(kind: str, look_back: Callable[[int], int], at: Periods) -> None:
    @feature(
        f"close_to_{kind.lower()}_{{length}}",
        family=FAMILY,
        formula=f"C[t] / {kind}(C, {{length}})[t] - 1",
        inputs=("close",),
        look_back=look_back,
        library="TA-Lib",
        at=at,
    )
    def distance(bars: pl.DataFrame, length: int) -> Array:
        close = bars["close"].to_numpy()
        return close / ta(kind, close, timeperiod=length) - 1


for _kind, _look_back, _at in DISTANCES:
    _declare_distance(_kind, _look_back, _at)


@feature(
    "sma_gap_{fast}_{slow}",
    family=FAMILY,
    formula="SMA(C, {fast})[t] / SMA(C, {slow})[t] - 1",
    inputs=("close",),
    look_back=lambda fast, slow: slow,
    library="TA-Lib",
    at={
        50: [{"fast": f, "slow": s} for f, s in ((5, 20), (10, 50), (20, 50), (50, 200))],
        500: [{"fast": f, "slow": s} for f, s in ((5, 10), (10, 20), (20, 100), (100, 200), (5, 50))],
    },
)
def sma_gap(bars: pl.DataFrame, fast: int, slow: int) -> Array:
    """How near two simple averages are to crossing, as a fraction."""
    close = bars["close"].to_numpy()
    return ta("SMA", close, timeperiod=fast) / ta("SMA", close, timeperiod=slow) - 1


@feature(
    "ema_gap_{fast}_{slow}",
    family=FAMILY,
    formula="EMA(C, {fast})[t] / EMA(C, {slow})[t] - 1",
    inputs=("close",),
    look_back=lambda fast, slow: slow,
    library="TA-Lib",
    at={
        50: [{"fast": 12, "slow": 26}],
        500: [{"fast": f, "slow": s} for f, s in ((5, 20), (10, 50), (20, 100), (50, 200))],
    },
)
def ema_gap(bars: pl.DataFrame, fast: int, slow: int) -> Array:
    """How near two exponential averages are to crossing, as a fraction."""
    close = bars["close"].to_numpy()
    return ta("EMA", close, timeperiod=fast) / ta("EMA", close, timeperiod=slow) - 1


@feature(
    "sma_slope_{length}",
    family=FAMILY,
    formula="ln(SMA(C, {length})[t] / SMA(C, {length})[t-5])",
    inputs=("close",),
    look_back=lambda length: length + SLOPE_BARS,
    library="TA-Lib",
    minimum=SLOPE_BARS + 1,  # SMA(5) now and five bars ago make SMA(10): it would be the gap of both
    at={50: lengths(20, 50, 200), 500: lengths(10, 100)},
)
def sma_slope(bars: pl.DataFrame, length: int) -> Array:
    """Slope of a simple average over five bars."""
    average = np.log(ta("SMA", bars["close"].to_numpy(), timeperiod=length))
    return average - _before(average, SLOPE_BARS)


@feature(
    "sma_acceleration_{length}",
    family=FAMILY,
    formula="slope[t] - slope[t-5] of ln SMA(C, {length}), slopes over 5 bars",
    inputs=("close",),
    look_back=lambda length: length + 2 * SLOPE_BARS,
    library="TA-Lib",
    at={200: lengths(20, 50, 100), 500: lengths(10, 200)},
)
def sma_acceleration(bars: pl.DataFrame, length: int) -> Array:
    """Change of the slope of a simple average."""
    average = np.log(ta("SMA", bars["close"].to_numpy(), timeperiod=length))
    slope = average - _before(average, SLOPE_BARS)
    return slope - _before(slope, SLOPE_BARS)


def _before(values: Array, bars: int) -> Array:
    shifted = np.full_like(values, np.nan)
    shifted[bars:] = values[:-bars]
    return shifted
