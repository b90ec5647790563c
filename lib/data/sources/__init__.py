"""Where prices come from: one module per source, all behind one interface.

A source gives what it has in the canonical columns, adjusted, and repairs nothing; `lib.data.validation`
judges it.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Protocol

import polars as pl

from lib.config.data import DataConfig

PRICE_SCHEMA: dict[str, type[pl.DataType]] = {
    "date": pl.Date,
    "symbol": pl.String,
    "open": pl.Float64,
    "high": pl.Float64,
    "low": pl.Float64,
    "close": pl.Float64,
    "volume": pl.Float64,
}


class PriceSource(Protocol):
    """Something that knows daily prices by symbol."""

    def symbols(self) -> list[str]:
        """Labels it can serve."""
        ...

    def prices(self, symbol: str) -> pl.DataFrame:
        """Daily prices in the columns of `PRICE_SCHEMA`, split- and dividend-adjusted, not yet validated.

        Raises:
            DataError: the symbol is not there, or its file cannot be read.
        """
        ...


def open_source(data: DataConfig) -> PriceSource:
    """The source that a data section declares."""
    if data.source == "embedded":
        from lib.data.sources.embedded import EmbeddedSource

        return EmbeddedSource()
    if data.source == "synthetic":
        from lib.data.sources.synthetic import SyntheticSource

        return SyntheticSource(data.synthetic, data.validation.calendar)
    from lib.data.sources.files import FilesSource

    return FilesSource(Path(os.path.expandvars(str(data.folder))).expanduser())


def adjusted(frame: pl.DataFrame) -> pl.DataFrame:
    """Prices scaled by `adj_close / close`, and that column dropped: one convention for all four prices.

    The convention of Yahoo's adjusted history; volume stays as reported.
    """
    factor = pl.col("adj_close") / pl.col("close")
    return frame.with_columns((pl.col("open", "high", "low") * factor), close=pl.col("adj_close")).drop(
        "adj_close"
    )
