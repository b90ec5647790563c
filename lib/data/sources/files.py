"""The user's own folder: one file per symbol or series, in the layout of any site or vendor."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import polars as pl

from lib.config.data import DataConfig
from lib.data.reading.names import file_of, others_like, symbols_in
from lib.data.reading.price_files import FileContent, read_prices
from lib.data.reading.series_files import read_series
from lib.data.sources import OBSERVATION_SCHEMA, PRICE_SCHEMA, Remark, Source
from lib.errors import DataError


class FilesSource(Source):
    """Prices in `folder/ohlcv/` (or in `folder` itself, if it has no such sub-folder); series anywhere below.

    A series is named by its path below the folder without suffix, as `fred/DGS10`.
    """

    name = "files"
    gives_prices = True
    gives_series = True
    knows_its_files = True

    def __init__(self, root: Path) -> None:
        if not root.is_dir():
            raise DataError(f"{root}: no such folder. `data.folder` must name the one that holds ohlcv/.")
        self.root = root
        self.folder = root / "ohlcv" if (root / "ohlcv").is_dir() else root
        self._remarks: dict[str, tuple[Remark, ...]] = {}

    @classmethod
    def open(cls, data: DataConfig) -> Self:
        """The folder that `data.folder` names."""
        return cls(Path(os.path.expandvars(str(data.folder))).expanduser())

    def symbols(self) -> list[str]:
        """Symbols that have a file."""
        return symbols_in(self.folder)

    def prices(self, symbol: str) -> pl.DataFrame:
        """Daily prices of one file, sorted by date if it is newest first; otherwise in the file's order."""
        path = file_of(self.folder, symbol)
        if path is None:
            there = ", ".join(self.symbols()) or "none"
            raise DataError(
                f"{self.folder / symbol}.csv: no such file (nor .parquet, nor .xlsx). Symbols there: {there}."
                f"{others_like(self.folder, symbol)}"
            )
        return self._told(symbol, read_prices(path, symbol), PRICE_SCHEMA)

    def series(self, name: str, first_releases: bool = False) -> pl.DataFrame:
        """Observations of one file."""
        path = file_of(self.root, name)
        if path is None:
            near = others_like((self.root / name).parent, Path(name).name)
            raise DataError(f"{self.root / name}.csv: no such file (nor .parquet, nor .xlsx).{near}")
        return self._told(name, read_series(path), OBSERVATION_SCHEMA)

    def remarks(self, name: str) -> tuple[Remark, ...]:
        """How the file of a symbol or series was read the last time."""
        return self._remarks.get(name, ())

    def missing(self, names: Sequence[str]) -> list[str]:
        """Series without a file."""
        return [name for name in names if file_of(self.root, name) is None]

    def missing_prices(self, symbols: Sequence[str]) -> list[str]:
        """Symbols without a file of prices."""
        return [symbol for symbol in symbols if file_of(self.folder, symbol) is None]

    def _told(self, name: str, reading: FileContent, schema: dict[str, type[pl.DataType]]) -> pl.DataFrame:
        self._remarks[name] = reading.remarks
        return reading.frame.select(pl.col(column).cast(dtype) for column, dtype in schema.items())


SOURCE = FilesSource
