"""Returns of the close over several spans. All are logarithmic, so that they add up over time."""

from __future__ import annotations

import polars as pl

from lib.features.declaration import feature


@feature(
    "log_return_{bars}",
    family="returns",
    formula="ln(C[t] / C[t-{bars}])",
    inputs=("close",),
    look_back=lambda bars: bars + 1,
    at={
        20: [{"bars": n} for n in (1, 2, 5, 10, 20)],
        200: [{"bars": n} for n in (3, 40, 60, 120, 250)],
        500: [{"bars": n} for n in (4, 7, 15, 30, 90, 180)],
    },
)
def log_return(bars_of_symbol: pl.DataFrame, bars: int) -> pl.Expr:
    """Log return of the close over some bars."""
    return (pl.col("close") / pl.col("close").shift(bars)).log()


@feature(
    "up_share_{length}",
    family="returns",
    formula="share of rises of the close in the last {length} bars, -1 to 1",
    inputs=("close",),
    look_back=lambda length: length + 1,
    at={200: [{"length": n} for n in (10, 20, 60)], 500: [{"length": n} for n in (5, 120)]},
)
def up_share(bars: pl.DataFrame, length: int) -> pl.Expr:
    """How often the close rose (the psychological line)."""
    return pl.col("close").diff().sign().rolling_mean(length)
