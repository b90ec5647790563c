"""A curve of a question: the runs of one model along one axis, all else equal, measured together.

Turns rows of the run table into estimates (points, slope, gain); `verdicts` judges them, and `summary` puts
everything into scaling.json.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from lib.config.base import is_classification
from lib.inference.bootstrap import sum_by_date
from lib.inference.comparisons import DateLosses, Estimate, estimate_mean, seed_noise_of_mean
from lib.inference.forecast_tests import auc_influence
from lib.metrics.classification import roc_auc
from lib.scaling import scaling_law
from lib.scaling.axes import CURVE_KEY, Axis, Row, grouped, in_one_line
from lib.scaling.curve_skill import Part, measure_skill
from lib.scaling.folds import Joined, confirmation_of, coverage, declared_seeds, evidence_of, join
from lib.scaling.preconditions import Coverage
from lib.scaling.run_index import StudyRuns
from lib.scaling.samples import Aligned
from lib.scaling.scale_points import ScalePoint
from lib.scoring.measures import rankings


def estimate_auc(aligned: Aligned, rows: Sequence[int], horizon: int) -> Estimate | None:
    """Test AUC averaged over runs, with the noise of dates (of its linear form) and of seeds.

    Of three classes the mean over those that occur of one against the rest. Joined folds are ranked one by
    one and averaged by their samples, because scores of different models have no common ranking; folds with
    one class are left out. None with one class everywhere.
    """
    influence, ranked = np.zeros(aligned.target.size), np.zeros(aligned.target.size, dtype=bool)
    values = np.zeros(len(rows))
    for fold in aligned.folds:
        pairs = [
            rankings(aligned.outcome[fold], aligned.target[fold], aligned.scores[row][fold]) for row in rows
        ]
        if not pairs[0]:
            continue
        ranked[fold] = True
        influences = [auc_influence(*pair) for own in pairs for pair in own]
        influence[fold] = np.mean(influences, axis=0)  # type: ignore[arg-type]
        areas = [np.mean([roc_auc(*pair) for pair in own]) for own in pairs]
        values += np.array(areas) * (fold.stop - fold.start)
    if not ranked.any():
        return None
    values /= ranked.sum()
    counts = sum_by_date(ranked.astype(np.float64), aligned.index, aligned.dates.size)
    sums = sum_by_date(influence, aligned.index, aligned.dates.size)
    noise = seed_noise_of_mean(values, searches=aligned.searches_of(rows))
    found = estimate_mean(sums[counts > 0], counts[counts > 0], horizon, [noise] if noise else [])
    return replace(found, value=float(values.mean()), least=0.0, most=1.0)


def estimate_loss(losses: DateLosses, horizon: int) -> Estimate:
    """Mean loss of the runs (seeds) of one model, with the noise of dates and of seeds."""
    noise = seed_noise_of_mean(losses.means, searches=losses.searches)
    found = estimate_mean(losses.sums.mean(axis=0), losses.counts, horizon, [noise] if noise else [])
    return replace(found, least=0.0)


def zero_loss_of(aligned: Aligned) -> float | None:
    """Squared error of always predicting a return of 0; None for classification."""
    return None if is_classification(aligned.task) else float(np.mean(aligned.target**2))


def margin_of(declared: float, zero_loss: float | None) -> float:
    """A margin declared in nats, in the unit of the loss.

    For regression: the fall in squared error that is worth as many nats of Gaussian log-likelihood,
    ``mse_0 (1 - exp(-2 margin))`` with the error of predicting 0 as mse_0 (`zero_loss`, None for
    classification, whose loss is in nats already).

    >>> round(margin_of(0.005, zero_loss=1.0), 5)
    0.00995
    """
    return declared if zero_loss is None else zero_loss * -math.expm1(-2.0 * declared)


@dataclass
class Curve(Coverage):
    """Everything measured along one curve. `slope` and `gain` are None where they could not be measured."""

    axis: Axis
    key: dict[str, Any]
    """The key that the runs share; the part that the axis varies is a star."""
    points: list[ScalePoint] = field(default_factory=list)
    entries: list[dict[str, Any]] = field(default_factory=list)
    """What scaling.json states of each scale point."""
    slope: Estimate | None = None
    log_log_slope: Estimate | None = None
    gain: Estimate | None = None
    zero_loss: float | None = None
    """Regression: squared error of always predicting 0 on the test set."""
    dates: np.ndarray | None = None
    """Test dates of all losses; those of the folds follow each other."""
    folds: list[int] = field(default_factory=list)
    """Walk-forward folds whose test parts are joined; none on the study's own split."""
    parts: dict[str, list[Part]] = field(default_factory=dict)
    """For each scale point and fold the aligned samples, the positions of the scale point's runs, and their
    rows."""
    skill: dict[str, Estimate] = field(default_factory=dict)
    """Loss of the base rate minus loss of each scale point; positive is better."""
    recalibrated: Estimate | None = None
    """The gain after both ends were recalibrated."""
    confirmation: Curve | None = None
    """The same on the study's own split, where folds decide and runs of it are declared."""

    @property
    def task(self) -> str:
        """Task of the curve."""
        return str(self.key["task"])

    @property
    def horizon(self) -> int:
        """Bars ahead."""
        return int(self.key["horizon"])

    @property
    def where(self) -> str:
        """The key in one line, for messages."""
        return in_one_line(self.key)

    @property
    def absent(self) -> list[str]:
        """Declared scale points without any usable run."""
        return [label for label, seeds in self.seeds.items() if seeds == 0]

    @property
    def nats_per_loss(self) -> float:
        """What one unit of the loss is worth in nats; for squared error by Gaussian log-likelihood."""
        if is_classification(self.task) or not self.zero_loss:
            return 1.0
        return 1.0 / (2.0 * self.zero_loss)

    def margin(self, declared: float) -> float:
        """The declared margin (in nats) in the unit of this curve's loss."""
        return margin_of(declared, self.zero_loss)


def curves_of(axis: Axis, rows: Sequence[Row], material: StudyRuns) -> list[Curve]:
    """The curves of an axis, each measured on the folds where there are any, else on the study's own
    split."""
    curves = []
    for own in grouped(axis, rows).values():
        curve = measure_curve(axis, evidence_of(own), material)
        if beside := confirmation_of(own):
            curve.confirmation = measure_curve(axis, beside, material)
        curves.append(curve)
    return curves


def measure_curve(axis: Axis, rows: Sequence[Row], material: StudyRuns) -> Curve:
    """Measure the scale points of an axis.

    Args:
        axis: along which the rows differ.
        rows: declared runs, finished or not, that differ along the axis, in their fold and in their seed
            only.
        material: predictions and settings; problems are recorded there.
    """
    labels = axis.points(rows)
    key = dict(zip(CURVE_KEY, axis.rest(rows[0]), strict=True))
    by_point = {label: [row for row in rows if axis.point(row) == label] for label in labels}
    joined = join(by_point, material, str(key["task"]), in_one_line(key))
    curve = Curve(axis, key, **vars(coverage(by_point, joined)))
    if joined is None:
        usable = {label: [row for row, _ in material.usable(own)] for label, own in by_point.items()}
        curve.seeds = {label: declared_seeds(own) for label, own in usable.items()}
        return curve
    curve.dates, curve.folds = joined.aligned.dates, joined.folds
    curve.zero_loss = zero_loss_of(joined.aligned)
    for label in joined.positions:
        _add_point(curve, label, joined, material)
    if len(curve.points) > 1:
        curve.slope = scaling_law.slope(curve.points, curve.horizon)
        curve.log_log_slope = scaling_law.log_log_slope(curve.points, curve.horizon)
        curve.gain = scaling_law.gain(curve.points, curve.horizon)
        curve.skill, curve.recalibrated = measure_skill(curve.points, curve.parts, curve.horizon, material)
        if curve.gain is None:
            text = f"{curve.where}: the scale points have equal sizes; nothing is compared."
            material.notice("one_size", curve.where, text)
    return curve


def _add_point(curve: Curve, label: str, joined: Joined[str], material: StudyRuns) -> None:
    aligned, positions, rows = joined.aligned, joined.positions[label], joined.rows(label)
    classes, confidence = is_classification(aligned.task), material.cfg.confidence
    point = ScalePoint(label, curve.axis.size(rows), aligned.losses(positions))
    curve.parts[label] = [(part.aligned, part.positions[label], part.rows[label]) for part in joined.parts]
    loss = estimate_loss(point.losses, curve.horizon)
    auc = estimate_auc(aligned, positions, curve.horizon) if classes else None
    low, high = loss.interval(confidence)
    auc_low, auc_high = auc.interval(confidence) if auc else (None, None)
    entry: dict[str, Any] = {
        "point": label,
        "size": point.size,
        "seeds": point.seeds,
        "seeds_declared": curve.declared[label],
        "value": loss.value,
        "low": low,
        "high": high,
        "se_dates": loss.se_dates,
        "se_seeds": loss.se_seeds if loss.seed_noise else None,
        "seed_values": point.losses.means,
        "seed_deviation": float(point.losses.means.std(ddof=1)) if point.seeds > 1 else None,
        "auc": auc.value if auc else None,
        "auc_low": auc_low,
        "auc_high": auc_high,
        "n": int(aligned.target.size),
        "effective_n": aligned.dates.size / curve.horizon,
        "base_rate_log_loss": joined.mean(label, "test_base_rate_log_loss") if classes else curve.zero_loss,
        "collapsed": label in curve.collapsed,
    }
    if curve.axis.name == "parameters":
        entry |= {"budget": label, "param_count": int(point.size or 0)}
    curve.points.append(point)
    curve.entries.append(entry)
