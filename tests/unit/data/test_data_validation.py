"""Every rule at the door: what is wrong is found with symbol, date and rule; nothing is repaired."""

from datetime import date, timedelta

import polars as pl
import pytest

from lib.config.data import ValidationConfig
from lib.data.validation.findings import (
    RULES,
    Finding,
    findings_frame,
    findings_from_json,
    findings_to_json,
    raise_on_errors,
)
from lib.data.validation.price_checks import validate_prices
from lib.errors import ConfigError, DataError

CONFIG = ValidationConfig()
TODAY = date(2024, 6, 1)
DAYS = [date(2024, 1, 2) + timedelta(days=n) for n in range(60)]
SESSIONS = [day for day in DAYS if day.weekday() < 5 and day not in (date(2024, 1, 15), date(2024, 2, 19))]


def prices(days=SESSIONS) -> pl.DataFrame:
    close = [100.0 + (n % 7) for n in range(len(days))]
    return pl.DataFrame(
        {
            "date": days,
            "symbol": "SPY",
            "open": close,
            "high": [c + 1 for c in close],
            "low": [c - 1 for c in close],
            "close": close,
            "volume": 1000.0,
        }
    )


def at(column: str, value: float | None, row: int = 10) -> pl.DataFrame:
    chosen = pl.int_range(pl.len()) == row
    return prices().with_columns(
        pl.when(chosen).then(pl.lit(value, pl.Float64)).otherwise(column).alias(column)
    )


def judged(frame: pl.DataFrame, config: ValidationConfig = CONFIG) -> list[Finding]:
    return validate_prices(frame, "SPY", config, TODAY, pl.Series(SESSIONS))


def rules(frame: pl.DataFrame, config: ValidationConfig = CONFIG) -> set[str]:
    return {f.rule for f in judged(frame, config)}


def test_clean_prices_have_no_findings():
    assert judged(prices()) == []


@pytest.mark.parametrize(
    ("frame", "rule"),
    [
        (prices().drop("high"), "missing column"),
        (prices().clear(), "no rows"),
        (pl.concat([prices(), prices().slice(5, 1)]).sort("date"), "duplicate date"),
        (prices().reverse(), "unsorted dates"),
        (prices([*SESSIONS, date(2025, 1, 2)]), "future date"),
        (at("close", None), "missing price"),
        (at("open", float("nan")), "missing price"),
        (at("low", float("inf")), "missing price"),
        (at("close", 0.0), "non-positive price"),
        (at("low", -5.0), "non-positive price"),
        (at("high", 50.0), "high below others"),
        (at("low", 150.0), "low above others"),
        (at("volume", -1.0), "negative volume"),
    ],
)
def test_errors_refuse_the_symbol_with_its_name(frame, rule):
    findings = judged(frame)
    assert rule in {f.rule for f in findings}
    assert RULES[rule][0] == "error"
    with pytest.raises(DataError, match=f"SPY.*{rule}"):
        raise_on_errors(findings)


@pytest.mark.parametrize(
    ("frame", "rule"),
    [
        (at("volume", None), "missing volume"),
        (prices().with_columns(volume=0.0), "no volume"),
        (prices(sorted([*SESSIONS, date(2024, 1, 6)])), "not a session"),
        (prices([day for day in SESSIONS if day != date(2024, 1, 10)]), "missing session"),
        (prices().with_columns(close=100.0, open=100.0, high=101.0, low=99.0), "stale close"),
        (prices().with_columns(pl.col("high", "low", "close") * pl.when(pl.col("date") > date(2024, 2, 1)).then(1.7).otherwise(1), pl.col("open") * pl.when(pl.col("date") > date(2024, 2, 2)).then(1.7).otherwise(1)).with_columns(low=pl.min_horizontal("open", "low")), "jump"),  # noqa: E501
    ],
)  # fmt: skip
def test_oddities_are_named_and_let_through(frame, rule):
    findings = judged(frame)
    assert rule in {f.rule for f in findings}
    raise_on_errors(findings)


def test_many_missing_sessions_are_an_error_by_the_configured_threshold():
    gap = prices([day for day in SESSIONS if day.month != 2])
    assert "too many missing sessions" in rules(gap)
    assert "too many missing sessions" not in rules(gap, ValidationConfig(max_missing_sessions=40))


def test_at_most_ten_errors_are_listed():
    with pytest.raises(DataError) as caught:
        raise_on_errors(judged(prices().with_columns(close=None)))
    assert len(str(caught.value).splitlines()) == 11


def test_findings_survive_their_file():
    findings = judged(at("close", None))
    assert findings_from_json(findings_to_json(findings)) == findings
    assert findings_frame(findings).height == len(findings)
    assert findings_frame([]).columns == findings_frame(findings).columns


def adjusted_by(factors: list[float]) -> pl.DataFrame:
    return prices().with_columns(adjustment=pl.Series(factors, dtype=pl.Float64))


def test_an_adjustment_that_rises_with_dividends_is_sound():
    rising = [0.98] * 15 + [0.99] * 15 + [1.0] * (len(SESSIONS) - 30)
    assert rules(adjusted_by(rising)) == set()


@pytest.mark.parametrize(
    "factors",
    [
        [1.0] * 20 + [0.98] * (len(SESSIONS) - 20),
        [0.5] * 20 + [1.0] * (len(SESSIONS) - 20),
    ],
    ids=["falls", "jumps by more than a dividend"],
)
def test_a_seam_in_the_adjustment_refuses_the_symbol_with_its_day(factors):
    joined = adjusted_by(factors).with_columns(  # the reported close knows nothing of the factor's step
        pl.col(name) * pl.col("adjustment") for name in ("open", "high", "low", "close")
    )
    found = [f for f in judged(joined) if f.rule == "adjustment seam"]
    assert [(f.rule, f.severity, f.date) for f in found] == [("adjustment seam", "error", SESSIONS[20])]


def test_adjusted_closes_beside_reported_highs_are_refused_as_what_they_are():
    mixed = prices().with_columns(pl.col("close") * 0.5, pl.col("open") * 0.5)
    [found] = [f for f in judged(mixed) if f.severity == "error"]
    assert found.rule == "mixed adjustment"
    assert "100%" in found.message


def test_a_crash_with_the_volume_and_range_of_news_is_only_a_jump():
    later, day = pl.int_range(pl.len()) >= 25, pl.int_range(pl.len()) == 25
    crash = prices().with_columns(
        pl.when(later).then(pl.col(name) * 0.58).otherwise(name) for name in ("open", "high", "low", "close")
    )
    crash = crash.with_columns(
        high=pl.when(day).then(pl.col("high") * 1.1).otherwise("high"),
        volume=pl.when(day).then(pl.col("volume") * 6).otherwise("volume"),
    )
    assert rules(crash) == {"jump"}


def test_severities_are_those_of_the_configuration():
    stale = prices().with_columns(close=100.0, open=100.0, high=101.0, low=99.0)
    assert "stale close" not in rules(stale, ValidationConfig(severity={"stale close": "off"}))
    strict = judged(stale, ValidationConfig(severity={"stale close": "error"}))
    with pytest.raises(DataError, match="stale close"):
        raise_on_errors(strict)
    with pytest.raises(ConfigError, match=r"`stale` is not a rule\. Did you mean"):
        judged(stale, ValidationConfig(severity={"stale": "off"}))
