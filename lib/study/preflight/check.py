"""One line of the preflight table: what was checked, what was found, and what to do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

State = Literal["pass", "warn", "fail"]


@dataclass(frozen=True)
class Check:
    """Result of one check.

    Attributes: subject: what was checked. state: `fail` where the study would break, `warn` where a person
        should decide. found: as a fact, with units. advice: what to do; empty when it passed. unchecked: what
        this check could not see; empty if nothing.
    """

    subject: str
    state: State
    found: str
    advice: str = ""
    unchecked: str = ""
