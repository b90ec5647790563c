"""Joins the folds of several groups of runs into one long out-of-sample test set.

Within a fold runs are restricted to the samples that all hold; the test parts of the folds follow each other,
so the dates of one fold come after those of the fold before. A group is judged by the seeds that every fold
has, and a fold in which some group has no usable run is left out for all, so that everything compared is
paired by date and by fold. The study's own split is one fold without a number. Measures and judges nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from lib.inference.comparisons import joined_searches
from lib.scaling.axes import Row
from lib.scaling.preconditions import Coverage
from lib.scaling.run_index import StudyRuns
from lib.scaling.samples import Aligned, RunSamples, align

Fold = int | None
"""Number of a walk-forward fold; None is the study's own split."""


@dataclass(frozen=True)
class FoldPart[G: Hashable]:
    """One fold: the samples that its runs share, and the position of each group's scores."""

    fold: Fold
    aligned: Aligned
    positions: Mapping[G, Sequence[int]]
    """Of each group's seeds among `aligned.scores`, in the same order of seeds in every fold."""
    rows: Mapping[G, Sequence[Row]]
    """Of the same runs."""


@dataclass(frozen=True)
class Joined[G: Hashable]:
    """All folds one after the other; each row of `aligned.scores` is one seed of one group."""

    aligned: Aligned
    positions: Mapping[G, Sequence[int]]
    parts: Sequence[FoldPart[G]]
    dates_lost: int = 0
    """Test samples that not all runs of their fold hold, and that were left out."""
    lost_folds: Mapping[int, Sequence[G]] = field(default_factory=dict)
    """Folds that were left out, and the groups without a usable run there (none: no sample is shared)."""

    @property
    def folds(self) -> list[int]:
        """Numbers of the joined folds; none for the study's own split."""
        return [part.fold for part in self.parts if part.fold is not None]

    def rows(self, group: G) -> list[Row]:
        """The rows of a group's runs that count, over all folds."""
        return [row for part in self.parts for row in part.rows[group]]

    def mean(self, group: G, column: str) -> float | None:
        """Mean over folds, weighted by samples, of what the first run of a group records about the fold's
        test."""
        known = [
            (part.aligned.target.size, part.rows[group][0][column])
            for part in self.parts
            if part.rows[group][0][column] is not None
        ]
        total = sum(n for n, _ in known)
        return sum(n * float(value) for n, value in known) / total if known else None


def evidence_of(rows: Sequence[Row]) -> list[Row]:
    """The rows that decide: those of the folds, if there are any."""
    folded = [row for row in rows if row["fold"] is not None]
    return folded or list(rows)


def confirmation_of(rows: Sequence[Row]) -> list[Row]:
    """The rows of the study's own split, where folds decide."""
    own = [row for row in rows if row["fold"] is None]
    return own if len(own) < len(rows) else []


def declared_seeds(rows: Sequence[Row]) -> int:
    """Number of different seeds among some rows, whatever their fold."""
    return len({row["seed"] for row in rows})


def join[G: Hashable](
    groups: Mapping[G, Sequence[Row]], material: StudyRuns, task: str, where: str
) -> Joined[G] | None:
    """Join the usable runs of some groups over their folds.

    Args:
        groups: declared runs of each, finished or not; within a group runs differ in fold and seed only.
        material: predictions; problems are recorded there.
        task: of all runs.
        where: names the runs in messages.

    Returns:
        None if no fold has a usable run of every group that has one at all, or none can be aligned. Groups
        without any usable run, or without a seed that every fold has, are not among `positions`.
    """
    usable = {group: _by_fold(material.usable(rows)) for group, rows in groups.items()}
    usable = {group: found for group, found in usable.items() if found}
    every = sorted({fold for found in usable.values() for fold in found}, key=lambda fold: fold or 0)
    lacking = {fold: [g for g, found in usable.items() if fold not in found] for fold in every}
    folds = [fold for fold in every if not lacking[fold]]
    lost = {fold: groups for fold, groups in lacking.items() if groups and fold is not None}
    for number, without in lost.items():
        text = f"{where}: fold {number} is left out for all, without a usable run of {names(without)}."
        material.notice("lost_fold", where, text)
    seeds = {group: _common([found[fold] for fold in folds]) for group, found in usable.items()}
    if folds and (scattered := [group for group, common in seeds.items() if not common]):
        text = f"{where}: {names(scattered)} has no seed that every fold has."
        material.notice("lost_fold", where, text)
    seeds = {group: common for group, common in seeds.items() if common}
    parts, dates_lost = [], 0
    for fold in folds if seeds else []:
        runs = {group: [usable[group][fold][seed] for seed in own] for group, own in seeds.items()}
        name = where if fold is None else f"fold {fold} of {where}"
        part, gone = _part(fold, runs, material, task, name)
        dates_lost += gone
        if part is not None:
            parts.append(part)
        elif fold is not None:
            lost[fold] = []
    if not parts:
        return None
    parts.sort(key=lambda part: part.aligned.dates[0])
    ends = np.cumsum([0, *(len(own) for own in seeds.values())])
    positions = {g: range(a, b) for g, a, b in zip(seeds, ends[:-1], ends[1:], strict=True)}
    return Joined(_chained(parts), positions, parts, dates_lost, lost)


def coverage[G: Hashable](
    groups: Mapping[G, Sequence[Row]], joined: Joined[G] | None, name: Callable[[G], str] | None = None
) -> Coverage:
    """What stands behind some of the joined groups, which `name` names; None of their runs if not joined."""
    called = {group: name(group) if name else names([group]) for group in groups}
    found = Coverage(declared={called[group]: declared_seeds(rows) for group, rows in groups.items()})
    found.seeds = dict.fromkeys(found.declared, 0)
    if joined is None:
        return found
    found.dates_lost = joined.dates_lost
    found.lost_folds = {fold: [names([g]) for g in without] for fold, without in joined.lost_folds.items()}
    for group in groups:
        if group in joined.positions:
            rows = joined.rows(group)
            found.seeds[called[group]] = len(joined.positions[group])
            if searches := {row["search"] for row in rows} - {None}:
                found.searches[called[group]] = len(searches)
            if all(row["test_collapsed"] for row in rows):
                found.collapsed.append(called[group])
    return found


def names(groups: Sequence[Hashable]) -> str:
    """Groups in words: `2M, 200M`."""
    return ", ".join(" ".join(map(str, g)) if isinstance(g, tuple) else str(g) for g in groups)


def _by_fold(runs: Sequence[tuple[Row, RunSamples]]) -> dict[Fold, dict[int, tuple[Row, RunSamples]]]:
    found: dict[Fold, dict[int, tuple[Row, RunSamples]]] = {}
    for row, samples in runs:
        found.setdefault(row["fold"], {}).setdefault(int(row["seed"]), (row, samples))
    return found


def _common(folds: Sequence[Mapping[int, object]]) -> list[int]:
    """Seeds that every fold has, in the order of the first."""
    return [seed for seed in folds[0] if all(seed in fold for fold in folds)] if folds else []


def _part[G: Hashable](
    fold: Fold, runs: Mapping[G, Sequence[tuple[Row, RunSamples]]], material: StudyRuns, task: str, where: str
) -> tuple[FoldPart[G] | None, int]:
    """A fold's runs on the samples that all of them hold, and how many samples that leaves out."""
    every = [samples for own in runs.values() for _, samples in own]
    aligned, noticed = align(every, task, where)
    for kind, text in noticed:
        material.notice(kind, where, text)
    if aligned is None:
        return None, 0
    positions: dict[G, list[int]] = {}
    for group, own in runs.items():
        begin = sum(map(len, positions.values()))
        positions[group] = list(range(begin, begin + len(own)))
    rows = {group: [row for row, _ in own] for group, own in runs.items()}
    lost = max(samples.keys.size for samples in every) - aligned.target.size
    return FoldPart(fold, aligned, positions, rows), lost


def _chained[G: Hashable](parts: Sequence[FoldPart[G]]) -> Aligned:
    """The samples of all folds one after the other."""
    if len(parts) == 1:
        return parts[0].aligned
    pieces = [part.aligned for part in parts]
    days = np.cumsum([0, *(piece.dates.size for piece in pieces)])
    samples = np.cumsum([0, *(piece.target.size for piece in pieces)])
    return Aligned(
        np.concatenate([piece.dates for piece in pieces]),
        np.concatenate([piece.index + begin for piece, begin in zip(pieces, days[:-1], strict=True)]),
        np.concatenate([piece.target for piece in pieces]),
        np.concatenate([piece.scores for piece in pieces], axis=1),
        pieces[0].task,
        tuple(slice(int(a), int(b)) for a, b in pairwise(samples)),
        joined_searches([piece.searches for piece in pieces]),
    )
