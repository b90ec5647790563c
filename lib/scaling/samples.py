"""Test predictions of several runs aligned on the same samples, ready to be compared by date.

Reads through a function that is passed in, once per run. A run that cannot be used is left out and recorded;
measures and judges nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from lib.config.base import is_binary
from lib.data.io import read_parquet
from lib.errors import IntegrityError
from lib.inference.bootstrap import Ints, index_dates, sum_by_date
from lib.inference.comparisons import DateLosses
from lib.metrics.classification import Floats
from lib.scoring.measures import loss_per_sample, scores_of

Reader = Callable[[str, str], pl.DataFrame]
"""Given a run's path and a split (`test`), its predictions."""


_SYMBOLS_PER_DAY = 2**20


@dataclass(frozen=True)
class RunSamples:
    """One run's test predictions as arrays, sorted by date and symbol."""

    keys: Ints
    """(n,) date and symbol in one number, rising."""
    target: Floats
    score: Floats
    """(n,), or (n, 3) probabilities of three classes."""
    search: str | None = None
    """The search that found the run's recipe; None: it was not searched."""


@dataclass
class PredictionFiles:
    """Reads each run once; remembers which runs were unusable and which predictions were accessed."""

    read: Reader
    primary: str | None = None
    """Symbol whose windows decide; a run of one other symbol (a synthetic market) is judged on that, one of
    several others is left out. None: all symbols."""
    seen: set[str] = field(default_factory=set)
    """Digests of the test predictions accessed so far; those that are read are added."""
    troubles: list[tuple[str, str, str]] = field(default_factory=list)
    """Kind, path and sentence of every run that could not be used."""
    what: str = "test"
    """The part that is read, in words."""
    _known: dict[str, RunSamples | None] = field(default_factory=dict)
    _symbols: dict[str, int] = field(default_factory=dict)

    def of(self, row: Mapping[str, Any]) -> RunSamples | None:
        """The samples of one row of the table of runs, or None (with a warning) if they cannot be used."""
        path = str(row["path"])
        if path not in self._known:
            try:
                found = self._load(path, str(row["task"]))
                self._known[path] = replace(found, search=row.get("searched")) if found else None
            except (OSError, IntegrityError, pl.exceptions.PolarsError) as error:
                reason = str(error).splitlines()[0] if str(error) else type(error).__name__
                self._leave_out("unreadable", path, f"{self.what} predictions cannot be read ({reason})")
                self._known[path] = None
        return self._known[path]

    def _load(self, path: str, task: str) -> RunSamples | None:
        frame = self.read(path, "test").sort("date", "symbol")
        self.seen.add(_digest(frame, task))
        symbols = frame["symbol"].unique().to_list()
        if self.primary in symbols:
            frame = frame.filter(pl.col("symbol") == self.primary)
        elif self.primary is not None and len(symbols) > 1:
            what = f"{self.what} predictions are of {len(symbols)} symbols, none of them {self.primary}, "
            self._leave_out("no_primary", path, f"{what}which decides (`primary` of the data)")
            return None
        target, score = frame["target"].cast(pl.Float64).to_numpy(), scores_of(frame, task)
        finite = np.isfinite(score) if score.ndim == 1 else np.isfinite(score).all(axis=1)
        bad = int((~(finite & np.isfinite(target))).sum())
        if frame.height == 0 or bad:
            what = (
                f"{bad} of {frame.height} {self.what} predictions are not finite"
                if bad
                else f"no {self.what} predictions"
            )
            self._leave_out("not_finite" if bad else "empty", path, what)
            return None
        keys = self._keys(frame)
        order = np.argsort(keys, kind="stable")
        if np.any(np.diff(keys[order]) == 0):
            self._leave_out(
                "duplicate", path, f"a date and symbol occur twice in the {self.what} predictions"
            )
            return None
        return RunSamples(keys[order], target[order], score[order])

    def _leave_out(self, kind: str, path: str, what: str) -> None:
        self.troubles.append((kind, path, f"{path}: {what}; run left out."))

    def _keys(self, frame: pl.DataFrame) -> Ints:
        """Samples as integers: thousands of runs are in memory at once, so a sample is one number, not
        two."""
        names = frame["symbol"].cast(pl.String).to_list()
        codes = np.array(
            [self._symbols.setdefault(name, len(self._symbols)) for name in names], dtype=np.int64
        )
        days = frame["date"].cast(pl.Date).to_physical().to_numpy().astype(np.int64)
        return days * _SYMBOLS_PER_DAY + codes


def _digest(frame: pl.DataFrame, task: str) -> str:
    digest = hashlib.sha256()
    digest.update("\n".join(frame["symbol"].cast(pl.String)).encode())
    for values in (frame["date"].cast(pl.Date).to_physical(), frame["target"].cast(pl.Float64)):
        digest.update(values.to_numpy().tobytes())
    digest.update(scores_of(frame, task).tobytes())
    return digest.hexdigest()


def read_predictions(path: str, split: str) -> pl.DataFrame:
    """The default reader: `predictions/<split>.parquet` below a run's folder."""
    return read_parquet(Path(path) / "predictions" / f"{split}.parquet")


def selection_reader(read: Reader) -> Reader:
    """A reader of the part on which models stop and choose, whatever split is requested."""
    return lambda path, _: read(path, "val").filter(pl.col("part") == "selection")


def calibration_reader(read: Reader) -> Reader:
    """A reader of the part that only calibration uses, whatever split is requested."""
    return lambda path, _: read(path, "val").filter(pl.col("part") == "calibration")


@dataclass(frozen=True)
class Aligned:
    """Runs on the same samples. `scores` has one row (n,) or (n, 3) per run, in the order requested."""

    dates: npt.NDArray[np.datetime64]
    index: Ints
    target: Floats
    scores: Floats
    task: str
    parts: tuple[slice, ...] = ()
    """Samples of each walk-forward fold, where several are joined; their scores are of different models."""
    searches: tuple[str | None, ...] = ()
    """Search that found the recipe of each run, see `DateLosses`; () if unknown."""

    @property
    def folds(self) -> tuple[slice, ...]:
        """Samples of each fold; all of them where none are joined."""
        return self.parts or (slice(0, self.target.size),)

    @property
    def counts(self) -> Floats:
        """Samples of each date; (dates,)."""
        return sum_by_date(np.ones_like(self.target), self.index, self.dates.size)

    def losses(self, rows: Sequence[int]) -> DateLosses:
        """Losses by date of the runs with these positions."""
        sums = [
            sum_by_date(
                loss_per_sample(self.target, self.scores[row], self.task), self.index, self.dates.size
            )
            for row in rows
        ]
        return DateLosses(np.array(sums), self.counts, self.searches_of(rows))

    def searches_of(self, rows: Sequence[int]) -> tuple[str | None, ...]:
        """Searches of the runs with these positions."""
        return tuple(self.searches[row] for row in rows) if self.searches else ()

    @property
    def outcome(self) -> Floats:
        """Outcome of which an AUC is taken: the class, or for regression whether the return was positive;
        (n,)."""
        return self.target if is_binary(self.task) else (self.target > 0).astype(np.float64)


def align(runs: Sequence[RunSamples], task: str, where: str) -> tuple[Aligned | None, list[tuple[str, str]]]:
    """Restrict runs to the samples that all of them hold.

    Returns:
        The aligned runs, or None if they share no sample or disagree about a target, and the problems found,
        each a kind and a sentence.
    """
    first = runs[0]
    noticed: list[tuple[str, str]] = []
    common = first.keys
    for run in runs[1:]:
        if run.keys.size != common.size or np.any(run.keys != common):
            common = np.intersect1d(common, run.keys)
    if common.size < max(run.keys.size for run in runs):
        text = f"{where}: the runs hold different test samples; compared on the {common.size} shared ones."
        noticed.append(("other_dates", text))
    if common.size == 0:
        return None, noticed
    picked = [np.searchsorted(run.keys, common) for run in runs]
    targets = [run.target[at] for run, at in zip(runs, picked, strict=True)]
    if any(not np.allclose(target, targets[0], rtol=1e-6, atol=1e-9) for target in targets[1:]):
        text = f"{where}: the runs disagree about the test targets, so they cannot be compared."
        noticed.append(("other_targets", text))
        return None, noticed
    days = (common // _SYMBOLS_PER_DAY).astype("datetime64[D]")
    dates, index = index_dates(days)
    scores = np.array([run.score[at] for run, at in zip(runs, picked, strict=True)])
    searches = tuple(run.search for run in runs)
    return Aligned(dates, index, targets[0], scores, task, searches=searches), noticed
