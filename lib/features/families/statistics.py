"""Shape of the distribution of returns, and its memory."""

from __future__ import annotations

import numpy as np
import polars as pl

from lib.features.declaration import feature, lengths
from lib.features.expressions import CLOSE, NOTHING, RETURN

FAMILY = "statistics"
SESSION_BARS = ("daily", "2d", "3d", "multires")
"""Timescales whose bars end on different weekdays."""


@feature(
    "autocorrelation_{length}",
    family=FAMILY,
    formula="correlation of ln(C[i]/C[i-1]) with the return of the bar before, {length} pairs up to t",
    inputs=("close",),
    look_back=lambda length: length + 2,
    at={100: lengths(20), 500: lengths(10, 60, 120)},
)
def autocorrelation(bars: pl.DataFrame, length: int) -> pl.Expr:
    """Whether moves go on or turn back."""
    before = RETURN.shift(1)
    mean = RETURN.rolling_mean(length)
    together = (RETURN * before).rolling_mean(length) - mean * before.rolling_mean(length)
    spread = (RETURN.rolling_var(length, ddof=0) * before.rolling_var(length, ddof=0)).sqrt()
    return pl.when(spread > NOTHING).then(together / spread).otherwise(spread * 0).clip(-1, 1)


@feature(
    "skewness_{length}",
    family=FAMILY,
    formula="skewness of the last {length} returns",
    inputs=("close",),
    look_back=lambda length: length + 1,
    at={100: lengths(60), 500: lengths(20, 120)},
)
def skewness(bars: pl.DataFrame, length: int) -> pl.Expr:
    """Whether the tail lies above or below."""
    mean = RETURN.rolling_mean(length)
    second = (RETURN**2).rolling_mean(length) - mean**2
    third = (RETURN**3).rolling_mean(length) - 3 * mean * (RETURN**2).rolling_mean(length) + 2 * mean**3
    return pl.when(second > NOTHING).then(third / second**1.5).otherwise(second * 0)


@feature(
    "kurtosis_{length}",
    family=FAMILY,
    formula="ln(mean of r^4 / (mean of r^2)^2) of the last {length} returns r",
    inputs=("close",),
    look_back=lambda length: length + 1,
    at={500: lengths(20, 60, 120)},
)
def kurtosis(bars: pl.DataFrame, length: int) -> pl.Expr:
    """How much of the variance came in single moves."""
    second, fourth = (RETURN**2).rolling_mean(length), (RETURN**4).rolling_mean(length)
    return pl.when(second > NOTHING).then((fourth / second**2).log()).otherwise(second * 0)


@feature(
    "variance_ratio_{bars}_{length}",
    family=FAMILY,
    formula="variance of {bars}-bar over {bars} times that of 1-bar returns, {length} bars up to t, - 1",
    inputs=("close",),
    look_back=lambda bars, length: bars + length,
    at={
        100: [{"bars": 5, "length": 60}],
        500: [{"bars": b, "length": n} for b, n in ((2, 40), (10, 120), (20, 200))],
    },
)
def variance_ratio(bars_of_symbol: pl.DataFrame, bars: int, length: int) -> pl.Expr:
    """Lo and MacKinlay (1988): above 0 returns trend, below 0 they revert."""
    long = (CLOSE / CLOSE.shift(bars)).log().rolling_var(length)
    short = RETURN.rolling_var(length)
    return pl.when(short > NOTHING).then(long / (bars * short) - 1).otherwise(short * 0)


@feature(
    "entropy_{length}",
    family=FAMILY,
    formula="entropy of the shares of |return| of the last {length} bars, over ln {length}",
    inputs=("close",),
    look_back=lambda length: length + 1,
    at={500: lengths(10, 20, 60)},
)
def entropy(bars: pl.DataFrame, length: int) -> pl.Expr:
    """1 if all bars moved alike, less if few did."""
    size = RETURN.abs()
    whole = size.rolling_mean(length) * length
    # -sum p ln p with p = s / S is ln S - sum(s ln s) / S; a bar that did not move adds nothing.
    terms = pl.when(size > 0).then(size * size.log()).otherwise(size * 0).rolling_mean(length) * length
    found = (whole.log() - terms / whole) / np.log(length)
    return pl.when(whole > NOTHING).then(found).otherwise(whole * 0).clip(0, 1)


@feature(
    "weekday_{part}",
    family="calendar",
    formula="weekday of t on a circle of five, coordinate {part}",
    inputs=("date",),
    look_back=lambda part: 1,
    at={500: [{"part": 1}, {"part": 2}]},
    only=SESSION_BARS,
)
def weekday(bars: pl.DataFrame, part: int) -> pl.Expr:
    """Day of the week."""
    angle = 2 * np.pi * (pl.col("date").dt.weekday() - 1) / 5
    return angle.sin() if part == 1 else angle.cos()


@feature(
    "month_{part}",
    family="calendar",
    formula="day of the year of t on a circle, coordinate {part}",
    inputs=("date",),
    look_back=lambda part: 1,
    at={500: [{"part": 1}, {"part": 2}]},
)
def month(bars: pl.DataFrame, part: int) -> pl.Expr:
    """Time of the year."""
    angle = 2 * np.pi * pl.col("date").dt.ordinal_day() / 365.25
    return angle.sin() if part == 1 else angle.cos()
