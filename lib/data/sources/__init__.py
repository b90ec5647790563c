"""Where data come from: one module per source, all behind one interface.

A module of this folder whose name does not begin with `_` is a source, called like the module; its `SOURCE`
is a subclass of `Source`. A source returns its data in the canonical columns and repairs nothing;
`lib.data.validation` judges them.
"""

from __future__ import annotations

import importlib
import pkgutil
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import polars as pl

from lib.config.data import DataConfig
from lib.data.reading.price_files import Remark
from lib.errors import ConfigError, DataError, nearest

PRICE_SCHEMA: dict[str, type[pl.DataType]] = {
    "date": pl.Date,
    "symbol": pl.String,
    "open": pl.Float64,
    "high": pl.Float64,
    "low": pl.Float64,
    "close": pl.Float64,
    "volume": pl.Float64,
    "adjustment": pl.Float64,
}
"""`adjustment`: adjusted over reported close; null where the source does not give it."""
OBSERVATION_SCHEMA: dict[str, type[pl.DataType]] = {
    "date": pl.Date,
    "value": pl.Float64,
    "available_from": pl.Date,
}


class Source(ABC):
    """Something that knows daily prices, or series, by its own names for them."""

    name: str
    gives_prices = False
    gives_series = False
    knows_its_files = False
    """Whether it can say without network which prices it has."""

    @classmethod
    @abstractmethod
    def open(cls, data: DataConfig) -> Self:
        """The source as a data section declares it."""

    def prices(self, symbol: str) -> pl.DataFrame:
        """Daily prices in the columns of `PRICE_SCHEMA`, split- and dividend-adjusted, not yet validated.

        Raises:
            DataError: the symbol is not there, or cannot be had or read.
        """
        raise DataError(f"source {self.name} has no prices.")

    def series(self, name: str, first_releases: bool = False) -> pl.DataFrame:
        """Observations in the columns of `OBSERVATION_SCHEMA`, missing values left out.

        Args:
            name: the source's own name of the series.
            first_releases: of revised series the first value of each date, if the source keeps them.

        `available_from` is null where the source does not know it.

        Raises:
            DataError: the series is not there, or cannot be had or read.
        """
        raise DataError(f"source {self.name} has no series.")

    def remarks(self, name: str) -> tuple[Remark, ...]:
        """Remarks on how a symbol or series was read the last time."""
        return ()

    def missing(self, names: Sequence[str]) -> list[str]:
        """Those of its own names of series that it knows it cannot serve, found without network."""
        return []

    def symbols(self) -> list[str]:
        """Symbols whose prices it has; empty if that is unknown without network."""
        return []

    def missing_prices(self, symbols: Sequence[str]) -> list[str]:
        """Those of its own symbols that it knows it has no prices of, found without network."""
        return []


def available_sources() -> list[str]:
    """Names of all sources."""
    return sorted(m.name for m in pkgutil.iter_modules([str(Path(__file__).parent)]) if m.name[0] != "_")


def source_class(name: str, key: str = "data.source") -> type[Source]:
    """The class of a source.

    Raises:
        ConfigError: there is no such source; `key` names the setting.
    """
    known = available_sources()
    if name not in known:
        raise ConfigError(f"{key}: {name!r} is not one of {', '.join(known)}.{nearest(name, known)}")
    kind: type[Source] = importlib.import_module(f"lib.data.sources.{name}").SOURCE
    return kind


def open_source(data: DataConfig, name: str | None = None) -> Source:
    """The source that a data section declares for its prices, or another one by name.

    Raises:
        ConfigError: there is no such source.
        DataError: it cannot be opened (a folder is missing).
    """
    return source_class(name or data.source).open(data)
