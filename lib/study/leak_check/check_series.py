"""Series: no channel up to a day rests on a value that was public later, and no rule publishes too early.

Values alone cannot prove a publication rule; what contradicts it is found: days of publication that the
source itself states, and months that would be used before they are over.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, timedelta

import numpy as np
import polars as pl

from lib.config.series_table import SeriesDefinition
from lib.data.series import available_from, combine_files, publish
from lib.data.validation.series_checks import frequency_of
from lib.errors import StudyError
from lib.features.groups import SeriesInput, join_series
from lib.study.leak_check.check_features import weekdays
from lib.study.leak_check.futures import cuts, listed, search, with_future
from lib.study.leak_check.outcome import Outcome

OBSERVATIONS = 800
"""The latest ones of a series are used; its longest indicator looks at 252."""
DENSE, FEW = 15, 6
LATE_SHARE = 0.5
"""If more stated days of publication than this share lie after the rule's, the rule is too early."""
GROUPS = (("value",),)
Observations = Callable[[str], pl.DataFrame | None]
"""Of a series by our name: date, value, available_from (null where the source does not know); or None."""


def made_observations(
    name: str, definition: SeriesDefinition, count: int = OBSERVATIONS // 2
) -> pl.DataFrame:
    """Made-up values at a series' frequency, within the bounds of what every indicator can read."""
    step = {"daily": 1, "weekly": 7}.get(definition.frequency, 31)
    days = [date(2024, 12, 29) - timedelta(days=step * back) for back in reversed(range(count))]
    if step == 31:
        days = sorted({day.replace(day=1) for day in days})
    random = np.random.default_rng(sum(map(ord, name)))
    values = 30 * np.exp(np.cumsum(0.03 * random.standard_normal(len(days))))
    return pl.DataFrame({"date": days, "value": values}).with_columns(available_from=pl.lit(None, pl.Date))


def misdeclared(observations: pl.DataFrame, definition: SeriesDefinition) -> str | None:
    """What shows that the publication rule lets values be used before they were public; None if nothing."""
    frame = observations.sort("date")
    frequency = frequency_of(frame)
    rule = [available_from(day, definition.publication, frequency) for day in frame["date"]]
    frame = frame.with_columns(rule=pl.Series(rule, dtype=pl.Date))
    unstated = frame.filter(pl.col("available_from").is_null())
    stated = frame.filter(pl.col("available_from").is_not_null())
    late = stated.filter(pl.col("available_from") > pl.col("rule"))
    if unstated.height and stated.height and late.height > LATE_SHARE * stated.height:
        days = int((late["available_from"] - late["rule"]).dt.total_days().median() or 0)  # type: ignore[arg-type]
        return (
            f"`publication:` lets a value be used {days} day(s) before the source says it was public (in "
            f"{late.height} of {stated.height} values that say so), and {unstated.height} values follow the "
            "rule; raise `days:`"
        )
    over = pl.col("date").dt.month_end()
    early = unstated.filter(pl.col("rule") <= over)
    if frequency == "monthly" and early.height and (frame["date"].dt.day() == 1).all():
        row = early.row(-1, named=True)
        return (
            f"monthly values dated the first day of their month are used before it is over ({row['date']} "
            f"from {row['rule']} on); say `publication: {{period: own, days: …}}`"
        )
    return None


def check_series(
    name: str, definitions: Mapping[str, SeriesDefinition], observations: Observations
) -> Outcome:
    """The verdict on one series, from its own values where there are any here, else from made-up ones.

    Args:
        name: our own; a combined series is tested through what it is made of.
        definitions: of all series.
        observations: to look values up.
    """
    what, definition = f"series:{name}", definitions[name]
    parts = definition.combine.members if definition.combine else (name,)
    try:
        given = {part: observations(part) for part in parts}
        for part, found in given.items():
            if found is not None and (why := misdeclared(found, definitions[part])):
                return Outcome(what, "leak", f"{part}: {why}")
        frames = {}
        for part, found in given.items():
            values = made_observations(part, definitions[part]) if found is None else found.sort("date")
            frames[part] = publish(values, part, definitions[part])
        leaks, tried = _search(name, definition, frames)
    except StudyError as error:
        return Outcome(what, "unclear", str(error))
    if leaks:
        return Outcome(what, "leak", leaks)
    made = any(found is None for found in given.values())
    whose = "made-up values" if made else "its own values"
    same = f"{_lag(frames)}the same up to the cut in {tried} other futures of {whose}"
    return Outcome(what, "clean", same)


def _search(name: str, definition: SeriesDefinition, frames: Mapping[str, pl.DataFrame]) -> tuple[str, int]:
    """Leaks in words (none: empty), and how many futures were tried."""

    def whole_of(parts: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
        if definition.combine is None:
            return parts[name]
        first, second = (parts[part] for part in definition.combine.members)
        return combine_files(first, second, name, definition.combine)

    whole = whole_of(frames).tail(OBSERVATIONS)
    frames = {part: frame.filter(pl.col("date") >= whole["date"][0]) for part, frame in frames.items()}
    first, last = whole["available_from"].min(), whole["available_from"].max()
    table = pl.DataFrame({"date": weekdays(first, last), "symbol": "MADE"})  # type: ignore[arg-type]

    def channels(parts: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
        return join_series(table, [SeriesInput(name, definition.group, True, whole_of(parts))], None, None)

    def build(kind: str, cut: date) -> pl.DataFrame:
        later = pl.col("available_from") > cut
        return channels({part: with_future(f, kind, later, GROUPS) for part, f in frames.items()})

    base = channels(frames)
    begun = base["date"][len(base) // 4 :].to_list()  # a cut at the very start leaves no indicator
    found = search(base, build, cuts(begun, DENSE, FEW))
    return listed(found.leaks), found.tried


def _lag(frames: Mapping[str, pl.DataFrame]) -> str:
    """When values may be used, for a person to judge."""
    parts = []
    for part, frame in frames.items():
        row = frame.row(-1, named=True)
        parts.append(f"{part} of {row['date']:%a} {row['date']} is used from {row['available_from']} on")
    return "; ".join(parts) + "; "
