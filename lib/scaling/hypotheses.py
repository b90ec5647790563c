"""Hypotheses of a study: which runs are compared along which axis, before and after there are results.

Reads run keys only. The same function makes the preregistration of a study (`lib.study`) and drives its
evaluation.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from lib.config.experiment import Analysis, PlannedExperiment
from lib.scaling.axes import AXES, Axis, Row, axes_of, grouped
from lib.scaling.interactions import interactions_of
from lib.scaling.run_index import RunIndex


@dataclass(frozen=True)
class Hypothesis:
    """Runs of one experiment in all its folds, or of several that differ in their share of dates or window
    length only."""

    name: str
    """Of the declared experiments, separated by commas."""
    planned: list[str]
    """Names of their planned parts: folds, shares, window lengths."""
    question: str
    margin: float
    analysis: Analysis
    rows: list[Row]
    axes: list[Axis]

    @property
    def judged(self) -> list[Axis]:
        """Axes that get a verdict.

        Sizes on shares of the dates do not: an experiment of their own tests them on all dates.
        """
        given = AXES["data"] in self.axes
        return [axis for axis in self.axes if not (given and axis.name == "parameters")]


Part = tuple[str, PlannedExperiment, list[Row]]
"""Name, declaration and rows of one planned experiment."""


def hypotheses_of(experiments: Mapping[str, PlannedExperiment], index: RunIndex) -> list[Hypothesis]:
    """The hypotheses of experiments with role question, in order of declaration.

    The folds of an experiment, and its runs on the study's own split, belong to one hypothesis. Experiments
    on a share of the dates are compared with those on all dates: together they test the quantity of data, and
    none tests anything else by itself. Experiments that differ only in window length are one.
    """
    wholes: dict[str, list[Part]] = {}
    shares: dict[tuple[str, int | None], list[Part]] = {}
    lengths: dict[tuple[str, str], list[Part]] = {}
    for name, experiment in experiments.items():
        if experiment.role != "question":
            continue
        part = name, experiment, index.of_experiment(experiment)
        if experiment.train_fraction < 1.0:
            shares.setdefault((experiment.condition, experiment.context_length), []).append(part)
        elif experiment.context_length is not None:
            lengths.setdefault((experiment.condition, experiment.question), []).append(part)
        else:
            wholes.setdefault(experiment.declared or name, []).append(part)
    questions = [one for parts in (*wholes.values(), *lengths.values()) for one in _together(parts)]
    for (condition, length), parts in shares.items():
        variants = {
            e.variant
            for e in experiments.values()
            if (e.condition, e.context_length, e.train_fraction) == (condition, length, 1.0)
        }
        rows = [row for _, _, own in parts for row in own]
        full = [other for row in rows if (other := index.on_all_dates(row, variants)) is not None]
        questions += [
            replace(one, axes=kept)
            for one in _together(parts, full)
            if AXES["data"] in one.axes
            for kept in ([axis for axis in one.axes if axis.name in ("data", "parameters")],)
        ]
    return questions


def _together(parts: Sequence[Part], more: Sequence[Row] = ()) -> list[Hypothesis]:
    """The hypothesis of some experiments, or none if their runs differ along no axis."""
    rows = {str(row["path"]): row for _, _, own in parts for row in own} | {
        str(row["path"]): row for row in more
    }
    every = list(rows.values())
    axes = axes_of(every)
    name = ", ".join(dict.fromkeys(e.declared or name for name, e, _ in parts))
    planned, margin = [name for name, _, _ in parts], min(e.margin for _, e, _ in parts)
    hypothesis = Hypothesis(name, planned, parts[0][1].question, margin, analysis_of(parts), every, axes)
    return [hypothesis] if axes else []


Contrast = tuple[tuple[Axis, ...], list[Row]]
"""One gain or one interaction: the axes along which its runs differ, one or two, and the runs."""


def contrasts_of(hypothesis: Hypothesis) -> list[list[Contrast]]:
    """Everything tested for a hypothesis: the curves of each judged axis, and the grids of each pair of
    axes."""
    curves: list[list[Contrast]] = [
        [((axis,), rows) for rows in grouped(axis, hypothesis.rows).values()] for axis in hypothesis.judged
    ]
    grids: dict[tuple[str, str], list[Contrast]] = {}
    for first, second, rows in interactions_of(hypothesis.axes, hypothesis.rows):
        grids.setdefault((first.name, second.name), []).append(((first, second), rows))
    return [*curves, *grids.values()]


def confirmatory_size(every: Iterable[Hypothesis]) -> int:
    """Gains and interactions of all confirmatory questions: the size of their one family."""
    return sum(
        len(own)
        for hypothesis in every
        if hypothesis.analysis == "confirmatory"
        for own in contrasts_of(hypothesis)
    )


def analysis_of(parts: Sequence[Part]) -> Analysis:
    """Confirmatory only if all experiments of the hypothesis are."""
    both = {experiment.analysis for _, experiment, _ in parts}
    return "confirmatory" if both == {"confirmatory"} else "exploratory"


def tests_of(hypothesis: Hypothesis) -> list[str]:
    """One sentence per family of tests: what will be compared, how often, and against which margin."""
    found = []
    family = (
        "with all confirmatory questions" if hypothesis.analysis == "confirmatory" else "within this question"
    )
    adjusted = f"adjusted by Holm {family} ({hypothesis.analysis})"
    folds = {row["fold"] for row in hypothesis.rows} - {None}
    where = f", over the test dates of {_count(len(folds), 'fold')}" if folds else ""
    for axis in hypothesis.judged:
        points, curves = axis.points(hypothesis.rows), len(grouped(axis, hypothesis.rows))
        found.append(
            f"gain in loss over {axis.label}, {points[0]} to {points[-1]} ({len(points)} scale points), "
            f"margin {hypothesis.margin:g}, in {_count(curves, 'curve')}{where}, {adjusted}"
        )
    pairs = [(a.label, b.label) for a, b, _ in interactions_of(hypothesis.axes, hypothesis.rows)]
    found += [
        f"interaction of {first} and {second} (difference of gains), margin {hypothesis.margin:g}, in "
        f"{_count(pairs.count((first, second)), 'grid')}{where}, {adjusted}"
        for first, second in dict.fromkeys(pairs)
    ]
    return found


def _count(n: int, what: str) -> str:
    return f"{n} {what}" if n == 1 else f"{n} {what}s"
