"""Raw prices beside adjusted closes: one convention for both, also across splits.

Many vendors give prices and volume as they were traded, and an adjusted close. The factor between the two
steps at a split. Prices are scaled by it; volume by the splits alone, and only where it was not already.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import date

import polars as pl

_SMALLEST_SPLIT = 1.4
"""A smaller step may be a distribution, which leaves the number of shares as it is."""
_AROUND = 20
"""Sessions before and after a split whose volumes show whether volume was scaled."""


def with_adjustment(frame: pl.DataFrame) -> pl.DataFrame:
    """Prices scaled by `adj_close / close`, that factor kept as `adjustment`: one convention for all prices.

    Open, high, low and close are split- and dividend-adjusted as in Yahoo's adjusted history; volume stays
    as reported. Where the source gives no `adj_close`, prices are taken as they are, `adjustment` is null.
    """
    if "adj_close" not in frame.columns:
        return frame.with_columns(adjustment=pl.lit(None, pl.Float64))
    factor = pl.col("adj_close") / pl.col("close")
    return frame.with_columns(
        pl.col("open", "high", "low") * factor, close=pl.col("adj_close"), adjustment=factor
    ).drop("adj_close")


def with_split_volume(frame: pl.DataFrame) -> tuple[pl.DataFrame, list[str]]:
    """Volume in shares of today, where prices are raw and their closes adjusted; and what was done.

    Args:
        frame: date, close, adj_close, volume, and adj_volume or split where the file has them; oldest first.
    """
    if "adj_volume" in frame.columns:
        return frame.with_columns(volume=pl.col("adj_volume")).drop("adj_volume"), ["adjusted volume"]
    if "adj_close" not in frame.columns:
        return frame, []
    notes, volume = [], frame["volume"]
    for row, day, ratio in _splits(frame):
        change = _change(volume, row)
        if change is None or abs(change - math.log(ratio)) >= abs(change):
            continue  # nothing known, or already in shares of today
        early = pl.int_range(len(volume), eager=True) < row
        volume = volume.zip_with(~early, volume * ratio)
        notes.append(f"volume before {day} times {ratio:g} (a split)")
    return frame.with_columns(volume.alias("volume")), notes


def _splits(frame: pl.DataFrame) -> Iterator[tuple[int, date, float]]:
    """Row, day and ratio of the splits that raw prices show: the factor rises as the close falls."""
    factor = pl.col("adj_close") / pl.col("close")
    moves = frame.with_row_index("row").select(
        "row", "date", step=factor / factor.shift(1), move=pl.col("close") / pl.col("close").shift(1)
    )
    large = pl.max_horizontal("step", 1 / pl.col("step")) >= _SMALLEST_SPLIT
    for row, day, step, move in moves.filter(large, pl.col("step") > 0, pl.col("move") > 0).iter_rows():
        if is_matched(step, move):
            yield row, day, _round(step)


def is_matched(step: float, move: float) -> bool:
    """Whether the reported close moves against a step of the factor, as at a split or a distribution."""
    return abs(math.log(step) + math.log(move)) < abs(math.log(move))


def _round(step: float) -> float:
    """The ratio of a split without what a dividend of the same days adds."""
    known = [*range(2, 51), *(1 / n for n in range(2, 51)), 1.5, 2.5, 2 / 3]
    near = min(known, key=lambda ratio: abs(math.log(step / ratio)))
    return near if abs(math.log(step / near)) < 0.02 else step


def _change(volume: pl.Series, row: int) -> float | None:
    """Logarithm of the usual volume after a row over that before it."""
    before, after = volume[max(0, row - _AROUND) : row], volume[row : row + _AROUND]
    first, second = before.median(), after.median()
    if not first or not second:
        return None
    return math.log(float(second) / float(first))  # type: ignore[arg-type]
