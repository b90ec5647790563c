"""Findings: what can be wrong with data, how bad it is, and how it is written down."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any, Literal

import polars as pl

from lib.data.io import read_json
from lib.errors import ConfigError, DataError, nearest

Severity = Literal["error", "warning", "info"]

RULES: dict[str, tuple[Severity, str]] = {
    "read as": ("info", "how the file was read"),
    "doubtful file": ("warning", "the file may not be what its name says"),
    "missing column": ("error", "a column is absent"),
    "no rows": ("error", "the table is empty"),
    "missing date": ("error", "a row has no date"),
    "duplicate date": ("error", "a date occurs more than once"),
    "unsorted dates": ("error", "dates do not rise from row to row"),
    "impossible date": ("error", "a date before 1900"),
    "future date": ("error", "a date lies after today"),
    "missing price": ("error", "a price is absent or not a finite number"),
    "non-positive price": ("error", "a price is zero or negative"),
    "high below others": ("error", "High is below Open, Close or Low"),
    "low above others": ("error", "Low is above Open or Close"),
    "mixed adjustment": (
        "error",
        "some price columns are adjusted and others are not: the close lies outside High and Low most days",
    ),
    "unadjusted split": (
        "error",
        "the price opens on another level, without the volume and range of news, and stays there",
    ),
    "unadjusted gap": ("warning", "an overnight gap of 10 to 40 % without news or a move of others"),
    "news gap": ("info", "an overnight gap of 10 to 40 % with the volume or range of news"),
    "exchanged columns": ("error", "open and close stand under each other's names"),
    "bar out of place": ("error", "prices leave their level and come back"),
    "odd high or low": ("warning", "a high or low far from open and close"),
    "adjustment seam": (
        "error",
        "the adjustment factor falls, or jumps while the price does not: rows of two downloads were joined",
    ),
    "split or distribution": ("info", "the adjustment factor steps and the reported close moves against it"),
    "missing volume": ("warning", "the volume is absent"),
    "negative volume": ("error", "the volume is negative"),
    "no volume": ("info", "the volume is zero throughout"),
    "volume out of place": ("error", "the volume of one bar is in another unit"),
    "odd volume": ("warning", "a volume far beyond all volumes around it"),
    "volume level": ("warning", "the volume changes its level from one day to the next and stays there"),
    "zero volume": ("warning", "days without volume among others"),
    "not a session": ("warning", "the exchange was closed on this date: the bar is left out of all datasets"),
    "too many bars without a session": (
        "error",
        "more bars lie on days without a session than data.validation allows",
    ),
    "shifted dates": ("error", "dates lie a day early or late: a time zone"),
    "before the calendar": (
        "warning",
        "bars older than the exchange's calendar are left out of all datasets",
    ),
    "reused ticker": ("warning", "price or volume is on another level after a long hole"),
    "missing session": ("warning", "the exchange was open and no row has this date"),
    "too many missing sessions": ("error", "more sessions are missing than data.validation allows"),
    "stale close": ("warning", "the same close on many days in a row"),
    "jump": ("warning", "a one-day move beyond data.validation.jump_ratio"),
    "missing value": ("error", "a value is not a finite number"),
    "out of range": ("error", "a value outside the limits of config/data/series.yaml"),
    "published before its date": ("error", "a value is said to have been public before its own date"),
    "interpolated": (
        "error",
        "values between the days of a week or month lie on straight lines",
    ),
    "wrong frequency": ("error", "dates are not as far apart as config/data/series.yaml says"),
    "gap": ("warning", "more days without a value than data.validation.max_gap_days"),
    "rescaled": (
        "info",
        "values are scaled by the largest of the whole file, also by later ones: only relations are used",
    ),
    "left out": ("warning", "an optional series that datasets do without"),
    "latest revision": (
        "warning",
        "a revised series without first releases: its values were not known like this at the time",
    ),
    "differs between sources": ("warning", "two sources disagree about the same quantity"),
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


def finding(rule: str, symbol: str, day: date | None, value: float | None, detail: str = "") -> Finding:
    """A finding with the severity of its rule; `detail` instead of the rule's meaning."""
    severity, meaning = RULES[rule]
    return Finding(severity, symbol, day, rule, value, detail or meaning)


def remarks(symbol: str, said: Iterable[Sequence[str]]) -> list[Finding]:
    """A source's remarks on how it read a symbol or series (pairs of rule and message), as findings."""
    return [finding(rule, symbol, None, None, message) for rule, message in said]


def with_severities(findings: Sequence[Finding], severities: Mapping[str, str]) -> list[Finding]:
    """Findings with the severities that the configuration gives their rules; `off` drops them.

    Raises:
        ConfigError: a rule that does not exist.
    """
    for rule in severities:
        if rule not in RULES:
            raise ConfigError(
                f"data.validation.severity: `{rule}` is not a rule.{nearest(rule, RULES)} "
                f"Rules: {', '.join(RULES)}."
            )
    kept = [f for f in findings if severities.get(f.rule) != "off"]
    return [replace(f, severity=severities.get(f.rule, f.severity)) for f in kept]  # type: ignore[arg-type]


def findings_frame(findings: Sequence[Finding]) -> pl.DataFrame:
    """Findings as a table, also when there are none."""
    return pl.DataFrame([asdict(f) for f in findings], schema=FINDINGS_SCHEMA)


def findings_to_json(findings: Iterable[Finding]) -> list[dict[str, Any]]:
    """Findings as strict JSON values."""
    return [asdict(f) | {"date": f.date.isoformat() if f.date else None} for f in findings]


def read_findings(paths: Iterable[Path]) -> list[Finding]:
    """Findings of several datasets, each once: they share most of their raw data."""
    found = [each for path in paths for each in findings_from_json(read_json(path))]
    return list(dict.fromkeys(found))


def findings_from_json(content: list[dict[str, Any]]) -> list[Finding]:
    """The opposite of `findings_to_json`."""
    return [
        Finding(**item | {"date": date.fromisoformat(item["date"]) if item["date"] else None})
        for item in content
    ]


def raise_on_errors(findings: Iterable[Finding]) -> None:
    """Refuse data with errors.

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
