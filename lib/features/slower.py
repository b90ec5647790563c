"""Channels of completed weeks and months for daily bars (timescale `multires`)."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import polars as pl

from lib.config.base import Timescale
from lib.features.catalogue import LOOK_BACK_CAP, catalogue
from lib.features.declaration import Feature
from lib.features.schema import PRICE_COLUMNS

SLOWER: tuple[Timescale, ...] = ("weekly", "monthly")
TIER = 20
"""Tier whose features are computed of the slower bars."""
LEVELS = ("close", "high", "low")


def slower_channels() -> list[str]:
    """Names of the channels that `multires` adds on top of the tier."""
    return [
        name
        for timescale in SLOWER
        for name in (
            *(f"{timescale}_{feature.name}" for feature in catalogue(TIER, timescale)),
            *(f"close_to_{timescale}_{level}" for level in LEVELS),
        )
    ]


def join_slower(
    table: pl.DataFrame,
    slower: Mapping[str, pl.DataFrame],
    compute: Callable[[pl.DataFrame, list[Feature]], pl.DataFrame],
) -> pl.DataFrame:
    """One symbol's table of daily bars with the channels of its completed weeks and months.

    A day sees the last period whose last session is not after it; days before the first such period with all
    its indicators are left out.

    Args:
        table: date, channels, open, high, low, close.
        slower: the symbol's bars by timescale.
        compute: of the channels of bars.
    """
    for timescale in SLOWER:
        bars = slower[timescale].sort("last_session").with_columns(pl.col(PRICE_COLUMNS).cast(pl.Float64))
        channels = compute(bars, catalogue(TIER, timescale))
        periods = pl.concat(
            [
                bars.select("last_session"),
                channels.rename({name: f"{timescale}_{name}" for name in channels.columns}),
                bars.select(pl.col(level).alias(f"period_{level}") for level in LEVELS),
            ],
            how="horizontal",
        ).slice(LOOK_BACK_CAP[timescale] - 1)
        joined = table.sort("date").join_asof(periods, left_on="date", right_on="last_session")
        relations = [
            (pl.col("close") / pl.col(f"period_{level}"))
            .log()
            .cast(pl.Float32)
            .alias(f"close_to_{timescale}_{level}")
            for level in LEVELS
        ]
        table = (
            joined.filter(pl.col("period_close").is_not_null())
            .with_columns(relations)
            .drop("last_session", *(f"period_{level}" for level in LEVELS), strict=False)
        )
    return table
