"""Sources that read a folder: what they say of the days up to a cut, of a copy whose later rows are gone.

A source that reads a server or a package cannot be tested so, and the verdict states it.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl

from lib.config.data import DataConfig
from lib.data.io import read_parquet
from lib.data.reading.names import AVAILABLE_KEYS, DATE_KEYS, is_nameless, key_of
from lib.data.reading.table import text_of
from lib.data.sources import Source, open_source
from lib.errors import DataError, StudyError
from lib.study.leak_check.futures import CUT_OFF, Difference, difference, listed, spread, with_future
from lib.study.leak_check.outcome import Outcome

OUT_OF_REACH = {
    "embedded": "its prices come inside a package",
    "fred": "its values lie on a server",
    "sentiment": "its values lie on a server",
    "synthetic": "its prices are drawn from a seed",
    "yahoo": "its values lie on a server",
}
"""Shipped sources whose future cannot be taken away."""
SHIPPED = frozenset((*OUT_OF_REACH, "files", "trends"))
KINDS = (CUT_OFF, "raised", "lowered")
FEW, LATEST, HOLES, SHIPPED_CUTS = 12, 10, 40, 3
_DATE_FORMATS = ("%Y-%m-%d", "%Y%m%d", "%m/%d/%Y", "%d.%m.%Y", "%b %d, %Y")


@dataclass(frozen=True)
class SourceTable:
    """One file of a folder whose rows are dated."""

    path: Path
    """Of the copy."""
    frame: pl.DataFrame
    """As it was: all cells of a CSV file as text."""
    days: pl.Series
    """When each row was public: by the column that says so, or else by its date; null for what is no row."""


def check_source(
    name: str, data: DataConfig, symbols: Sequence[str], series: Sequence[str], named: bool = False
) -> Iterator[Outcome]:
    """A verdict for each symbol and series of a source.

    Args:
        name: of the source.
        data: the section that it is opened with; the folders that it names are copied, never changed.
        symbols: by the source's own names.
        series: likewise.
        named: whether the user requested it by name.
    """
    own = named or name not in SHIPPED
    if name in OUT_OF_REACH:
        yield Outcome(f"source:{name}", "not checked", f"{OUT_OF_REACH[name]}: no later day can go", own)
        return
    for kind, labels in (("prices", symbols), ("series", series)):
        for label in labels:
            what = f"source:{name} {kind} {label}"
            try:
                yield _check(name, data, kind, label, own, what)
            except StudyError as error:
                yield Outcome(what, "unclear", str(error), own)
            except Exception as error:  # a user's code may raise anything
                yield Outcome(what, "unclear", f"it fails: {type(error).__name__}: {error}", own)


def _check(name: str, data: DataConfig, kind: str, label: str, own: bool, what: str) -> Outcome:
    whole = _rows(open_source(data, name), kind, label)
    with TemporaryDirectory(prefix="leak-check-") as temporary:
        copy = FolderCopy(data, label, Path(temporary))
        if not copy.tables:
            return Outcome(what, "not checked", "`data:` names no folder with dated tables to cut", own)
        if not whole.equals(_rows(open_source(copy.data, name), kind, label)):
            return Outcome(what, "unclear", "it answers otherwise from a copy of its folder", own)
        days = copy.cut_days(whole, dense=name not in SHIPPED)
        leaks: dict[str, Difference] = {}
        tried, reached = 0, False
        for day in days:
            if leaks:
                break
            for change in KINDS:
                copy.write(change, day)
                try:
                    other = _rows(open_source(copy.data, name), kind, label)
                except DataError:
                    if change == CUT_OFF:  # so early that nothing, or too little, is left
                        continue
                    raise
                tried += 1
                reached = reached or not other.equals(whole)
                if found := difference(whole, other, change, day):
                    leaks.setdefault(found.column, found)
    if leaks:
        return Outcome(what, "leak", listed(list(leaks.values())), own)
    if not reached:
        return Outcome(what, "not checked", "it reads nothing below the folders that `data:` names", own)
    return Outcome(what, "clean", f"the same up to the cut in {tried} other futures of its folder", own)


def _rows(source: Source, kind: str, label: str) -> pl.DataFrame:
    """What a source returns, by the day on which it was public."""
    if kind == "prices":
        return source.prices(label).sort("date")
    observations = source.series(label)
    public = pl.coalesce("available_from", "date")
    return observations.select(public.alias("date"), pl.col("date").alias("of"), "value").sort("date", "of")


class FolderCopy:
    """A copy of the folders that a data section names, in which the tables of one symbol can be cut.

    All other files are links. A table is rewritten each time, never through a link.
    """

    def __init__(self, data: DataConfig, label: str, temporary: Path) -> None:
        self.tables: list[SourceTable] = []
        changes = {}
        for key in ("folder", "trends_folder"):
            given = getattr(data, key)
            original = Path(os.path.expandvars(str(given))).expanduser() if given else None
            if original is None or not original.is_dir():
                continue
            changes[key] = temporary / key
            shutil.copytree(original.absolute(), temporary / key, copy_function=os.symlink)
            self.tables += _tables(temporary / key, label)
        for table in self.tables:
            _write(table.frame, table.path)
        self.data = data.model_copy(update=changes)

    def cut_days(self, whole: pl.DataFrame, dense: bool) -> list[date]:
        """Days after which the future goes: some of all, the latest, and such as lie in holes.

        What a source fills in shows only at a cut between the hole and what it was filled from.
        """
        days = sorted(set(whole["date"].drop_nulls()))
        if not dense:
            return spread(days, SHIPPED_CUTS)
        there = {day for table in self.tables for day in table.days}
        holes = _some(sorted(set(days) - there))
        for table in self.tables:
            dated = table.frame.with_columns(_day=table.days).sort("_day")
            for column in table.frame.columns:
                last_of_hole = pl.col(column).is_null() & pl.col(column).shift(-1).is_not_null()
                holes += _some(dated.filter(last_of_hole)["_day"].drop_nulls().to_list())
        return sorted({*spread(days, FEW), *days[-LATEST - 1 : -1], *holes})

    def write(self, kind: str, day: date) -> None:
        """Write all tables with another future after a day."""
        for table in self.tables:
            later = (table.days > day).fill_null(False).alias("later")
            columns = _measured(table.frame)
            numbers = table.frame.select(pl.col(columns).cast(pl.Float64, strict=False)).with_columns(later)
            if kind == CUT_OFF or not columns:
                _write(table.frame.filter(~later), table.path)
                continue
            changed = with_future(numbers, kind, pl.col("later"), [columns])
            _write(
                table.frame.with_columns(
                    pl.when(later & changed[column].is_not_null())
                    .then(changed[column].cast(table.frame.schema[column], strict=False))
                    .otherwise(pl.col(column))
                    .alias(column)
                    for column in columns
                ),
                table.path,
            )


def _some(days: Sequence[date]) -> list[date]:
    """At most `HOLES` of these days, evenly."""
    return list(days[:: max(1, -(-len(days) // HOLES))])


def _measured(frame: pl.DataFrame) -> list[str]:
    """Columns that hold numbers and are no dates."""
    keys = {name: key_of(name) for name in frame.columns}
    return [
        name
        for name, key in keys.items()
        if key not in (*DATE_KEYS, *AVAILABLE_KEYS)
        and not is_nameless(key)
        and (frame.schema[name] == pl.String or frame.schema[name].is_numeric())
        and frame[name].cast(pl.Float64, strict=False).is_not_null().any()
    ]


def _tables(folder: Path, label: str) -> Iterator[SourceTable]:
    """The tables that may be meant by a label: those called so, or else all."""
    files = sorted(p for p in folder.rglob("*") if p.suffix.lower() in (".csv", ".parquet") and p.is_file())
    own = Path(label).name.replace(" ", "_")
    for path in [p for p in files if p.stem.replace(" ", "_") == own] or files:
        try:
            text = text_of(path)
        except DataError:
            continue  # no table
        frame = read_parquet(path) if path.suffix == ".parquet" else text
        days = _days(text)
        if days is not None:
            yield SourceTable(path, frame, days)


def _days(text: pl.DataFrame) -> pl.Series | None:
    """When each row was public; None if that is no table of dated rows."""
    keys = {key_of(column): column for column in reversed(text.columns)}
    known = [keys[key] for key in (*AVAILABLE_KEYS, *DATE_KEYS) if key in keys]
    for column in (*known, text.columns[0]):
        cells = text[column].str.strip_chars().str.replace(r"[T ]\d\d:.*$", "")
        parsed = [cells.str.to_date(layout, strict=False) for layout in _DATE_FORMATS]
        parsed.append((cells + "-01").str.to_date("%Y-%m-%d", strict=False))
        best = min(parsed, key=lambda days: days.null_count())
        if 2 * best.null_count() < len(best):
            return best
    return None


def _write(frame: pl.DataFrame, path: Path) -> None:
    path.unlink()  # it may be a link to the user's file
    if path.suffix == ".parquet":
        frame.write_parquet(path)
    else:
        frame.write_csv(path)
