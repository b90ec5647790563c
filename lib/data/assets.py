"""Rows and columns of the data matrix: which symbols a dataset pools, and what a source calls them."""

from __future__ import annotations

from lib.config.base import ROWS, split_dataset
from lib.config.model import AssetsFile
from lib.errors import ConfigError

CLOSED_SOURCES = ("embedded", "synthetic")
"""Sources that serve only the symbols named in the assets file."""

SERIES_NEEDED = {
    "b": "the San Francisco Fed's daily news sentiment",
    "c": "news sentiment and the VIX",
    "d": "news sentiment, the VIX and Google Trends",
    "E": "Treasury yields and the federal funds rate",
}


def symbols_of(dataset: str, source: str, assets: AssetsFile) -> list[str]:
    """Labels, in the source's own words, of the symbols that a dataset pools.

    Raises:
        ConfigError: the row or column needs series, or a symbol, that the source does not serve.
    """
    row, column, _ = split_dataset(dataset)
    for part in (row, column):
        if part in SERIES_NEEDED:
            raise ConfigError(
                f"dataset {dataset}: {'row' if part == row else 'column'} {part} needs "
                f"{SERIES_NEEDED[part]}; "
                "the sources of this version serve prices only. Available: rows A-D with column a."
            )
    members = [symbol for name in ROWS[: ROWS.index(row) + 1] for symbol in assets.rows.get(name, [])]
    return [label_of(symbol, source, assets, f"dataset {dataset}") for symbol in members]


def label_of(symbol: str, source: str, assets: AssetsFile, needed_by: str = "configuration") -> str:
    """What a source calls a symbol.

    Raises:
        ConfigError: a source with a fixed set of symbols does not have this one.
    """
    known = assets.sources.get(source, {})
    if symbol not in known and source in CLOSED_SOURCES:
        raise ConfigError(
            f"{needed_by} needs {symbol}, which source {source} does not have (it has {', '.join(known)}). "
            "Source `files` serves any symbol from a folder of your own."
        )
    return known.get(symbol, symbol)


def primary_label(source: str, assets: AssetsFile) -> str:
    """Label of the symbol whose test windows give the primary measure."""
    return label_of(assets.primary, source, assets, "the primary measure")
