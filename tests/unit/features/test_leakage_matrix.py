"""No cell of the data matrix knows the future of its sources: cut it off or change it, the past stays."""

import os
from datetime import date, timedelta
from functools import cache
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from lib.config.base import COLUMNS, ROWS
from lib.config.data import DataConfig
from lib.config.model import AssetsFile
from lib.config.series_table import SeriesFile
from lib.config.validation import validate
from lib.config.yaml_files import read_yaml
from lib.data.assets import origins, series_of, symbols_of
from lib.data.calendar import sessions_of
from lib.data.series import combine_files, empty_series, fetch_series, publish
from lib.data.sources.files import FilesSource
from lib.features.assembly import assemble
from lib.features.bars import resample
from lib.features.groups import SeriesInput
from tests.unit.tables import prices_of

DATA = Path(__file__).parents[3] / "config" / "data"
ASSETS = validate(AssetsFile, read_yaml(DATA / "assets.yaml"), "assets")
SERIES = validate(SeriesFile, read_yaml(DATA / "series.yaml"), "series")
CELLS = [f"{row}{column}20" for row in ROWS for column in COLUMNS]
EXCHANGE = sessions_of("XNYS")
CUT = date(2010, 6, 15)
"""Everything after this day is cut off or changed."""


@cache
def made_prices(symbol: str) -> pl.DataFrame:
    sessions = EXCHANGE.filter(EXCHANGE.is_between(date(2005, 1, 3), date(2011, 6, 30)))
    random = np.random.default_rng(sum(map(ord, symbol)))
    close = 50 * np.exp(np.cumsum(0.012 * random.standard_normal(len(sessions))))
    open_ = close * np.exp(0.004 * random.standard_normal(len(sessions)))
    return prices_of(sessions, open_, close, random.uniform(1e6, 2e6, len(sessions)).round(), symbol)


@cache
def made_series(name: str) -> pl.DataFrame:
    definition = SERIES.series[name]
    if definition.combine:
        first, second = (made_series(part) for part in definition.combine.members)
        return combine_files(first, second, name, definition.combine)
    step = 1 if definition.frequency == "daily" else 7
    dates = [date(2003, 1, 5) + timedelta(days=step * k) for k in range(3150 // step)]
    values = 30 * np.exp(np.cumsum(0.03 * np.random.default_rng(len(name)).standard_normal(len(dates))))
    raw = pl.DataFrame({"date": dates, "value": values}).with_columns(available_from=pl.lit(None, pl.Date))
    return publish(raw, name, definition)


@cache
def real_prices(symbol: str) -> pl.DataFrame:
    return FilesSource(Path(os.environ["MARKET_DATA_DIR"])).prices(symbol)


@cache
def real_series(name: str) -> pl.DataFrame:
    splits = {"train_end": "2022-12-31", "validation_start": "2023-01-01",
              "validation_end": "2024-12-31", "test_start": "2025-01-01"}  # fmt: skip
    folder = os.environ["MARKET_DATA_DIR"]
    data = DataConfig.model_validate({"source": "files", "folder": folder, "vintage": "v", "splits": splits})
    definition = SERIES.series[name]
    if definition.combine:
        first, second = (real_series(part) for part in definition.combine.members)
        return combine_files(first, second, name, definition.combine)
    return fetch_series(name, definition, origins(name, definition, data), data, optional=True)[0]


def cut(frame: pl.DataFrame) -> pl.DataFrame:
    """As the file was on the evening of CUT: later rows do not exist, nor do values not yet public."""
    known = pl.col("available_from") if "available_from" in frame.columns else pl.col("date")
    return frame.filter(known <= CUT)


def changed(frame: pl.DataFrame) -> pl.DataFrame:
    """The same dates with another future."""
    known = pl.col("available_from") if "available_from" in frame.columns else pl.col("date")
    columns = ["value"] if "value" in frame.columns else ["open", "high", "low", "close", "volume"]
    return frame.with_columns(pl.when(known > CUT).then(pl.col(columns) * 1.7).otherwise(pl.col(columns)))


def build(cell: str, prices, series, fix=lambda frame: frame) -> pl.DataFrame:
    members = series_of(cell, SERIES)
    bars = {s: resample(fix(prices(s)), "daily", EXCHANGE) for s in symbols_of(cell, "files", ASSETS)}
    inputs = [
        SeriesInput(name, SERIES.series[name].group, name in members.required, fix(series(name)))
        for name in members.names
    ]
    return assemble(bars, 20, "daily", inputs, None, members.history_from)


def check(cell: str, prices, series) -> None:
    whole = build(cell, prices, series)
    past = whole.filter(pl.col("date") <= CUT)
    assert past.height > 200
    assert whole.height > past.height
    for fix in (cut, changed):
        other = build(cell, prices, series, fix)
        same = other.filter(pl.col("date") <= CUT)
        assert same.columns == past.columns
        assert same.equals(past), f"{cell}: {fix.__name__}"
    assert not other.filter(pl.col("date") > CUT).equals(whole.filter(pl.col("date") > CUT))


@pytest.mark.parametrize("cell", CELLS)
def test_no_cell_of_the_matrix_knows_the_future(cell):
    check(cell, made_prices, made_series)


def test_an_absent_optional_series_is_an_empty_table():
    assert empty_series().columns == made_series("VIX").columns


@pytest.mark.slow
@pytest.mark.skipif(
    "MARKET_DATA_DIR" not in os.environ, reason="MARKET_DATA_DIR names no folder of market data"
)
@pytest.mark.parametrize("cell", CELLS)
def test_no_cell_of_the_real_matrix_knows_the_future(cell, monkeypatch):
    monkeypatch.setitem(globals(), "CUT", date(2020, 3, 16))
    check(cell, real_prices, real_series)
