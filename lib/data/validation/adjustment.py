"""The factor between adjusted and reported closes: what a dividend, a split and a seam look like."""

from __future__ import annotations

import polars as pl

from lib.data.reading.adjusted import is_matched
from lib.data.validation.findings import Finding, finding

_LARGEST_DIVIDEND = 0.30
_SMALLEST_REVERSE_SPLIT = 0.8
"""A factor that falls by less than this is no reverse split."""
_ROUNDING = 1e-3


def adjustment(frame: pl.DataFrame, symbol: str) -> list[Finding]:
    """Seams in the adjustment, and distributions that are too large to be usual.

    Dividends make the factor rise with time, and a split makes it step; the reported close moves against such
    a step. At a seam (rows of two downloads) the reported close knows nothing of it.
    """
    if "adjustment" not in frame.columns or frame["adjustment"].null_count() == frame.height:
        return []
    reported = pl.col("close") / pl.col("adjustment")
    steps = frame.select(
        "date",
        step=pl.col("adjustment") / pl.col("adjustment").shift(1),
        move=reported / reported.shift(1),
    ).drop_nulls()
    odd = steps.filter((pl.col("step") < 1 - _ROUNDING) | (pl.col("step") > 1 + _LARGEST_DIVIDEND))
    found = []
    for day, step, move in odd.iter_rows():
        possible = step > 1 or step < _SMALLEST_REVERSE_SPLIT
        if possible and step > 0 and move > 0 and is_matched(step, move):
            text = (
                f"the factor changes {step:.4g} times and the reported close {move:.4g} times: adjusted for"
            )
            found.append(finding("split or distribution", symbol, day, step, text))
            continue
        text = (
            f"adjusted over reported close changes by a factor of {step:.4f} from one day to the next, the "
            f"reported close by {move:.4f}: rows of two downloads were joined; download the whole file anew"
        )
        found.append(finding("adjustment seam", symbol, day, step, text))
    return found
