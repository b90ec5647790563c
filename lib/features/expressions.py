"""Columns of bars and the few quantities that many features begin with, as Polars expressions."""

from __future__ import annotations

import polars as pl

OPEN, HIGH, LOW, CLOSE = pl.col("open"), pl.col("high"), pl.col("low"), pl.col("close")
VOLUME = pl.col("volume")
RETURN = (CLOSE / CLOSE.shift(1)).log()
"""Log return over one bar."""
TRUE_RANGE = pl.when(CLOSE.shift(1).is_not_null()).then(
    pl.max_horizontal(HIGH, CLOSE.shift(1)) - pl.min_horizontal(LOW, CLOSE.shift(1))
)
"""Range of the bar and the gap before it (Wilder 1978), in units of price."""
NOTHING = 1e-12
"""Variances below this are rounding of a running sum, not movement."""
