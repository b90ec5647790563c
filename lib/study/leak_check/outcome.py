"""What a test for look-ahead has found about one thing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

State = Literal["clean", "leak", "unclear", "not checked"]


@dataclass(frozen=True)
class Outcome:
    """One line of the table."""

    what: str
    """Kind and name, as WHAT takes them: ``feature:close_to_high_33``."""
    state: State
    """`unclear`: it failed, or gives different results for the same input, so that nothing can be
    concluded."""
    found: str
    own: bool = True
    """The user's own, or requested by name: it must be judged, so that `not checked` is no pass."""

    @property
    def passes(self) -> bool:
        """Whether nothing was found that must be fixed first."""
        return self.state == "clean" or (self.state == "not checked" and not self.own)


def conclusion(verdicts: Iterable[Outcome]) -> str:
    """The last line."""
    found = list(verdicts)
    counts = {state: sum(v.state == state for v in found) for state in ("leak", "unclear", "not checked")}
    parts = [f"{number} {state}" for state, number in counts.items() if number]
    if not all(verdict.passes for verdict in found):
        return f"FAILED: {', '.join(parts)} of {len(found)}."
    left = f" ({', '.join(parts)})" if parts else ""
    return f"No look-ahead found in {sum(v.state == 'clean' for v in found)} of {len(found)}{left}."
