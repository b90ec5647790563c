"""Real market data that come inside an installed package: no network, no account.

The `arch` package carries daily OHLCV of the S&P 500 and the NASDAQ Composite from Yahoo Finance, 1999-2018.
"""

from __future__ import annotations

import importlib

import polars as pl

from lib.data.sources import PRICE_SCHEMA, adjusted
from lib.errors import DataError

MODULES = {"^GSPC": "arch.data.sp500", "^IXIC": "arch.data.nasdaq"}


class EmbeddedSource:
    """S&P 500 (`^GSPC`) and NASDAQ Composite (`^IXIC`)."""

    def symbols(self) -> list[str]:
        """The two index symbols."""
        return list(MODULES)

    def prices(self, symbol: str) -> pl.DataFrame:
        """Daily prices of an index, adjusted like any other symbol (for an index that changes nothing)."""
        if symbol not in MODULES:
            raise DataError(f"{symbol}: source embedded has only {', '.join(MODULES)}.")
        frame = pl.from_pandas(importlib.import_module(MODULES[symbol]).load().reset_index())
        frame = frame.rename({name: name.lower().replace(" ", "_") for name in frame.columns})
        frame = frame.with_columns(pl.lit(symbol).alias("symbol"))
        return adjusted(frame).select(pl.col(name).cast(dtype) for name, dtype in PRICE_SCHEMA.items())
