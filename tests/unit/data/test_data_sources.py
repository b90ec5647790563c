"""The embedded index, the synthetic market, and real files where they are at hand."""

import os
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from lib.config.data import DataConfig, SyntheticConfig, ValidationConfig
from lib.config.model import AssetsFile
from lib.config.series_table import SeriesFile
from lib.config.validation import validate
from lib.config.yaml_files import read_yaml
from lib.data.assets import check_served, check_source_names, primary_label, series_of, symbols_of
from lib.data.calendar import sessions_of
from lib.data.sources.embedded import EmbeddedSource
from lib.data.sources.files import FilesSource
from lib.data.sources.synthetic import SyntheticSource, best_auc
from lib.data.validation.price_checks import validate_prices
from lib.errors import ConfigError, DataError
from lib.metrics.classification import roc_auc

ASSETS = validate(
    AssetsFile, read_yaml(Path(__file__).parents[3] / "config" / "data" / "assets.yaml"), "assets"
)
SERIES = validate(
    SeriesFile, read_yaml(Path(__file__).parents[3] / "config" / "data" / "series.yaml"), "series"
)


@pytest.mark.parametrize("symbol", ["^GSPC", "^IXIC"])
def test_the_embedded_indices_are_whole_and_clean(symbol):
    frame = EmbeddedSource().prices(symbol)
    assert frame.height == 5031
    assert (frame["date"][0], frame["date"][-1]) == (date(1999, 1, 4), date(2018, 12, 31))
    found = validate_prices(frame, symbol, ValidationConfig(), date.today(), sessions_of("XNYS"))
    # The NASDAQ's file really has two days without volume.
    assert [(f.rule, f.value) for f in found] == ([("zero volume", 2.0)] if symbol == "^IXIC" else [])


def test_an_unknown_embedded_symbol_is_refused():
    with pytest.raises(DataError, match=r"SPY: source embedded has only \^GSPC"):
        EmbeddedSource().prices("SPY")


def test_the_synthetic_market_is_clean_and_repeatable():
    source = SyntheticSource(SyntheticConfig())
    frame = source.prices("PLANTED")
    assert validate_prices(frame, "PLANTED", ValidationConfig(), date.today(), sessions_of("XNYS")) == []
    assert source.prices("PLANTED").equals(frame)
    other = SyntheticSource(SyntheticConfig(seed=8)).prices("PLANTED")
    assert not other["close"].equals(frame["close"])


@pytest.mark.parametrize("horizon", [1, 5])
def test_the_planted_signal_reaches_the_auc_it_promises(horizon):
    config = SyntheticConfig()
    frame = SyntheticSource(config).prices("PLANTED")
    candle_low = np.minimum(frame["open"], frame["close"]).to_numpy()
    signal = (candle_low - frame["low"].to_numpy()) / frame["close"].to_numpy()
    close = frame["close"].to_numpy()
    reached = roc_auc(close[horizon:] > close[:-horizon], signal[:-horizon])
    assert reached == pytest.approx(best_auc(config, "direction", horizon), abs=0.03)


def test_without_a_signal_there_is_nothing_to_reach():
    assert best_auc(SyntheticConfig(signal=0.0), "direction", 1) == pytest.approx(0.5, abs=0.002)


def test_the_planted_auc_is_known_for_direction_only():
    with pytest.raises(ConfigError, match="direction only"):
        best_auc(SyntheticConfig(), "threshold_1pct", 1)


def test_rows_pool_their_symbols_under_the_names_of_the_source():
    assert symbols_of("Aa20", "embedded", ASSETS) == ["^GSPC"]
    assert symbols_of("Ca20", "files", ASSETS) == ["SPY", "DIA", "QQQ"]
    assert len(symbols_of("Da20", "files", ASSETS)) == 10
    assert primary_label("embedded", ASSETS) == "^GSPC"


SPLITS = {"train_end": "2012-12-31", "validation_start": "2013-01-01", "validation_end": "2015-12-31",
          "test_start": "2016-01-01"}  # fmt: skip


def data(source: str, **changes) -> DataConfig:
    return DataConfig.model_validate({"source": source, "vintage": "v", "splits": SPLITS} | changes)


def test_a_symbol_that_a_source_does_not_have_is_refused():
    with pytest.raises(ConfigError, match="needs DIA, which source embedded does not have"):
        symbols_of("Ba20", "embedded", ASSETS)


def test_columns_add_up_and_row_e_adds_economic_series():
    assert series_of("Aa20", SERIES).names == ()
    assert series_of("Ab20", SERIES).names == ("SENTIMENT",)
    assert series_of("Ac20", SERIES).names == ("SENTIMENT", "VIX")
    everything = series_of("Ed20", SERIES)
    assert {"SENTIMENT", "VIX", "TRENDS_RECESSION", "DGS10", "YIELD_SLOPE"} <= set(everything.required)
    assert set(everything.optional) == {"TRENDS_INFLATION", "TRENDS_DEBT", "SHORT_RATE", "TNX"}
    assert everything.history_from == date(2004, 1, 1)


@pytest.mark.parametrize(
    ("dataset", "config", "words"),
    [
        ("Ab20", {"source": "embedded"}, r"needs SENTIMENT .*source embedded serves prices only.*sentiment"),
        (
            "Ea20",
            {"source": "files", "folder": "EMPTY"},
            r"needs DGS10 .*files\) do not have it.*fred \(DGS10\)",
        ),
        ("Ec20", {"source": "yahoo", "series_from": ["yahoo"]}, r"needs FED_FUNDS"),
    ],
)
def test_series_that_no_declared_source_has_are_refused_with_who_has_them(dataset, config, words, tmp_path):
    (tmp_path / "ohlcv").mkdir()
    config = {key: str(tmp_path) if value == "EMPTY" else value for key, value in config.items()}
    with pytest.raises(ConfigError, match=words):
        check_served(dataset, data(**config), SERIES)


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"source": "yaho"}, "Did you mean yahoo"),
        ({"source": "fred"}, "source fred has no prices"),
        ({"source": "yahoo", "series_from": ["embedded"]}, "data.series_from: source embedded has no series"),
    ],
)
def test_a_source_that_cannot_be_meant_is_refused(config, words):
    with pytest.raises(ConfigError, match=words):
        check_source_names(data(**config))


def test_source_files_needs_a_folder():
    with pytest.raises(ValueError, match="needs `folder:`"):
        data("files")


@pytest.mark.skipif(
    "MARKET_DATA_DIR" not in os.environ, reason="MARKET_DATA_DIR names no folder of market data"
)
@pytest.mark.parametrize("symbol", ["SPY", "QQQ", "AAPL"])
def test_real_files_are_read_and_pass(symbol):
    frame = FilesSource(Path(os.environ["MARKET_DATA_DIR"])).prices(symbol)
    findings = validate_prices(frame, symbol, ValidationConfig(), date.today(), sessions_of("XNYS"))
    assert frame.height > 3000
    assert [f for f in findings if f.severity == "error"] == []
