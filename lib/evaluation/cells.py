"""One cell of a question: the runs of one model along one axis, all else equal, measured together.

Turns rows of the table of runs into estimates (points, slope, gain); judging them is done in `verdicts`, and
putting everything into scaling.json in `summary`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from lib.config.base import is_classification
from lib.evaluation import scaling_law
from lib.evaluation.axes import WORDS, Axis, Row
from lib.evaluation.cell_skill import Part, measure_skill
from lib.evaluation.comparisons import DateLosses, Estimate, estimate_mean, seed_noise_of_mean
from lib.evaluation.forecast_tests import auc_influence
from lib.evaluation.levels import Level
from lib.evaluation.material import Material
from lib.evaluation.samples import Aligned, align
from lib.evaluation.uncertainty import sum_by_date
from lib.metrics.classification import Floats, roc_auc
from lib.metrics.ternary import CLASSES


def estimate_auc(aligned: Aligned, rows: Sequence[int], horizon: int) -> Estimate | None:
    """Test AUC averaged over runs, with the noise of dates (of its linear form) and of seeds.

    Of three classes the mean over those that occur of one against the rest. None with one class.
    """
    rankings = [pair for row in rows for pair in _rankings(aligned, row)]
    if not rankings:
        return None
    influences = [auc_influence(*pair) for pair in rankings]
    areas = np.array([roc_auc(*pair) for pair in rankings], dtype=np.float64)
    values = areas.reshape(len(rows), -1).mean(axis=1)
    sums = sum_by_date(np.mean(influences, axis=0), aligned.index, aligned.dates.size)  # type: ignore[arg-type]
    noise = seed_noise_of_mean(values)
    found = estimate_mean(sums, aligned.counts, horizon, [noise] if noise else [])
    return Estimate(float(values.mean()), found.se_dates, found.date_degrees, found.seed_noise, found.block)


def _rankings(aligned: Aligned, row: int) -> list[tuple[Floats, Floats]]:
    """What a run's scores rank: outcomes of both kinds and scores, once, or once per class of three."""
    score = aligned.scores[row]
    if score.ndim == 1:
        pairs = [(aligned.outcome, score)]
    else:
        pairs = [((aligned.target == k).astype(np.float64), score[:, i]) for i, k in enumerate(CLASSES)]
    return [(outcome, own) for outcome, own in pairs if 0 < outcome.sum() < outcome.size]


def estimate_loss(losses: DateLosses, horizon: int) -> Estimate:
    """Mean loss of the runs (seeds) of one model, with the noise of dates and of seeds."""
    noise = seed_noise_of_mean(losses.means)
    return estimate_mean(losses.sums.mean(axis=0), losses.counts, horizon, [noise] if noise else [])


def zero_loss_of(aligned: Aligned) -> float | None:
    """Squared error of always predicting a return of 0; None for classification."""
    return None if is_classification(aligned.task) else float(np.mean(aligned.target**2))


def margin_of(declared: float, zero_loss: float | None) -> float:
    """A margin declared in nats, in the unit of the loss.

    For regression: the fall in squared error that is worth as many nats of Gaussian log-likelihood,
    ``mse_0 (1 - exp(-2 margin))`` with the error of predicting 0 as mse_0 (`zero_loss`, None for
    classification, whose loss is in nats already).
    """
    return declared if zero_loss is None else zero_loss * -math.expm1(-2.0 * declared)


@dataclass
class Cell:
    """Everything measured in one cell. `slope` and `gain` are None where they could not be."""

    axis: Axis
    words: dict[str, Any]
    """What the runs share; the word that the axis varies holds a star."""
    declared: dict[str, int]
    """Declared runs (seeds) of each level, in order."""
    seeds: dict[str, int]
    """Usable runs of each level."""
    levels: list[Level] = field(default_factory=list)
    points: list[dict[str, Any]] = field(default_factory=list)
    slope: Estimate | None = None
    log_log_slope: Estimate | None = None
    gain: Estimate | None = None
    zero_loss: float | None = None
    """Regression: squared error of always predicting 0 on the test set."""
    collapsed: list[str] = field(default_factory=list)
    """Levels all of whose runs say nearly the same for every sample."""
    dates_lost: int = 0
    """Test samples that not all runs hold, and that were left out."""
    dates: np.ndarray | None = None
    """Test dates, of which all losses are."""
    parts: dict[str, list[Part]] = field(default_factory=dict)
    """Of each level, one for each fold."""
    skill: dict[str, Estimate] = field(default_factory=dict)
    """Loss of the base rate minus loss of each level; positive is better."""
    recalibrated: Estimate | None = None
    """The gain after both ends were recalibrated."""

    @property
    def task(self) -> str:
        """Task of the cell."""
        return str(self.words["task"])

    @property
    def horizon(self) -> int:
        """Bars ahead."""
        return int(self.words["horizon"])

    @property
    def where(self) -> str:
        """The words in one line, for messages."""
        return "/".join(str(self.words[word]) for word in WORDS)

    @property
    def absent(self) -> list[str]:
        """Declared levels without any usable run."""
        return [label for label, seeds in self.seeds.items() if seeds == 0]

    @property
    def nats_per_loss(self) -> float:
        """What one unit of the loss is worth in nats; for squared error by Gaussian log-likelihood."""
        if is_classification(self.task) or not self.zero_loss:
            return 1.0
        return 1.0 / (2.0 * self.zero_loss)

    def margin(self, declared: float) -> float:
        """The declared margin (in nats) in the unit of this cell's loss."""
        return margin_of(declared, self.zero_loss)


def measure_cell(axis: Axis, rows: Sequence[Row], material: Material) -> Cell:
    """Measure the levels of an axis.

    Args:
        axis: along which the rows differ.
        rows: declared runs, done or not, that differ along the axis and in their seed only.
        material: predictions and settings; what is noticed is put on record there.
    """
    labels = axis.levels(rows)
    words = dict(zip(WORDS, axis.rest(rows[0]), strict=True))
    by_level = {label: [row for row in rows if axis.level(row) == label] for label in labels}
    found = {label: material.usable(own) for label, own in by_level.items()}
    cell = Cell(
        axis,
        words,
        {label: len(own) for label, own in by_level.items()},
        {label: len(runs) for label, runs in found.items()},
    )
    runs = [pair for label in labels for pair in found[label]]
    if not runs:
        return cell
    aligned, noticed = align([samples for _, samples in runs], cell.task, cell.where)
    for kind, text in noticed:
        material.notice(kind, cell.where, text)
    if aligned is None:
        return cell
    cell.dates = aligned.dates
    cell.dates_lost = max(samples.keys.size for _, samples in runs) - aligned.target.size
    cell.zero_loss = zero_loss_of(aligned)
    begin = 0
    for label in labels:
        positions = range(begin, begin + len(found[label]))
        begin = positions.stop
        if positions:
            _add_level(cell, label, aligned, positions, [row for row, _ in found[label]], material)
    if len(cell.levels) > 1:
        cell.slope = scaling_law.slope(cell.levels, cell.horizon)
        cell.log_log_slope = scaling_law.log_log_slope(cell.levels, cell.horizon)
        cell.gain = scaling_law.gain(cell.levels, cell.horizon)
        cell.skill, cell.recalibrated = measure_skill(cell.levels, cell.parts, cell.horizon, material)
        if cell.gain is None:
            text = f"{cell.where}: the levels have equal sizes; nothing is compared."
            material.notice("one_size", cell.where, text)
    return cell


def _add_level(
    cell: Cell,
    label: str,
    aligned: Aligned,
    positions: Sequence[int],
    rows: Sequence[Row],
    material: Material,
) -> None:
    classes, confidence = is_classification(aligned.task), material.cfg.confidence
    level = Level(label, cell.axis.size(rows), aligned.losses(positions))
    cell.parts[label] = [(aligned, positions, rows)]
    loss = estimate_loss(level.losses, cell.horizon)
    auc = estimate_auc(aligned, positions, cell.horizon) if classes else None
    low, high = loss.interval(confidence)
    auc_low, auc_high = auc.interval(confidence) if auc else (None, None)
    if all(row["test_collapsed"] for row in rows):
        cell.collapsed.append(label)
    point: dict[str, Any] = {
        "level": label,
        "size": level.size,
        "seeds": level.seeds,
        "seeds_declared": cell.declared[label],
        "value": loss.value,
        "low": low,
        "high": high,
        "se_dates": loss.se_dates,
        "se_seeds": loss.se_seeds if loss.seed_noise else None,
        "seed_values": level.losses.means,
        "seed_deviation": float(level.losses.means.std(ddof=1)) if level.seeds > 1 else None,
        "auc": auc.value if auc else None,
        "auc_low": auc_low,
        "auc_high": auc_high,
        "n": int(aligned.target.size),
        "effective_n": aligned.dates.size / cell.horizon,
        "base_rate_log_loss": rows[0]["test_base_rate_log_loss"] if classes else cell.zero_loss,
        "collapsed": label in cell.collapsed,
    }
    if cell.axis.name == "parameters":
        point |= {"budget": label, "param_count": int(level.size or 0)}
    cell.levels.append(level)
    cell.points.append(point)
