"""Prices at the door: what is wrong with them is an error or a named warning, and nothing is repaired.

Each rule is one entry in `RULES` with its severity. Errors refuse the symbol; warnings stand in the
data-quality table of the report.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import date, timedelta
from typing import Any, Literal

import polars as pl

from lib.config.data import ValidationConfig
from lib.errors import DataError

Severity = Literal["error", "warning", "info"]
PRICES = ("open", "high", "low", "close")

RULES: dict[str, tuple[Severity, str]] = {
    "missing column": ("error", "a column is absent"),
    "no rows": ("error", "the table is empty"),
    "missing date": ("error", "a row has no date"),
    "duplicate date": ("error", "a date occurs more than once"),
    "unsorted dates": ("error", "dates do not rise from row to row"),
    "future date": ("error", "a date lies after today"),
    "missing price": ("error", "a price is absent or not a finite number"),
    "non-positive price": ("error", "a price is zero or negative"),
    "high below others": ("error", "High is below Open, Close or Low"),
    "low above others": ("error", "Low is above Open or Close"),
    "missing volume": ("warning", "the volume is absent"),
    "negative volume": ("error", "the volume is negative"),
    "no volume": ("info", "the volume is zero throughout"),
    "not a session": ("warning", "the exchange was closed on this date"),
    "missing session": ("warning", "the exchange was open and no row has this date"),
    "too many missing sessions": ("error", "more sessions are missing than data.validation allows"),
    "stale close": ("warning", "the same close on many days in a row"),
    "jump": (
        "warning",
        "a one-day move beyond data.validation.jump_ratio; an unadjusted split looks like this",
    ),
}
"""Severity and meaning of every rule."""

_LISTED = 10


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong or odd, at one date of one symbol (or about the symbol as a whole)."""

    severity: Severity
    symbol: str
    date: date | None
    rule: str
    value: float | None
    message: str


FINDINGS_SCHEMA: dict[str, type[pl.DataType]] = {
    "severity": pl.String,
    "symbol": pl.String,
    "date": pl.Date,
    "rule": pl.String,
    "value": pl.Float64,
    "message": pl.String,
}


def findings_frame(findings: list[Finding]) -> pl.DataFrame:
    """Findings as a table, also when there are none."""
    return pl.DataFrame([asdict(f) for f in findings], schema=FINDINGS_SCHEMA)


def findings_to_json(findings: list[Finding]) -> list[dict[str, Any]]:
    """Findings as strict JSON values."""
    return [asdict(f) | {"date": f.date.isoformat() if f.date else None} for f in findings]


def findings_from_json(content: list[dict[str, Any]]) -> list[Finding]:
    """The opposite of `findings_to_json`."""
    return [
        Finding(**item | {"date": date.fromisoformat(item["date"]) if item["date"] else None})
        for item in content
    ]


def raise_on_errors(findings: list[Finding]) -> None:
    """Refuse a symbol with errors.

    Raises:
        DataError: one line per error, at most ten.
    """
    errors = [f for f in findings if f.severity == "error"]
    if not errors:
        return
    lines = [f"{f.symbol}{f' {f.date}' if f.date else ''}: {f.rule}: {f.message}" for f in errors[:_LISTED]]
    if len(errors) > _LISTED:
        lines.append(f"... and {len(errors) - _LISTED} more.")
    raise DataError("\n".join(lines))


def validate_prices(
    frame: pl.DataFrame, symbol: str, config: ValidationConfig, today: date
) -> tuple[pl.DataFrame, list[Finding]]:
    """Judge the daily prices of one symbol.

    Args:
        frame: columns date, symbol, open, high, low, close, volume.
        symbol: for the findings.
        config: thresholds.
        today: nothing may be dated after it.

    Returns:
        The same rows (a missing volume as 0 is not assumed: it stays null) and what was found.
    """
    missing = [name for name in ("date", *PRICES, "volume") if name not in frame.columns]
    if missing or frame.is_empty():
        rule = "missing column" if missing else "no rows"
        detail = f"{', '.join(missing)} ({RULES[rule][1]})" if missing else RULES[rule][1]
        return frame, [Finding(RULES[rule][0], symbol, None, rule, None, detail)]
    findings = [*_dates(frame, symbol, today), *_values(frame, symbol, config)]
    if not any(f.severity == "error" for f in findings):
        findings += _calendar(frame, symbol, config)
        findings += _behaviour(frame, symbol, config)
    return frame, findings


def _finding(rule: str, symbol: str, day: date | None, value: float | None, detail: str = "") -> Finding:
    severity, meaning = RULES[rule]
    return Finding(severity, symbol, day, rule, value, detail or meaning)


def _dates(frame: pl.DataFrame, symbol: str, today: date) -> list[Finding]:
    days = frame["date"]
    found = [_finding("missing date", symbol, None, None)] * int(days.null_count() > 0)
    repeated = frame.filter(pl.col("date").is_duplicated())["date"].unique().sort()
    found += [_finding("duplicate date", symbol, day, None) for day in repeated if day]
    backwards = frame.filter(pl.col("date") < pl.col("date").shift(1))["date"]
    found += [_finding("unsorted dates", symbol, day, None) for day in backwards]
    found += [
        _finding("future date", symbol, day, None) for day in frame.filter(pl.col("date") > today)["date"]
    ]
    return found


def _values(frame: pl.DataFrame, symbol: str, config: ValidationConfig) -> list[Finding]:
    found: list[Finding] = []

    def note(rule: str, wrong: pl.Expr, value: pl.Expr, detail: str = "") -> None:
        rows = frame.filter(wrong).select(pl.col("date"), value.alias("value"))
        found.extend(_finding(rule, symbol, day, number, detail) for day, number in rows.iter_rows())

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
        found.append(_finding("no volume", symbol, None, 0.0))
    return found


def _calendar(frame: pl.DataFrame, symbol: str, config: ValidationConfig) -> list[Finding]:
    import exchange_calendars

    days = frame["date"]
    first, last = days[0], days[-1]
    try:
        calendar = exchange_calendars.get_calendar(
            config.calendar, start=str(first - timedelta(days=10)), end=str(last + timedelta(days=10))
        )
    except (exchange_calendars.errors.CalendarError, ValueError) as error:
        raise DataError(f"data.validation.calendar: {error}") from None
    sessions = {day.date() for day in calendar.sessions_in_range(str(first), str(last))}
    present = set(days)
    missing, extra = sorted(sessions - present), sorted(present - sessions)
    found = [_finding("not a session", symbol, day, None) for day in extra]
    found += [_finding("missing session", symbol, day, None) for day in missing]
    if len(missing) > config.max_missing_sessions:
        text = f"{len(missing)} sessions are missing, more than the {config.max_missing_sessions} allowed"
        found.append(_finding("too many missing sessions", symbol, None, float(len(missing)), text))
    return found


def _behaviour(frame: pl.DataFrame, symbol: str, config: ValidationConfig) -> list[Finding]:
    moves = frame.select("date", move=pl.col("close") / pl.col("close").shift(1) - 1)
    jumps = moves.filter(pl.col("move").abs() > config.jump_ratio)
    found = [_finding("jump", symbol, day, move) for day, move in jumps.iter_rows()]
    runs = (
        frame.select("date", "close", run=pl.col("close").rle_id())
        .group_by("run", maintain_order=True)
        .agg(pl.col("date").first(), pl.len().alias("days"))
        .filter(pl.col("days") >= config.stale_days)
    )
    found += [
        _finding("stale close", symbol, day, float(days), f"the same close on {days} days in a row")
        for _, day, days in runs.iter_rows()
    ]
    return found
