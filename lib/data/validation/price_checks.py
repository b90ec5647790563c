"""Validation of daily prices: dates and values of single bars; then the calendar, levels and adjustment."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

import polars as pl

from lib.config.data import ValidationConfig
from lib.data.validation.adjustment import adjustment
from lib.data.validation.findings import RULES, Finding, finding, with_severities
from lib.data.validation.levels import levels
from lib.data.validation.sessions import against_calendar

PRICES = ("open", "high", "low", "close")
FIRST_DAY = date(1900, 1, 1)
"""No price or value is older."""


def validate_prices(
    frame: pl.DataFrame,
    symbol: str,
    config: ValidationConfig,
    today: date,
    sessions: pl.Series,
    others: Mapping[str, pl.DataFrame] | None = None,
) -> list[Finding]:
    """What is wrong or odd with the daily prices of one symbol.

    Args:
        frame: columns date, symbol, open, high, low, close, volume, and adjustment if it is known.
        symbol: for the findings.
        config: thresholds and severities.
        today: nothing may be dated after it.
        sessions: days on which the exchange was open.
        others: prices of other symbols, to recognise moves of the whole market.
    """
    missing = [name for name in ("date", *PRICES, "volume") if name not in frame.columns]
    if missing or frame.is_empty():
        rule = "missing column" if missing else "no rows"
        detail = f"{', '.join(missing)} ({RULES[rule][1]})" if missing else RULES[rule][1]
        return with_severities([finding(rule, symbol, None, None, detail)], config.severity)
    findings = [*dates(frame, symbol, today), *_values(frame, symbol, config)]
    if not any(f.severity == "error" for f in findings):
        findings += against_calendar(frame, symbol, config, sessions)
        findings += _behaviour(frame, symbol, config)
        findings += levels(frame, symbol, config, others or {})
        findings += adjustment(frame, symbol)
    return with_severities(findings, config.severity)


def dates(frame: pl.DataFrame, symbol: str, today: date) -> list[Finding]:
    """Dates that are missing, repeated, out of order, impossible or in the future."""
    days = frame["date"]
    found = [finding("missing date", symbol, None, None)] * int(days.null_count() > 0)
    repeated = frame.filter(pl.col("date").is_duplicated())["date"].unique().sort()
    found += [finding("duplicate date", symbol, day, None) for day in repeated if day]
    backwards = frame.filter(pl.col("date") < pl.col("date").shift(1))["date"]
    found += [finding("unsorted dates", symbol, day, None) for day in backwards]
    old = frame.filter(pl.col("date") < FIRST_DAY)["date"]
    found += [finding("impossible date", symbol, day, None) for day in old.head(1)]
    found += [
        finding("future date", symbol, day, None) for day in frame.filter(pl.col("date") > today)["date"]
    ]
    return found


def _values(frame: pl.DataFrame, symbol: str, config: ValidationConfig) -> list[Finding]:
    slack = 1 + config.bounds_tolerance
    outside = (pl.col("close") * slack < pl.col("low")) | (pl.col("close") > pl.col("high") * slack)
    volume = pl.col("volume")
    checks: list[tuple[str, pl.Expr, pl.Expr, str]] = []
    for name in PRICES:
        column = pl.col(name)
        absent = column.is_null() | ~column.is_finite()
        checks.append(("missing price", absent, pl.lit(None), f"{name}: {RULES['missing price'][1]}"))
        checks.append(
            ("non-positive price", column <= 0, column, f"{name}: {RULES['non-positive price'][1]}")
        )
    high, low = pl.col("high"), pl.col("low")
    checks += [
        ("high below others", high * slack < pl.max_horizontal("open", "close", "low"), high, ""),
        ("low above others", low > pl.min_horizontal("open", "close") * slack, low, ""),
        ("missing volume", volume.is_null() | volume.is_nan(), pl.lit(None), ""),
        ("negative volume", volume < 0, volume, ""),
    ]
    share = outside.mean().alias("share")
    counts = frame.select(share, *(wrong.sum().alias(str(n)) for n, (_, wrong, _, _) in enumerate(checks)))
    mixed = counts["share"][0] is not None and counts["share"][0] > 0.2
    found: list[Finding] = []
    for n, (rule, wrong, value, detail) in enumerate(checks):
        if counts[str(n)][0] and not (mixed and rule not in ("missing price", "non-positive price")):
            rows = frame.filter(wrong).select(pl.col("date"), value.alias("value"))
            found.extend(finding(rule, symbol, day, number, detail) for day, number in rows.iter_rows())
    if mixed:
        text = f"the close lies outside High and Low on {counts['share'][0]:.0%} of all days"
        return [*found, finding("mixed adjustment", symbol, None, counts["share"][0], text)]
    if frame["volume"].fill_null(0).eq(0).all():
        found.append(finding("no volume", symbol, None, 0.0))
    return found


def _behaviour(frame: pl.DataFrame, symbol: str, config: ValidationConfig) -> list[Finding]:
    moves = frame.select("date", move=pl.col("close") / pl.col("close").shift(1) - 1)
    jumps = moves.filter(pl.col("move").abs() > config.jump_ratio)
    found = [finding("jump", symbol, day, move) for day, move in jumps.iter_rows()]
    runs = (
        frame.select("date", "close", run=pl.col("close").rle_id())
        .group_by("run", maintain_order=True)
        .agg(pl.col("date").first(), pl.len().alias("days"))
        .filter(pl.col("days") >= config.stale_days)
    )
    found += [
        finding("stale close", symbol, day, float(days), f"the same close on {days} days in a row")
        for _, day, days in runs.iter_rows()
    ]
    return found
