"""Daily prices at the door: dates, values, the exchange's calendar, and signs of wrong adjustment."""

from __future__ import annotations

from datetime import date

import polars as pl

from lib.config.data import ValidationConfig
from lib.data.validation.findings import RULES, Finding, finding, with_severities

PRICES = ("open", "high", "low", "close")
_RATIOS = (2, 3, 4, 5, 6, 7, 8, 10, 15, 20, 25, 30, 50)
"""Splits that happen; each also the other way round."""
_ODD_RATIOS = (1.5,)
"""Splits whose size a real move can have as well: they must be met more exactly."""
_LARGEST_DIVIDEND = 0.30


def validate_prices(
    frame: pl.DataFrame, symbol: str, config: ValidationConfig, today: date, sessions: pl.Series
) -> list[Finding]:
    """What is wrong or odd with the daily prices of one symbol.

    Args:
        frame: columns date, symbol, open, high, low, close, volume, and adjustment if it is known.
        symbol: for the findings.
        config: thresholds and severities.
        today: nothing may be dated after it.
        sessions: days on which the exchange was open.
    """
    missing = [name for name in ("date", *PRICES, "volume") if name not in frame.columns]
    if missing or frame.is_empty():
        rule = "missing column" if missing else "no rows"
        detail = f"{', '.join(missing)} ({RULES[rule][1]})" if missing else RULES[rule][1]
        return with_severities([finding(rule, symbol, None, None, detail)], config.severity)
    findings = [*dates(frame, symbol, today), *_values(frame, symbol, config)]
    if not any(f.severity == "error" for f in findings):
        findings += _calendar(frame, symbol, config, sessions)
        findings += _behaviour(frame, symbol, config)
        findings += _adjustment(frame, symbol, config)
    return with_severities(findings, config.severity)


def dates(frame: pl.DataFrame, symbol: str, today: date) -> list[Finding]:
    """Dates that are missing, repeated, out of order or in the future."""
    days = frame["date"]
    found = [finding("missing date", symbol, None, None)] * int(days.null_count() > 0)
    repeated = frame.filter(pl.col("date").is_duplicated())["date"].unique().sort()
    found += [finding("duplicate date", symbol, day, None) for day in repeated if day]
    backwards = frame.filter(pl.col("date") < pl.col("date").shift(1))["date"]
    found += [finding("unsorted dates", symbol, day, None) for day in backwards]
    found += [
        finding("future date", symbol, day, None) for day in frame.filter(pl.col("date") > today)["date"]
    ]
    return found


def _values(frame: pl.DataFrame, symbol: str, config: ValidationConfig) -> list[Finding]:
    found: list[Finding] = []

    def note(rule: str, wrong: pl.Expr, value: pl.Expr, detail: str = "") -> None:
        rows = frame.filter(wrong).select(pl.col("date"), value.alias("value"))
        found.extend(finding(rule, symbol, day, number, detail) for day, number in rows.iter_rows())

    for name in PRICES:
        column = pl.col(name)
        note(
            "missing price",
            column.is_null() | ~column.is_finite(),
            pl.lit(None),
            f"{name}: {RULES['missing price'][1]}",
        )
        note("non-positive price", column <= 0, column, f"{name}: {RULES['non-positive price'][1]}")
    slack = 1 + config.bounds_tolerance
    outside = (pl.col("close") * slack < pl.col("low")) | (pl.col("close") > pl.col("high") * slack)
    share = frame.select(outside.mean()).item()
    if share is not None and share > 0.2:
        text = f"the close lies outside High and Low on {share:.0%} of all days"
        return [*found, finding("mixed adjustment", symbol, None, share, text)]
    note(
        "high below others",
        pl.col("high") * slack < pl.max_horizontal("open", "close", "low"),
        pl.col("high"),
    )
    note("low above others", pl.col("low") > pl.min_horizontal("open", "close") * slack, pl.col("low"))
    volume = pl.col("volume")
    note("missing volume", volume.is_null() | volume.is_nan(), pl.lit(None))
    note("negative volume", volume < 0, volume)
    if frame["volume"].fill_null(0).eq(0).all():
        found.append(finding("no volume", symbol, None, 0.0))
    return found


def _calendar(
    frame: pl.DataFrame, symbol: str, config: ValidationConfig, sessions: pl.Series
) -> list[Finding]:
    days = frame["date"]
    open_days = set(sessions.filter(sessions.is_between(days[0], days[-1])))
    present = set(days)
    missing, extra = sorted(open_days - present), sorted(present - open_days)
    found = [finding("not a session", symbol, day, None) for day in extra]
    found += [finding("missing session", symbol, day, None) for day in missing]
    if len(missing) > config.max_missing_sessions:
        text = f"{len(missing)} sessions are missing, more than the {config.max_missing_sessions} allowed"
        found.append(finding("too many missing sessions", symbol, None, float(len(missing)), text))
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


def _adjustment(frame: pl.DataFrame, symbol: str, config: ValidationConfig) -> list[Finding]:
    """Splits that were not adjusted for, and seams in the adjustment."""
    moves = frame.select(
        "date",
        gap=pl.col("open") / pl.col("close").shift(1),
        move=pl.col("close") / pl.col("close").shift(1),
    ).drop_nulls()
    found = []
    suspects = moves.filter((pl.col("gap") > 1.4) | (pl.col("gap") < 0.7))
    for day, gap, move in suspects.iter_rows():
        ratio, size = max(gap, 1 / gap), max(move, 1 / move)
        near = min(_RATIOS, key=lambda known: abs(ratio / known - 1))
        tolerance = config.split_tolerance
        odd = any(abs(ratio / known - 1) < tolerance / 5 for known in _ODD_RATIOS)
        if (abs(ratio / near - 1) < tolerance or odd) and abs(size / ratio - 1) < 2 * tolerance:
            text = f"opens at {gap:.3f} times the last close and stays there; a split was not adjusted for"
            found.append(finding("unadjusted split", symbol, day, gap, text))
    if "adjustment" not in frame.columns or frame["adjustment"].null_count() == frame.height:
        return found
    factor = pl.col("adjustment")
    steps = frame.select("date", step=factor / factor.shift(1)).drop_nulls()
    # Dividends make the factor rise with time; rounding moves it by a few millionths.
    wrong = steps.filter((pl.col("step") < 1 - 1e-3) | (pl.col("step") > 1 + _LARGEST_DIVIDEND))
    for day, step in wrong.iter_rows():
        text = f"adjusted over reported close changes by a factor of {step:.4f} from one day to the next"
        found.append(finding("adjustment seam", symbol, day, step, text))
    return found
