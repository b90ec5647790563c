"""What a study asks: which runs are compared along which axis. Before there is anything to see, and after.

Reads the words of runs only. The declaration of a study (`lib.planning`) is made by the same function that
its evaluation goes by.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lib.config.experiment import Analysis, Experiment
from lib.evaluation.axes import (
    AXES,
    Axis,
    Row,
    axes_of,
    context_of,
    fold_of,
    grouped,
    without_context,
    without_fraction,
)
from lib.evaluation.collect import fraction_of
from lib.evaluation.interactions import interactions_of
from lib.evaluation.material import RunIndex


@dataclass(frozen=True)
class Asked:
    """Runs of one experiment, or of several that differ in their share of dates or window length only."""

    name: str
    """Of the experiments, separated by commas."""
    question: str
    margin: float
    analysis: Analysis
    rows: list[Row]
    axes: list[Axis]

    @property
    def experiments(self) -> list[str]:
        """Names of the experiments."""
        return self.name.split(", ")

    @property
    def judged(self) -> list[Axis]:
        """Axes that get a verdict.

        Sizes on shares of the dates do not: they are asked about on all dates, by an experiment of their own.
        """
        given = AXES["data"] in self.axes
        return [axis for axis in self.axes if not (given and axis.name == "parameters")]


Part = tuple[str, Experiment, list[Row]]
"""Name, declaration and rows of one experiment."""


def asked_by(experiments: Mapping[str, Experiment], index: RunIndex) -> list[Asked]:
    """What the experiments of role question ask, in order of declaration.

    Experiments on a share of the dates are compared with the experiment on all of them: together they ask
    about the quantity of data, and none of them asks about anything else by itself. Experiments that differ
    in the length of their windows are one. Walk-forward folds are not asked about one by one
    (`lib.evaluation.walk_forward`).
    """
    questions: list[Asked] = []
    shares: dict[str, list[Part]] = {}
    lengths: dict[tuple[str, str], list[Part]] = {}
    for name, experiment in experiments.items():
        variant = experiment.variant
        if experiment.role != "question" or fold_of(variant) is not None:
            continue
        part = name, experiment, index.of_experiment(experiment)
        if fraction_of(variant) < 1.0:
            shares.setdefault(without_fraction(variant), []).append(part)
        elif context_of(variant) is not None:
            lengths.setdefault((without_context(variant), experiment.question), []).append(part)
        else:
            questions += _together([part])
    for parts in lengths.values():
        questions += _together(parts)
    for whole, parts in shares.items():
        rows = [row for _, _, own in parts for row in own]
        full = [row for row in (index.with_words(row, variant=whole) for row in rows) if row is not None]
        questions += [
            Asked(one.name, one.question, one.margin, one.analysis, one.rows, kept)
            for one in _together(parts, full)
            if AXES["data"] in one.axes
            for kept in ([axis for axis in one.axes if axis.name in ("data", "parameters")],)
        ]
    return questions


def _together(parts: Sequence[Part], more: Sequence[Row] = ()) -> list[Asked]:
    """One question of some experiments, or none if their runs differ along no axis."""
    rows = {str(row["path"]): row for _, _, own in parts for row in own} | {
        str(row["path"]): row for row in more
    }
    every = list(rows.values())
    axes = axes_of(every)
    name, margin = ", ".join(name for name, _, _ in parts), min(e.margin for _, e, _ in parts)
    return [Asked(name, parts[0][1].question, margin, analysis_of(parts), every, axes)] if axes else []


def analysis_of(parts: Sequence[Part]) -> Analysis:
    """Confirmatory only if all experiments that are asked about together are."""
    both = {experiment.analysis for _, experiment, _ in parts}
    return "confirmatory" if both == {"confirmatory"} else "exploratory"


def tests_of(asked: Asked) -> list[str]:
    """One sentence per family of tests: what will be compared, how often, and against which margin."""
    found = []
    family = "with all confirmatory questions" if asked.analysis == "confirmatory" else "within this question"
    adjusted = f"adjusted by Holm {family} ({asked.analysis})"
    for axis in asked.judged:
        levels, cells = axis.levels(asked.rows), len(grouped(axis, asked.rows))
        found.append(
            f"gain in loss over {axis.label}, {levels[0]} to {levels[-1]} ({len(levels)} levels), margin "
            f"{asked.margin:g}, in {_count(cells, 'cell')}, {adjusted}"
        )
    pairs = [(a.label, b.label) for a, b, _ in interactions_of(asked.axes, asked.rows)]
    found += [
        f"interaction of {first} and {second} (difference of gains), margin {asked.margin:g}, in "
        f"{_count(pairs.count((first, second)), 'grid')}, {adjusted}"
        for first, second in dict.fromkeys(pairs)
    ]
    return found


def _count(n: int, what: str) -> str:
    return f"{n} {what}" if n == 1 else f"{n} {what}s"
