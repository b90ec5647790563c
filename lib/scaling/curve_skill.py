"""Skill of the scale points of a curve, and its gain after recalibration: `lib.scoring.skill` applied to
runs.

Works fold by fold, because each fold has models, base rates and calibration samples of its own, and puts the
losses of all folds one after the other, like the losses they are compared with. Draws no verdicts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from lib.config.base import is_ternary
from lib.inference.bootstrap import sum_by_date
from lib.inference.comparisons import DateLosses, Estimate, compare_losses
from lib.metrics.classification import Floats
from lib.scaling.axes import Row
from lib.scaling.run_index import StudyRuns
from lib.scaling.samples import Aligned, RunSamples
from lib.scaling.scale_points import ScalePoint
from lib.scoring.measures import loss_per_sample
from lib.scoring.skill import BaseRate, as_bold_as, base_rate_losses, recalibrate, spread_of

Part = tuple[Aligned, Sequence[int], Sequence[Row]]
"""One scale point and one fold: the aligned samples, the positions of its runs there, and their rows, in the
same order of seeds in every fold."""
_LEAST_SHARE = 0.5
"""If a smaller share of the test dates is recalibrated, the gain after recalibration is unknown."""


def measure_skill(
    points: Sequence[ScalePoint], parts: Mapping[str, Sequence[Part]], horizon: int, material: StudyRuns
) -> tuple[dict[str, Estimate], Estimate | None]:
    """How far each scale point is ahead of the base rate, and the gain from first to last after
    recalibration.

    Args:
        points: measured, on the same dates.
        parts: of each scale point by label, one for each fold in order of time.
        horizon: least block length in bars.
        material: calibration samples are read there.

    Returns:
        For each scale point the loss of the base rate minus its own (positive is better; scale points whose
        base rate is not known are left out), and the gain, None where it could not be measured.
    """
    skill = skill_of(points, parts, horizon)
    if len(points) < 2:
        return skill, None
    ends = [parts[point.label] for point in (points[0], points[-1])]
    found = [recalibrated_gain(ends, horizon, material, even) for even in (False, True)]
    sign = 1.0 if points[0].mean >= points[-1].mean else -1.0
    return skill, min((one for one in found if one), key=lambda one: _left(one, sign), default=None)


def _left(gain: Estimate, sign: float) -> float:
    """The least that remains of a gain (sign 1) or a loss (sign -1)."""
    known = [end for end in gain.interval(0.95) if end is not None]
    return min(sign * end for end in known or [gain.value])


def recalibrated_gain(
    ends: Sequence[Sequence[Part]], horizon: int, material: StudyRuns, even: bool
) -> Estimate | None:
    """The gain between two scale points whose runs were recalibrated; None if too few dates could be.

    Args:
        ends: of the first and the last scale point, one part for each fold in order of time.
        horizon: least block length in bars.
        material: calibration samples are read there.
        even: give the forecasts of all folds the same spread first.
    """
    pairs = list(zip(*(_recalibrated(parts, material, even) for parts in ends), strict=True))
    known = [(a, b) for a, b in pairs if a is not None and b is not None]
    dates = sum(a.counts.size for a, _ in known)
    if not known or dates < _LEAST_SHARE * sum(part[0].dates.size for part in ends[0]):
        return None
    first, last = (DateLosses.chained(own) for own in zip(*known, strict=True))
    return compare_losses(first, last, horizon)


def skill_of(
    points: Sequence[ScalePoint], parts: Mapping[str, Sequence[Part]], horizon: int
) -> dict[str, Estimate]:
    """Loss of the base rate minus that of each scale point; scale points whose base rate is not known are
    left out."""
    skill = {}
    for point in points:
        if (naive := _base_rate_losses(parts[point.label])) is not None:
            skill[point.label] = compare_losses(naive, point.losses, horizon)
    return skill


def _base_rate_losses(parts: Sequence[Part]) -> DateLosses | None:
    """Losses of always predicting the base rate of each run's training."""
    out: list[DateLosses] = []
    for aligned, _, rows in parts:
        rates = [_base_rate(row, aligned.task) for row in rows]
        known: dict[str, Floats] = {}
        for rate in rates:
            if repr(rate) not in known:
                losses = base_rate_losses(aligned.target, rate, aligned.task)
                if losses is None:
                    return None
                known[repr(rate)] = _by_date(losses, aligned)
        out.append(DateLosses(np.array([known[repr(rate)] for rate in rates]), aligned.counts))
    return DateLosses.chained(out)


def _base_rate(row: Row, task: str) -> BaseRate | None:
    if not is_ternary(task):
        rate: float | None = row["train_base_rate"]
        return rate
    shares = [row[name] for name in ("train_share_down", "train_share_neutral", "train_base_rate")]
    return None if any(share is None for share in shares) else shares


def _recalibrated(parts: Sequence[Part], material: StudyRuns, even: bool) -> list[DateLosses | None]:
    """Losses of the recalibrated runs in each fold; None for a fold with too few calibration samples.

    A run is recalibrated on its own calibration samples and those of the same seed in the folds before: a
    fold alone has a few dozen, on which two parameters cost more than the margin. None of them is later than
    the fold's test. With `even` the forecasts of all these folds get the same spread first: one slope cannot
    correct overconfidence in some folds only.
    """
    out: list[DateLosses | None] = []
    for at, (aligned, positions, rows) in enumerate(parts):
        sums = []
        for seed, position in enumerate(positions):
            past = [own[seed] for _, _, own in parts[: at + 1]]
            found = [material.calibration_of(row) for row in past]
            samples = [one for one in found if one is not None]
            score = None
            if found[-1] is not None:
                score = _on(samples, aligned.scores[position], aligned.task, even)
            if score is None:
                break
            sums.append(_by_date(loss_per_sample(aligned.target, score, aligned.task), aligned))
        complete = len(sums) == len(rows)
        searches = aligned.searches_of(positions)
        out.append(DateLosses(np.array(sums), aligned.counts, searches) if complete else None)
    return out


def _on(samples: Sequence[RunSamples], test: Floats, task: str, even: bool) -> Floats | None:
    """Test scores recalibrated on the samples of some folds, those of the test's own fold last."""
    scores = [one.score for one in samples]
    if even:
        spreads = np.array([spread_of(one, task) for one in scores])
        test = as_bold_as(test, scores[-1], float(spreads.mean()), task)
        scores = [as_bold_as(one, one, float(spreads.mean()), task) for one in scores]
    return recalibrate(np.concatenate(scores), np.concatenate([one.target for one in samples]), test, task)


def _by_date(losses: Floats, aligned: Aligned) -> Floats:
    return sum_by_date(losses, aligned.index, aligned.dates.size)
