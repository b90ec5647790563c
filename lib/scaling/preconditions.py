"""Preconditions of every comparison: runs, seeds, collapse, dates, controls. Judges no numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

Precondition = Literal["controls", "seeds", "collapsed"]
LEAST_SEEDS = 3
"""With fewer, nothing is concluded. Two leave one degree of freedom for the noise between seeds, which is
then often strongly underestimated: with noisy seeds a flat study would be called scaling in 9 % of simulated
worlds (`make bench-statistics`)."""
_COUNTS = {1: "one seed", 2: "two seeds"}


@dataclass(kw_only=True)
class Coverage:
    """The runs that stand behind compared scale points, and what is left out of the comparison."""

    declared: dict[str, int] = field(default_factory=dict)
    """Declared runs (seeds) of each scale point, in order."""
    seeds: dict[str, int] = field(default_factory=dict)
    """Usable seeds of each scale point: those that every fold has."""
    searches: dict[str, int] = field(default_factory=dict)
    """Different searches that found the recipes of its usable runs; no entry where none did."""
    collapsed: list[str] = field(default_factory=list)
    """Scale points all of whose runs predict nearly the same for every sample."""
    dates_lost: int = 0
    """Test samples that not all runs hold, and that were left out."""
    lost_folds: Mapping[int, Sequence[str]] = field(default_factory=dict)
    """Folds that are left out for all, and the scale points without a usable run there."""


@dataclass(frozen=True, kw_only=True)
class Preconditions:
    """Preconditions of the compared scale points: whether anything may be concluded, and what weakens it."""

    absent: Sequence[str] = ()
    """Declared scale points without a usable run."""
    few_seeds: Mapping[str, int] = field(default_factory=dict)
    """Scale points with fewer than `LEAST_SEEDS` usable runs, and how many they have."""
    few_searches: Mapping[str, int] = field(default_factory=dict)
    """Scale points whose recipes fewer than `LEAST_SEEDS` searches have found, and how many did."""
    incomplete: Sequence[str] = ()
    """Scale points that lack some, but not all, of their declared seeds."""
    collapsed: Sequence[str] = ()
    """Scale points all of whose runs predict nearly the same for every sample."""
    shared_dates: int | None = None
    """Test samples left out because not all runs hold them; None if all do."""
    failed_controls: Sequence[str] = ()
    undeclared_controls: Sequence[str] = ()
    """Controls that the study does not declare, in words."""
    lost_folds: Mapping[int, Sequence[str]] = field(default_factory=dict)
    """Walk-forward folds left out for all, and the scale points without a usable run there."""

    @classmethod
    def of(
        cls, runs: Coverage, failed_controls: Sequence[str] = (), undeclared_controls: Sequence[str] = (),
        judged: bool = False,
    ) -> Preconditions:  # fmt: skip
        """Of a comparison; `judged` marks a confirmatory question, where the luck of searches matters."""
        declared, usable = runs.declared, runs.seeds
        searches = runs.searches if judged else {}
        return cls(
            absent=[label for label in declared if not usable.get(label)],
            few_seeds={label: n for label in declared if 0 < (n := usable.get(label, 0)) < LEAST_SEEDS},
            few_searches={label: n for label, n in searches.items() if 0 < n < LEAST_SEEDS},
            incomplete=[label for label in declared if 0 < usable.get(label, 0) < declared[label]],
            collapsed=[label for label in declared if label in runs.collapsed],
            shared_dates=runs.dates_lost or None,
            failed_controls=failed_controls,
            undeclared_controls=undeclared_controls,
            lost_folds=runs.lost_folds,
        )

    @property
    def obstacle(self) -> str | None:
        """Why nothing may be concluded from measurable scale points, as a sentence without its full stop."""
        return None if self.blocked is None else self.blocked[1]

    @property
    def blocked(self) -> tuple[Precondition, str] | None:
        """The first gate that is shut, and why."""
        if self.failed_controls:
            text = f"A control did not pass ({'; '.join(self.failed_controls)}), so nothing is concluded"
            return "controls", text
        if self.few_seeds:
            fewest = min(self.few_seeds.values())
            where = ", ".join(label for label, n in self.few_seeds.items() if n == fewest)
            known = "unknown" if fewest == 1 else "known too badly (it takes three)"
            return "seeds", (
                f"Only {_COUNTS[fewest]} at {where}: the noise between seeds is {known}, so neither a gain "
                "nor its absence can be claimed"
            )
        if self.few_searches:
            fewest = min(self.few_searches.values())
            where = ", ".join(label for label, n in self.few_searches.items() if n == fewest)
            count = "one search" if fewest == 1 else "two searches"
            return "seeds", (
                f"Only {count} behind the recipe at {where} (it takes three): how much of a difference is "
                "the luck of a search is not known, so neither a gain nor its absence can be claimed"
            )
        if self.collapsed:
            return "collapsed", (
                f"Every run at {', '.join(self.collapsed)} forecasts nearly the same for every sample: "
                "nothing was learned there that could be compared"
            )
        return None

    @property
    def weaknesses(self) -> str:
        """What is missing though a verdict is possible; empty, or a sentence that begins with a space."""
        notes = []
        if self.incomplete:
            notes.append(f"some seeds are missing at {', '.join(self.incomplete)}")
        notes += [
            f"fold {fold} is left out{' for want of ' if without else ''}{', '.join(without)}"
            for fold, without in self.lost_folds.items()
        ]
        if self.shared_dates:
            notes.append(f"{self.shared_dates} test samples that not all runs hold are left out")
        notes += [f"{control} is declared" for control in self.undeclared_controls]
        return f" Weakened: {'; '.join(notes)}." if notes else ""
