"""One line of the preflight table: what was looked at, what was found, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

State = Literal["pass", "warn", "fail"]


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
