"""The Daily News Sentiment Index of the Federal Reserve Bank of San Francisco (Shapiro, Sudhof, Wilson 2022).

The bank re-estimates the whole index now and then and keeps no first releases: its level is a look-ahead to
some degree, which is why columns b-d use changes and relations of it within a window.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import polars as pl

from lib.config.data import DataConfig, DownloadConfig
from lib.data.reading.series_files import read_series
from lib.data.sources import OBSERVATION_SCHEMA, Source
from lib.data.sources._web import USUAL, download
from lib.errors import DataError

ADDRESS = "https://www.frbsf.org/wp-content/uploads/news_sentiment_data.xlsx"
NAME = "news_sentiment"


class SentimentSource(Source):
    """One series, from the bank's workbook."""

    name = "sentiment"
    gives_series = True

    def __init__(self, address: str = ADDRESS, patience: DownloadConfig = USUAL) -> None:
        self.address, self.patience = address, patience

    @classmethod
    def open(cls, data: DataConfig) -> Self:
        """The bank's workbook, or a copy of it at `data.addresses.sentiment`."""
        return cls(data.addresses.get("sentiment", ADDRESS), data.download)

    def series(self, name: str, first_releases: bool = False) -> pl.DataFrame:
        """The daily index."""
        if name != NAME:
            raise DataError(f"{name}: source sentiment has only {NAME}.")
        what = "news sentiment workbook"
        body = download(self.address, what, self.patience)
        if not body.startswith(b"PK"):
            raise DataError(f"{what}: {self.address} did not give an Excel file (has the page moved?).")
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "news_sentiment_data.xlsx"
            path.write_bytes(body)
            frame = read_series(path).frame
        return frame.select(pl.col(name).cast(dtype) for name, dtype in OBSERVATION_SCHEMA.items())

    def missing(self, names: Sequence[str]) -> list[str]:
        """Every other name."""
        return [name for name in names if name != NAME]


SOURCE = SentimentSource
