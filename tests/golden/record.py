"""The record of golden results (`results.json`), and how results are compared with it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

RECORD = Path(__file__).with_name("results.json")
CLOSE = 1e-3
"""Relative: processors sum in different orders, and what is trained carries that on."""
TINY = 1e-6
DIGITS = 7


def read_record() -> dict[str, dict[str, Any]]:
    """For each stage the `version` and the `results` that it had."""
    return json.loads(RECORD.read_text(encoding="utf-8")) if RECORD.is_file() else {}


def write_record(record: Mapping[str, Mapping[str, Any]]) -> None:
    """Write the record, numbers with as many digits as are compared and some more."""
    rounded = {
        stage: {"version": entry["version"], "results": {k: _rounded(v) for k, v in entry["results"].items()}}
        for stage, entry in record.items()
    }
    RECORD.write_text(json.dumps(rounded, indent=0, sort_keys=True) + "\n", encoding="utf-8")


def differences(known: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """What differs between two results of a stage, in words; empty if nothing does."""
    found = [f"{name} is new" for name in now if name not in known]
    found += [f"{name} is gone" for name in known if name not in now]
    return found + [
        f"{name}: {known[name]} was, {value} is"
        for name, value in now.items()
        if name in known and not _equal(known[name], value)
    ]


def _equal(one: Any, other: Any) -> bool:
    if isinstance(one, int | float) and isinstance(other, int | float):
        return math.isclose(one, other, rel_tol=CLOSE, abs_tol=TINY)
    return bool(one == other)


def _rounded(value: Any) -> Any:
    return float(f"{value:.{DIGITS}g}") if isinstance(value, float) else value
