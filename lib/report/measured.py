"""The finished runs of the questions by prediction problem, each with what was measured of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from lib.config.base import primary_metric
from lib.report.inputs import ReportInputs, asks
from lib.report.wording import Names, finite
from lib.scaling.axes import Row
from lib.scaling.words import model_words

Run = tuple[Row, Mapping[str, Any]]
"""A row of the run table, and measures of the run."""


def by_problem[M](
    inputs: ReportInputs, names: Names, pick: Callable[[Mapping[str, Any]], M]
) -> dict[str, list[tuple[Row, M]]]:
    """Runs by the name of their problem, each with what `pick` takes of its measures; without those of which
    it takes nothing."""
    groups: dict[str, list[tuple[Row, M]]] = {}
    for row in filter(asks, inputs.done):
        if found := pick(inputs.measured(row)):
            groups.setdefault(names.problem(row), []).append((row, found))
    return groups


def best_on_validation(runs: Sequence[Run]) -> Run:
    """The run with the lowest validation loss; the test set chooses nothing."""

    def loss(run: Run) -> float:
        value = finite(run[0].get(f"selection_{primary_metric(str(run[0].get('task')))}"))
        return float("inf") if value is None else value

    return min(runs, key=loss)


def seed_words(row: Row) -> str:
    """`patchtst 2M, seed 42`."""
    return f"{model_words(row.get('model'), row.get('budget'))}, seed {row.get('seed')}"
