"""What a study's test sets can show, before anything is trained: told from samples, base rates and horizons.

Pooled test samples are divided by the number of symbols, because the primary symbol's windows decide. The
formulas stand in `lib.evaluation.power`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from lib.config.base import is_classification
from lib.config.runs import Run
from lib.evaluation.power import Detectable, detectable
from lib.planning.forecast import estimated_test_samples
from lib.planning.plan import Plan

Samples = Mapping[tuple[str, str, str], Iterable[Mapping[str, Any]]]
"""By (vintage, dataset, timescale): the content of its samples.json, as far as it is there."""


@dataclass(frozen=True)
class Reach:
    """One prediction problem and the smallest effects its test set can show."""

    dataset: str
    timescale: str
    task: str
    horizon: int
    n: int
    shows: Detectable
    margin: float | None
    """Smallest margin of the experiments that ask about this problem."""
    estimated: bool = False
    """Whether samples are not counted yet: their number is the calendar's, the base rate taken as half."""

    @property
    def enough(self) -> bool | None:
        """Whether a difference of the margin would be found; None where that is not known."""
        if self.shows.log_loss is None or self.margin is None:
            return None
        return self.shows.log_loss <= self.margin


def reaches(plan: Plan, samples: Samples, today: date) -> list[Reach]:
    """Reach of every problem, the weakest first; from the calendar where samples have not been counted.

    A problem that is asked in walk-forward folds has the test samples of all its folds.
    """
    out: dict[tuple[str, str, str, int], Reach] = {}
    tests: dict[tuple[str, str, str, int], dict[int | None, Run]] = {}
    for run in plan.runs:
        specification = plan.specification(run)
        if specification.role == "question":
            words = (run.dataset, run.timescale, run.task, run.horizon)
            tests.setdefault(words, {}).setdefault(specification.fold, run)
    folded = {words for words, found in tests.items() if any(fold is not None for fold in found)}
    for words, found in tests.items():
        runs = [run for fold, run in found.items() if fold is not None or words not in folded]
        run = runs[0]
        n = sum(estimated_test_samples(plan, run, today) for run in runs)
        rate = 0.5 if is_classification(run.task) else None
        settings = plan.config.evaluation
        shows = detectable(n, rate, run.horizon, settings.confidence, settings.power)
        out[words] = Reach(*words, n, shows, _margin(plan, *words), estimated=True)
    evaluation = plan.config.evaluation
    for (vintage, dataset, timescale), cells in samples.items():
        symbols = max(1, len(plan.data.symbols(vintage, dataset)))
        for cell in cells:
            test = cell["splits"]["test"]
            words = (dataset, timescale, str(cell["task"]), int(cell["horizon"]))
            if words in folded:
                continue  # what is counted is the study's own test
            shows = detectable(
                int(test["n"]) // symbols,
                test["base_rate"],
                words[3],
                evaluation.confidence,
                evaluation.power,
            )
            out[words] = Reach(*words, int(test["n"]) // symbols, shows, _margin(plan, *words))
    return sorted(out.values(), key=lambda reach: -(reach.shows.log_loss or 0.0))


def _margin(plan: Plan, dataset: str, timescale: str, task: str, horizon: int) -> float | None:
    asking = [
        experiment.margin
        for experiment in plan.study.experiments.values()
        if experiment.role == "question"
        and dataset in experiment.datasets
        and timescale in experiment.timescales
        and task in experiment.tasks
        and horizon in experiment.horizons
    ]
    return min(asking, default=None)
