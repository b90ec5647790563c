"""Shape of the bar: range, gap, where open and close lie in it, and the patterns that traders name.

Ratios within a range of zero (a bar that did not trade away from one price) are 0, which is their middle.
"""

from __future__ import annotations

import polars as pl

from lib.features.declaration import feature, lengths
from lib.features.expressions import CLOSE, HIGH, LOW, OPEN
from lib.features.indicators import Array, ta


@feature(
    "range_{length}",
    family="range",
    formula="ln(max H / min L) over {length} bar(s) up to t",
    inputs=("high", "low"),
    look_back=lambda length: length,
    at={20: lengths(1, 5), 200: lengths(10, 20), 500: lengths(2, 50, 120)},
)
def log_range(bars: pl.DataFrame, length: int) -> pl.Expr:
    """Range of the last bars relative to the price: a level of volatility."""
    return (HIGH.rolling_max(length) / LOW.rolling_min(length)).log()


@feature(
    "range_position_{length}",
    family="range",
    formula="2·(C[t] - min L) / (max H - min L) - 1 over {length} bar(s) up to t",
    inputs=("high", "low", "close"),
    look_back=lambda length: length,
    same_as="williams_r_{length}",
    at={20: lengths(1, 20), 200: lengths(10, 50), 500: lengths(2, 5, 100, 250)},
)
def range_position(bars: pl.DataFrame, length: int) -> pl.Expr:
    """Where the close lies in the range of the last bars: -1 at the low, 1 at the high."""
    top, bottom = HIGH.rolling_max(length), LOW.rolling_min(length)
    return pl.when(top > bottom).then(2 * (CLOSE - bottom) / (top - bottom) - 1).otherwise(top * 0)


GAP = (OPEN / CLOSE.shift(1)).log()


@feature(
    "gap",
    family="range",
    formula="ln(O[t] / C[t-1])",
    inputs=("open", "close"),
    look_back=lambda: 2,
    at={20: [{}]},
)
def gap(bars: pl.DataFrame) -> pl.Expr:
    """Overnight move."""
    return GAP


@feature(
    "gap_mean_{length}",
    family="range",
    formula="mean of ln(O[i] / C[i-1]) over {length} bars up to t",
    inputs=("open", "close"),
    look_back=lambda length: length + 1,
    at={200: lengths(5, 20), 500: lengths(10, 60)},
)
def gap_mean(bars: pl.DataFrame, length: int) -> pl.Expr:
    """Mean overnight move."""
    return GAP.rolling_mean(length)


BODY = pl.when(HIGH > LOW).then((CLOSE - OPEN) / (HIGH - LOW)).otherwise(0.0)


@feature(
    "body",
    family="candles",
    formula="(C[t] - O[t]) / (H[t] - L[t])",
    inputs=("open", "high", "low", "close"),
    look_back=lambda: 1,
    at={20: [{}]},
)
def body(bars: pl.DataFrame) -> pl.Expr:
    """Signed body of the candle as a share of its range. (As a return it would be return minus gap.)"""
    return BODY


@feature(
    "body_mean_{length}",
    family="candles",
    formula="mean of (C - O) / (H - L) over {length} bars up to t",
    inputs=("open", "high", "low", "close"),
    look_back=lambda length: length,
    at={200: lengths(5, 20), 500: lengths(10, 60)},
)
def body_mean(bars: pl.DataFrame, length: int) -> pl.Expr:
    """Mean signed body: the balance of buyers and sellers within bars."""
    return BODY.rolling_mean(length)


UPPER = (HIGH / pl.max_horizontal(OPEN, CLOSE)).log()
LOWER = (pl.min_horizontal(OPEN, CLOSE) / LOW).log()


@feature(
    "upper_shadow",
    family="candles",
    formula="ln(H[t] / max(O[t], C[t]))",
    inputs=("open", "high", "close"),
    look_back=lambda: 1,
    at={20: [{}]},
)
def upper_shadow(bars: pl.DataFrame) -> pl.Expr:
    """How far the price went above the body, relative to the price."""
    return UPPER


@feature(
    "lower_shadow",
    family="candles",
    formula="ln(min(O[t], C[t]) / L[t])",
    inputs=("open", "low", "close"),
    look_back=lambda: 1,
    at={20: [{}]},
)
def lower_shadow(bars: pl.DataFrame) -> pl.Expr:
    """How far the price went below the body, relative to the price."""
    return LOWER


@feature(
    "shadow_balance_{length}",
    family="candles",
    formula="mean of lower less upper shadow over {length} bars up to t",
    inputs=("open", "high", "low", "close"),
    look_back=lambda length: length,
    at={500: lengths(5, 20, 60)},
)
def shadow_balance(bars: pl.DataFrame, length: int) -> pl.Expr:
    """Whether bars are rejected from below or from above."""
    return (LOWER - UPPER).rolling_mean(length)


def _pattern(bars: pl.DataFrame, name: str, length: int) -> Array:
    found = ta(name, *(bars[column].to_numpy() for column in ("open", "high", "low", "close")))
    # TA-Lib gives 0, not NaN, where a pattern cannot be known yet.
    return pl.Series(found / 100).rolling_mean(length).to_numpy()


def _declare_pattern(name: str, words: str) -> None:
    @feature(
        f"{name.removeprefix('CDL').lower()}_mean_{{length}}",
        family="candles",
        formula=f"mean of {words} ({name}: 1, 0 or -1) over {{length}} bars up to t",
        inputs=("open", "high", "low", "close"),
        look_back=lambda length: length + 14,
        library="TA-Lib",
        at={500: lengths(5, 20)},
    )
    def pattern(bars: pl.DataFrame, length: int) -> Array:
        return _pattern(bars, name, length)


for _name, _words in (
    ("CDLBELTHOLD", "belt holds"),
    ("CDLENGULFING", "engulfing bars"),
    ("CDLHARAMI", "harami"),
    ("CDLHIKKAKE", "hikkake"),
    ("CDLLONGLINE", "long lines"),
    ("CDLSPINNINGTOP", "spinning tops"),
):
    _declare_pattern(_name, _words)
