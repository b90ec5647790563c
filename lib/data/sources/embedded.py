"""Real market data that come inside an installed package: no network, no account.

The `arch` package carries daily OHLCV of the S&P 500 and the NASDAQ Composite from Yahoo Finance, 1999-2018.
Its files are read where they lie: importing the package itself takes seconds.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Self

import polars as pl

from lib.config.data import DataConfig
from lib.data.reading.adjusted import with_adjustment
from lib.data.sources import PRICE_SCHEMA, Source
from lib.errors import DataError

FILES = {"^GSPC": "data/sp500/sp500.csv.gz", "^IXIC": "data/nasdaq/nasdaq.csv.gz"}


class EmbeddedSource(Source):
    """S&P 500 (`^GSPC`) and NASDAQ Composite (`^IXIC`)."""

    name = "embedded"
    gives_prices = True

    @classmethod
    def open(cls, data: DataConfig) -> Self:
        """The one embedded market."""
        return cls()

    def symbols(self) -> list[str]:
        """The two index symbols."""
        return list(FILES)

    def prices(self, symbol: str) -> pl.DataFrame:
        """Daily prices of an index, adjusted like any other symbol (for an index that changes nothing)."""
        if symbol not in FILES:
            raise DataError(f"{symbol}: source embedded has only {', '.join(FILES)}.")
        package = find_spec("arch")
        if package is None or package.origin is None:
            raise DataError("package arch is not installed; run `make setup`.")
        path = Path(package.origin).parent / FILES[symbol]
        frame = pl.read_csv(path, glob=False).with_columns(pl.col("Date").str.to_date("%m/%d/%Y"))
        frame = frame.rename({name: name.lower().replace(" ", "_") for name in frame.columns})
        frame = frame.with_columns(pl.lit(symbol).alias("symbol"))
        return with_adjustment(frame).select(pl.col(name).cast(dtype) for name, dtype in PRICE_SCHEMA.items())


SOURCE = EmbeddedSource
