"""Google Trends, from the CSV files that a person exports on its page: one file per keyword.

There is no maintained client and no official interface, so exports are the way in (docs/data.md says how).
An export is scaled to 0..100 within its own window, which is a look-ahead: only relations within a window are
computed of it. Weekly and monthly files are read as they are; values interpolated to days are refused.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import polars as pl

from lib.config.data import DataConfig
from lib.data.sources import Source
from lib.data.sources.files import FilesSource
from lib.errors import DataError


class TrendsSource(Source):
    """Keywords as files `stock_market.csv` or `stock market.csv` in a folder."""

    name = "trends"
    gives_series = True

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    def open(cls, data: DataConfig) -> Self:
        """The folder that `data.trends_folder` names."""
        if data.trends_folder is None:
            raise DataError(
                "source trends needs `data.trends_folder:`, the directory with your Google Trends exports."
            )
        return cls(Path(os.path.expandvars(str(data.trends_folder))).expanduser())

    def series(self, name: str, first_releases: bool = False) -> pl.DataFrame:
        """Interest in one keyword over time."""
        found = self._spelling(name)
        if found is None:
            raise DataError(
                f"{self.folder / name.replace(' ', '_')}.csv: no such file. Export the keyword `{name}` from "
                "Google Trends (United States, 2004 to present) and put it there."
            )
        return FilesSource(self.folder).series(found)

    def missing(self, names: Sequence[str]) -> list[str]:
        """Keywords without a file."""
        return [name for name in names if self._spelling(name) is None]

    def _spelling(self, name: str) -> str | None:
        if not self.folder.is_dir():
            return None
        files = FilesSource(self.folder)
        return next((n for n in (name, name.replace(" ", "_")) if not files.missing([n])), None)


SOURCE = TrendsSource
