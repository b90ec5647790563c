"""Power of every question of a study, before anything is trained.

Questions, curves and interactions come from the function that the evaluation uses, so that families have
their later size. Test dates come from the calendar, or from samples that are counted; noise from past runs of
the same study, or from assumptions (`lib.scaling.design`).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import product
from types import MappingProxyType
from typing import Any

from lib.scaling.axes import Axis, Row
from lib.scaling.design import (
    Change,
    Design,
    Noise,
    assumed_noise,
    assumed_rate,
    changes,
    dates_needed,
    smallest_flat,
    smallest_gain,
)
from lib.scaling.folds import declared_seeds, evidence_of
from lib.scaling.hypotheses import Contrast, Hypothesis, confirmatory_size, contrasts_of
from lib.scaling.preconditions import LEAST_SEEDS
from lib.study.cost import BARS_PER_YEAR, estimated_test_samples
from lib.study.past_noise import Past, noise_from
from lib.study.plan import Plan
from lib.study.preregistration import hypotheses_in

Samples = Mapping[tuple[str, str, str], Iterable[Mapping[str, Any]]]
"""By (vintage, dataset, timescale): the content of its samples.json, as far as it is there."""


@dataclass(frozen=True)
class PlannedComparison:
    """One gain or interaction that will be tested, and what its design can show."""

    key: Row
    """A row of one of its runs."""
    design: Design
    estimated: bool
    """Whether test dates are the calendar's."""
    noise: Noise
    shows: float | None
    """Smallest gain that will be found, in nats; None: too few test dates to be resampled."""
    flat: float | None
    """Smallest margin within which it could be found to be flat; None also for interactions."""


@dataclass(frozen=True)
class Reach:
    """One question along one axis, or the interactions of one experiment along two."""

    phase: str | None
    experiment: str
    along: str
    margin: float
    family: int
    comparisons: list[PlannedComparison]
    """The weakest first."""
    ways: list[Change]
    """What would let the weakest show the margin, each by itself."""

    @property
    def weakest(self) -> PlannedComparison:
        """The comparison with the largest smallest gain: a question is answered only if all its curves
        are."""
        return self.comparisons[0]

    @property
    def able(self) -> int:
        """Comparisons that can show the margin."""
        return sum(one.shows is not None and one.shows <= self.margin for one in self.comparisons)

    @property
    def enough(self) -> bool:
        """Whether all can, and the question may be decided at all."""
        return self.seeds >= LEAST_SEEDS and self.able == len(self.comparisons)

    @property
    def seeds(self) -> int:
        """Seeds of the comparison that has the fewest."""
        return min(one.design.seeds for one in self.comparisons)

    @property
    def answer(self) -> str:
        """In words."""
        if self.enough:
            return "can answer"
        if self.weakest.shows is None:
            return "too few test dates"
        if self.seeds < LEAST_SEEDS:
            return f"too few seeds ({self.seeds} of {LEAST_SEEDS})"
        return "cannot show its margin"

    @property
    def dates_needed(self) -> int | None:
        """Test dates that would show the margin."""
        if self.weakest.shows is None or self.weakest.shows <= self.margin:
            return None
        return dates_needed(self.weakest.shows, self.margin, self.weakest.design.dates)


class _Designs:
    """Designs and noises of the comparisons of a plan."""

    def __init__(self, plan: Plan, samples: Samples, past: Past, today: date) -> None:
        self._plan, self._past, self._today = plan, past, today
        self._runs = {run.label(): run for run in plan.runs}
        self._counted = {
            (vintage, dataset, timescale, str(problem["task"]), int(problem["horizon"])): problem["splits"]
            for (vintage, dataset, timescale), problems in samples.items()
            for problem in problems
        }

    def comparison(self, axes: Sequence[Axis], rows: Sequence[Row], family: int) -> PlannedComparison:
        """What some runs can show that differ along one axis, or two."""
        cfg, own = self._plan.config.evaluation, evidence_of(rows)
        dates, estimated = self._dates(own)
        points = [axis.points(own) for axis in axes]
        seeds = min(
            declared_seeds([row for row in own if tuple(axis.point(row) for axis in axes) == corner])
            for corner in product(*((found[0], found[-1]) for found in points))
        )
        corners = 2 ** len(axes)
        folds = len({row["fold"] for row in own})
        design = Design(dates, int(own[0]["horizon"]), folds, seeds, corners)
        noise = noise_from(self._past, axes[0], own[0], corners) or assumed_noise(self._rate(own[0]), corners)
        flat = None
        if len(axes) == 1:
            flat = smallest_flat(design, noise, len(points[0]), cfg.confidence, cfg.power)
        shows = smallest_gain(design, noise, cfg.confidence, family, cfg.power)
        return PlannedComparison(own[0], design, estimated, noise, shows, flat)

    def _dates(self, rows: Sequence[Row]) -> tuple[int, bool]:
        """Test dates, and whether they are the calendar's: samples are counted on the study's own split."""
        runs = {row["fold"]: self._runs[row["path"]] for row in rows}
        counted = self._splits(rows[0])
        if counted is not None and list(runs) == [None]:
            run = runs[None]
            symbols = max(1, len(self._plan.data.symbols(self._plan.vintage(run), run.dataset)))
            return int(counted["test"]["n"]) // symbols, False
        return sum(estimated_test_samples(self._plan, run, self._today) for run in runs.values()), True

    def _splits(self, row: Row) -> Mapping[str, Any] | None:
        run = self._runs[row["path"]]
        key = (self._plan.vintage(run), run.dataset, run.timescale, run.task, run.horizon)
        return self._counted.get(key)

    def _rate(self, row: Row) -> float | None:
        """The task's base rate over all dates where samples are counted, else an assumed one."""
        parts = (self._splits(row) or {}).values()
        counted = [part for part in parts if part.get("base_rate") is not None]
        n = sum(part["n"] for part in counted)
        ones = sum(part["n"] * part["base_rate"] for part in counted)
        if 0 < ones < n:
            return float(ones / n)
        days = row["horizon"] * BARS_PER_YEAR["daily"] / BARS_PER_YEAR[row["timescale"]]
        return assumed_rate(str(row["task"]), days)


def reaches(
    plan: Plan, samples: Samples, today: date, past: Past = MappingProxyType({}), only: str | None = None
) -> list[Reach]:
    """What each question can show, in the order of the phases; those of one phase alone if it is named.

    Args:
        plan: the study.
        samples: of the data that are here.
        today: the last test date of a test part without an end.
        past: noise that has been measured.
        only: the requested phase.
    """
    designs, cfg = _Designs(plan, samples, past, today), plan.config.evaluation
    every, phases = hypotheses_in(plan), plan.config.phases
    confirmatory, out = confirmatory_size(every), []
    for hypothesis, own in [(one, own) for one in every for own in contrasts_of(one)]:
        first = hypothesis.name.split(", ")[0]
        if only is not None and first not in phases[only]:
            continue
        family = _family(hypothesis, own, confirmatory)
        found = [designs.comparison(axes, rows, family) for axes, rows in own]
        found.sort(key=lambda one: -math.inf if one.shows is None else -one.shows)
        weakest = found[0]
        pooled = len(found) if len(own[0][0]) == 1 else 1
        ways = changes(
            weakest.design, weakest.noise, cfg.confidence, family, cfg.power, hypothesis.margin, pooled
        )
        phase = only or next((p for p, declared in phases.items() if first in declared), None)
        along, margin = _along(*own[0]), hypothesis.margin
        out.append(Reach(phase, hypothesis.name, along, margin, family, found, ways))
    order = [*phases, None]
    return sorted(out, key=lambda reach: order.index(reach.phase))


def _family(hypothesis: Hypothesis, own: Sequence[Contrast], confirmatory: int) -> int:
    """Size of the family of some contrasts, as `lib.scaling.families` makes them: one of all confirmatory
    questions; an exploratory question, and the interactions of an exploratory experiment, are one each."""
    if hypothesis.analysis == "confirmatory":
        return confirmatory
    if len(own[0][0]) == 1:
        return len(own)
    return sum(len(other) for other in contrasts_of(hypothesis) if len(other[0][0]) > 1)


def _along(axes: Sequence[Axis], rows: Sequence[Row]) -> str:
    """`parameters 2M to 200M`, or `parameters × input channels`."""
    if len(axes) > 1:
        return " × ".join(axis.label for axis in axes)
    points = axes[0].points(rows)
    return f"{axes[0].label} {points[0]} to {points[-1]}"
