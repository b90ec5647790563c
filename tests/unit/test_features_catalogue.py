"""The catalogue: exact counts, look-back caps, and a document that is current."""

from pathlib import Path

import polars as pl
import pytest

from lib.errors import ConfigError
from lib.features.catalogue import LOOK_BACK_CAP, available_tiers, catalogue
from lib.features.documentation import catalogue_markdown
from lib.features.schema import PRICE_COLUMNS, channel_names

TIMESCALES = list(LOOK_BACK_CAP)


@pytest.mark.parametrize("timescale", TIMESCALES)
def test_every_tier_has_exactly_its_number_of_channels_with_names_of_their_own(timescale: str) -> None:
    assert available_tiers() == [20]
    names = [feature.name for feature in catalogue(20, timescale)]
    assert len(names) == len(set(names)) == 20
    assert not set(names) & {*PRICE_COLUMNS, "date", "symbol", "volume"}


@pytest.mark.parametrize("timescale", TIMESCALES)
def test_no_feature_looks_back_further_than_the_cap(timescale: str) -> None:
    for feature in catalogue(20, timescale):
        assert 1 <= feature.look_back <= LOOK_BACK_CAP[timescale], feature.name
        assert feature.warm_up == feature.look_back - 1


def test_lengths_beyond_the_cap_are_shrunk_and_the_name_says_so() -> None:
    daily = {feature.name for feature in catalogue(20, "daily")}
    monthly = {feature.name: feature for feature in catalogue(20, "monthly")}
    assert {"close_to_sma_200", "close_to_ema_50", "macd_histogram_12_26_9"} <= daily
    assert monthly["close_to_sma_24"].parameters == {"length": 24}
    assert monthly["macd_histogram_8_18_6"].look_back <= 24
    assert "close_to_sma_200" not in monthly
    assert "log_return_20" in monthly, "what fits is left as declared"


def test_tier_20_holds_what_it_is_said_to_hold() -> None:
    features = catalogue(20)
    families = [feature.family for feature in features]
    assert families.count("moving averages") == 3
    assert {"returns", "range", "candles", "momentum", "volatility"} <= set(families)
    assert not any("volume" in feature.inputs for feature in features)
    assert {"Polars", "TA-Lib", "pandas-ta"} == {feature.library for feature in features}


def test_what_is_not_built_is_refused_with_what_is() -> None:
    with pytest.raises(ConfigError, match=r"tier 50 is not built yet; available: 20"):
        catalogue(50)
    with pytest.raises(ConfigError, match="multires"):
        catalogue(20, "multires")


def test_the_written_catalogue_is_current() -> None:
    written = Path(__file__).parents[2] / "docs" / "features.md"
    assert written.read_text() == catalogue_markdown(), (
        "run: python -m lib.features.documentation > docs/features.md"
    )


def test_the_written_catalogue_names_every_channel() -> None:
    text = catalogue_markdown()
    for feature in catalogue(20):
        assert f"| `{feature.name}` |" in text


def test_channels_are_all_columns_that_are_neither_keys_nor_prices_in_order() -> None:
    frame = pl.DataFrame(
        schema=["date", "symbol", "b", "a", "open", "high", "low", "close"], data=[], orient="row"
    )
    assert channel_names(frame) == ["b", "a"]
