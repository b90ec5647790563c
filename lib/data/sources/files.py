"""A folder of one's own: one CSV, Parquet or Excel file per symbol or series, in any usual layout."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Self

import polars as pl

from lib.config.data import DataConfig
from lib.data.sources import OBSERVATION_SCHEMA, PRICE_SCHEMA, Source, with_adjustment
from lib.data.sources import _tables as tables
from lib.errors import DataError

NAMES = {
    "date": tables.DATE_NAMES,
    "open": ("open", "1._open"),
    "high": ("high", "2._high"),
    "low": ("low", "3._low"),
    "close": ("close", "price", "last", "close/last", "4._close"),
    "adj_close": ("adj_close", "adjclose", "adjusted_close", "adj._close", "5._adjusted_close"),
    "volume": ("volume", "vol", "vol.", "5._volume", "6._volume"),
}
REQUIRED = ("date", "open", "high", "low", "close", "volume")
AVAILABLE = ("available_from", "realtime_start", "release_date")


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

    @classmethod
    def open(cls, data: DataConfig) -> Self:
        """The folder that `data.folder` names."""
        return cls(Path(os.path.expandvars(str(data.folder))).expanduser())

    def symbols(self) -> list[str]:
        """Symbols that have a file."""
        return sorted({p.stem for p in self.folder.iterdir() if p.suffix.lower() in tables.SUFFIXES})

    def prices(self, symbol: str) -> pl.DataFrame:
        """Daily prices of one file, sorted by date if it is newest first; otherwise in the file's order."""
        path = self._file(self.folder, symbol)
        if path is None:
            there = ", ".join(self.symbols()) or "none"
            raise DataError(
                f"{self.folder / symbol}.csv: no such file (nor .parquet). Symbols there: {there}."
            )
        frame = tables.rename(tables.read_text(path), NAMES, REQUIRED, path)
        frame = frame.with_columns(tables.dates(frame["date"], path))
        for name in frame.columns:
            if name != "date":
                frame = frame.with_columns(tables.numbers(frame, name, path))
        frame = with_adjustment(frame.with_columns(pl.lit(symbol).alias("symbol")))
        return tables.oldest_first(frame).select(
            pl.col(name).cast(dtype) for name, dtype in PRICE_SCHEMA.items()
        )

    def series(self, name: str, first_releases: bool = False) -> pl.DataFrame:
        """Observations of one file: its dates, and the one other column (or `close`, or `value`).

        A column `available_from` (or `realtime_start`) says when each value was public; of several rows of a
        date, the first release counts then.
        """
        path = self._file(self.root, name)
        if path is None:
            raise DataError(f"{self.root / name}.csv: no such file (nor .parquet, nor .xlsx).")
        text = tables.read_text(path)
        value = _value_column(text, path)
        names = {"date": tables.DATE_NAMES, "value": (tables.key_of(value),), "available_from": AVAILABLE}
        frame = tables.rename(text, names, ("date", "value"), path)
        frame = frame.with_columns(tables.dates(frame["date"], path))
        frame = frame.with_columns(tables.numbers(frame, "value", path))
        if "available_from" in frame.columns:
            frame = frame.with_columns(tables.dates(frame["available_from"], path).alias("available_from"))
            frame = frame.sort("date", "available_from").unique("date", keep="first", maintain_order=True)
        else:
            frame = frame.with_columns(available_from=pl.lit(None, pl.Date))
        frame = tables.oldest_first(frame).filter(pl.col("value").is_not_null())
        return frame.select(pl.col(name).cast(dtype) for name, dtype in OBSERVATION_SCHEMA.items())

    def missing(self, names: Sequence[str]) -> list[str]:
        """Series without a file."""
        return [name for name in names if self._file(self.root, name) is None]

    def missing_prices(self, symbols: Sequence[str]) -> list[str]:
        """Symbols without a file of prices."""
        return [symbol for symbol in symbols if self._file(self.folder, symbol) is None]

    @staticmethod
    def _file(folder: Path, name: str) -> Path | None:
        """The file of a symbol or series; a name that leads out of the folder is refused."""
        inside = PurePosixPath(name)
        if inside.is_absolute() or ".." in inside.parts:
            raise DataError(f"`{name}` leads out of the data folder; name a file below it.")
        found = (folder / f"{inside}{suffix}" for suffix in tables.SUFFIXES)
        return next((path for path in found if path.is_file()), None)


def _value_column(text: pl.DataFrame, path: Path) -> str:
    """The column that holds a series' values."""
    keys = {tables.key_of(column): column for column in text.columns}
    values = {
        key: column
        for key, column in keys.items()
        if key not in (*tables.DATE_NAMES, *AVAILABLE, "realtime_end", "ispartial")
        and not tables.is_nameless(key)
    }
    for known in ("value", "close"):
        if known in values:
            return values[known]
    if len(values) == 1:
        return next(iter(values.values()))
    there = ", ".join(values.values()) or "none besides dates"
    raise DataError(
        f"{path}: which column holds the values is not clear (there are: {there}). "
        "Keep one of them, or call it `value`."
    )


SOURCE = FilesSource
