"""Other futures of a table: what comes after a day is cut off or changed, and what was before stays.

Several kinds, because one does not show every leak: a maximum over all of history sees only a higher future,
a rank only another order. Rows are never taken away at the start: another warm-up is no look-ahead.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import polars as pl

CUT_OFF = "cut off"
KINDS = (CUT_OFF, "raised", "lowered", "shuffled", "shocked", "shifted")
QUICK = (CUT_OFF, "raised", "shocked")
"""For what is shipped, and tested for itself."""
DENSE = (CUT_OFF, "raised", "lowered")
"""For many cuts on end: a leak of one bar, or of one bar in twenty, shows at the cut just before it only."""
Build = Callable[[str, date], pl.DataFrame]
"""What is tested, built of a future of this kind after this day; with `date`, sorted like the whole."""


def with_future(
    frame: pl.DataFrame, kind: str, later: pl.Expr, groups: Sequence[Sequence[str]]
) -> pl.DataFrame:
    """A table whose rows marked by `later` are cut off or hold other values.

    Args:
        frame: in any order.
        kind: one of `KINDS`.
        later: true for the rows of the future.
        groups: columns that change alike, so that a high stays above its low; others stay.
    """
    if kind == CUT_OFF:
        return frame.filter(~later)
    rows = np.flatnonzero(frame.select(later.fill_null(False)).to_series().to_numpy())
    random = np.random.default_rng(len(rows))
    order, columns = random.permutation(rows), []
    for group in groups:
        values = frame.select(pl.col(group).cast(pl.Float64)).to_numpy(writable=True)
        match kind:
            case "raised":
                values[rows] *= 3
            case "lowered":
                values[rows] /= 3
            case "shuffled":
                values[rows] = values[order]
            case "shocked":
                values[rows] *= np.exp(random.standard_normal((len(rows), 1)))
            case "shifted":
                level = values[np.isfinite(values)]
                values[rows] += 1 + np.ptp(level) if level.size else 1
            case _:
                raise ValueError(f"kind {kind!r} is not one of {', '.join(KINDS)}")
        columns += [pl.Series(n, values[:, k], nan_to_null=True) for k, n in enumerate(group)]
    return frame.with_columns(columns)


def spread(days: Sequence[date], count: int) -> list[date]:
    """Some of these days, evenly, without the last one (nothing comes after it)."""
    chosen = np.unique(np.linspace(0, len(days) - 2, count).round().astype(int))
    return [days[number] for number in chosen if number >= 0]


def cuts(days: Sequence[date], dense: int, few: int) -> Iterator[tuple[str, date]]:
    """Kinds and days to try: `few` days with every kind, then the latest `dense` days one by one."""
    for day in spread(days, few):
        yield from ((kind, day) for kind in KINDS)
    for day in days[:-1][-dense:] if dense else ():
        yield from ((kind, day) for kind in DENSE)


@dataclass(frozen=True)
class Difference:
    """A value that knew what came after it."""

    column: str
    day: date
    whole: Any
    other: Any
    kind: str
    cut: date

    def __str__(self) -> str:
        change = "cut off" if self.kind == CUT_OFF else f"{self.kind}, other values"
        future = f"the future after {self.cut} {change}"
        if self.column == "date":
            return f"the row of {self.day} is not the same with {future}"
        return f"{self.column} on {self.day}: {_number(self.whole)}, with {future}: {_number(self.other)}"


def _number(value: Any) -> str:
    return f"{value:.9g}" if isinstance(value, float) else "none" if value is None else str(value)


def difference(whole: pl.DataFrame, other: pl.DataFrame, kind: str, cut: date) -> Difference | None:
    """The first value up to the cut that differs between two tables, compared exactly; None if none does."""
    ours, theirs = (frame.filter(pl.col("date") <= cut) for frame in (whole, other))
    if ours.equals(theirs):
        return None
    if ours["date"].to_list() != theirs["date"].to_list():
        missing = set(ours["date"]) ^ set(theirs["date"]) or {cut}
        return Difference("date", max(missing), None, None, kind, cut)
    for name in ours.columns:
        same = ours[name].eq_missing(theirs[name])
        if not same.all():
            row = int((~same).arg_max() or 0)
            return Difference(name, ours["date"][row], ours[name][row], theirs[name][row], kind, cut)
    return None


@dataclass(frozen=True)
class Search:
    """What a search for differences has found."""

    leaks: list[Difference]
    """The first of each column."""
    tried: int
    """Other futures."""
    stirred: bool
    """Whether anything after a cut followed the other values; else they never reached what was tested."""


def search(whole: pl.DataFrame, build: Build, tries: Iterable[tuple[str, date]]) -> Search:
    """Build what is tested of other futures, and compare everything up to the cut."""
    found: dict[str, Difference] = {}
    tried, stirred = 0, False
    for kind, cut in tries:
        other = build(kind, cut)
        tried += 1
        if (leak := difference(whole, other, kind, cut)) and leak.column not in found:
            found[leak.column] = leak
        if len(found.keys() - {"date"}) == whole.width - 1:
            break  # every column leaks
        if not stirred and kind != CUT_OFF:
            stirred = difference(whole, other, kind, date.max) is not None
    return Search(list(found.values()), tried, stirred)


def listed(leaks: Sequence[Difference], most: int = 3) -> str:
    """The first leaks in words."""
    more = f"; and {len(leaks) - most} more" if len(leaks) > most else ""
    return "; ".join(map(str, leaks[:most])) + more
