"""Returns of the close over several spans. All are logarithmic, so that they add up over time."""

from __future__ import annotations

import polars as pl

from lib.features.catalogue import feature


@feature(
    "log_return_{bars}",
    family="returns",
    formula="ln(C[t] / C[t-{bars}])",
    inputs=("close",),
    tier=20,
    look_back=lambda bars: bars + 1,
    each=[{"bars": 1}, {"bars": 2}, {"bars": 5}, {"bars": 10}, {"bars": 20}],
)
def log_return(bars_of_symbol: pl.DataFrame, bars: int) -> pl.Expr:
    """Log return of the close over some bars."""
    return (pl.col("close") / pl.col("close").shift(bars)).log()
