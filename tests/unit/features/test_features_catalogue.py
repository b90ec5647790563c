"""The catalogue: exact counts, look-back caps, and a document that is current."""

from pathlib import Path

import polars as pl
import pytest

from lib.config.base import TIERS
from lib.errors import ConfigError
from lib.features.catalogue import LOOK_BACK_CAP, catalogue, declarations, period_at
from lib.features.declaration import declared
from lib.features.documentation import catalogue_markdown
from lib.features.schema import PRICE_COLUMNS, channel_names

TIMESCALES = list(LOOK_BACK_CAP)


@pytest.mark.parametrize("timescale", TIMESCALES)
def test_tiers_are_nested_and_have_exactly_their_number_of_channels(timescale: str) -> None:
    whole = [feature.name for feature in catalogue(2000, timescale)]
    assert len(set(whole)) == 2000
    assert not set(whole) & {*PRICE_COLUMNS, "date", "symbol", "volume"}
    for tier in TIERS:
        assert [feature.name for feature in catalogue(tier, timescale)] == whole[:tier]
        assert all(feature.tier <= tier for feature in catalogue(tier, timescale))


@pytest.mark.parametrize("timescale", TIMESCALES)
def test_no_feature_looks_back_further_than_the_cap(timescale: str) -> None:
    for feature in catalogue(2000, timescale):
        assert 1 <= feature.look_back <= LOOK_BACK_CAP[timescale], feature.name


@pytest.mark.parametrize("timescale", TIMESCALES)
def test_what_a_feature_is_derived_of_stands_before_it(timescale: str) -> None:
    before: set[str] = set()
    for feature in catalogue(2000, timescale):
        assert set(feature.sources) <= before
        before.add(feature.name)


def test_periods_shrink_at_slow_timescales_and_the_name_says_so() -> None:
    assert {"close_to_sma_200", "close_to_ema_50", "macd_histogram_12_26_9"} <= {
        feature.name for feature in catalogue(20, "daily")
    }
    assert [period_at(n, "monthly") for n in (1, 2, 5, 20, 50, 200, 252)] == [1, 2, 3, 7, 10, 21, 24]
    assert [period_at(n, "multires") for n in (1, 50, 252)] == [1, 50, 252]
    monthly = {feature.name: feature for feature in catalogue(20, "monthly")}
    assert monthly["close_to_sma_21"].parameters == {"length": 21}
    assert monthly["log_return_1"].look_back == 2


def test_tiers_hold_what_they_are_said_to_hold() -> None:
    def families(tier: int) -> set[str]:
        return {feature.family for feature in catalogue(tier)}

    assert families(20) == {"moving averages", "returns", "range", "candles", "momentum", "volatility"}
    assert not any("volume" in feature.inputs for feature in catalogue(50))
    assert families(100) - families(50) == {"volume", "trend", "crossings", "statistics"}
    assert families(200) - families(100) == {"dynamics"}
    assert families(500) - families(200) == {"lags", "calendar"}
    assert families(1000) - families(500) == {"polynomials", "interactions"}
    assert {feature.library for feature in catalogue(2000)} == {"Polars", "TA-Lib", "pandas-ta-classic"}
    assert all(feature.library != "pandas-ta-classic" for feature in catalogue(200)), (
        "its import costs a second"
    )


def test_what_does_not_exist_is_refused_with_what_does() -> None:
    with pytest.raises(ConfigError, match="tier 30 is not one of 20, 50"):
        catalogue(30)
    with pytest.raises(ConfigError, match="hourly"):
        catalogue(20, "hourly")  # type: ignore[arg-type]


def test_channels_keep_their_order_whichever_family_was_imported_first(monkeypatch) -> None:
    usual = declarations()
    volume_first = sorted(declared(), key=lambda each: not each.compute.__module__.endswith(".volume"))
    monkeypatch.setattr("lib.features.catalogue.declared", lambda: volume_first)
    assert volume_first[0].compute.__module__.endswith(".volume")
    assert declarations.__wrapped__() == usual


def test_the_written_catalogue_is_current() -> None:
    written = Path(__file__).parents[3] / "docs" / "features.md"
    assert written.read_text() == catalogue_markdown(), "run: make docs"


def test_the_written_catalogue_names_every_channel() -> None:
    text = catalogue_markdown()
    for feature in catalogue(2000):
        assert f"| `{feature.name}` |" in text


def test_channels_are_all_columns_that_are_neither_keys_nor_prices_in_order() -> None:
    frame = pl.DataFrame(
        schema=["date", "symbol", "b", "a", "open", "high", "low", "close"], data=[], orient="row"
    )
    assert channel_names(frame) == ["b", "a"]
