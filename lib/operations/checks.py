"""One line of the preflight table: what was looked at, what was found, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

State = Literal["pass", "warn", "fail"]
GB = 1e9


@dataclass(frozen=True)
class Check:
    """What a look at the machine found.

    Attributes:
        subject: what was looked at.
        state: `fail` where the study would break, `warn` where a person should decide.
        found: as a fact, with units.
        advice: what to do; empty when it passed.
        unchecked: what this look could not see; empty if nothing.
    """

    subject: str
    state: State
    found: str
    advice: str = ""
    unchecked: str = ""


def gigabytes(size: float) -> str:
    """``2400000000`` to ``2.40 GB`` (10⁹ bytes); small sizes in MB or kB."""
    for unit, factor in (("GB", GB), ("MB", 1e6)):
        if size >= factor:
            return f"{size / factor:,.{2 if size < 10 * factor else 0}f} {unit}"
    return f"{size / 1e3:,.0f} kB"
