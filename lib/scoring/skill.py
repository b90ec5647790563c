"""Skill of a forecast: its loss against the base rate, and its loss after recalibration.

A model can lower its loss without knowing more, merely by being less confident. Recalibration removes that:
an intercept and a slope on the log-odds (Platt 1999), fitted on samples that nothing else saw; for returns a
straight line, for three classes one slope and two offsets. Pure functions of arrays; draws no verdicts.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.special import expit, log_softmax, softmax

from lib.config.base import is_binary, is_ternary
from lib.metrics.classification import CLIP, Floats
from lib.metrics.ternary import CLASSES
from lib.scoring.calibration import FOLDS, MINIMUM, Map, log_odds, platt
from lib.scoring.measures import loss_per_sample

BaseRate = float | Sequence[float]
"""Share of class 1 in training; of three classes the share of each."""


def base_rate_losses(target: Floats, base_rate: BaseRate | None, task: str) -> Floats | None:
    """Loss per sample of a forecast without skill: the base rate of training, or a return of 0.

    Args:
        target: (n,) classes or returns.
        base_rate: of training; not used in regression.
        task: decides the loss.

    Returns:
        (n,) in nats, or squared returns; None if the base rate is not known.
    """
    if base_rate is None and (is_binary(task) or is_ternary(task)):
        return None
    if is_ternary(task):
        score = np.tile(np.asarray(base_rate, dtype=np.float64), (target.size, 1))
    else:
        score = np.full(target.size, float(base_rate) if is_binary(task) else 0.0)  # type: ignore[arg-type]
    return loss_per_sample(target, score, task)


def recalibrate(
    score_calibration: Floats, target_calibration: Floats, score_test: Floats, task: str
) -> Floats | None:
    """Test scores after the recalibration that fits the calibration samples best (maximum likelihood, or
    least squares for returns).

    Args:
        score_calibration: (n,) probabilities of class 1 or returns; (n, 3) of three classes.
        target_calibration: (n,).
        score_test: (m,) or (m, 3), of the same model.
        task: decides the map.

    Returns:
        Scores like `score_test`; None with fewer than 50 samples, or fewer than five of any class.
    """
    if target_calibration.size < MINIMUM:
        return None
    if is_ternary(task):
        counts = [int((target_calibration == label).sum()) for label in CLASSES]
    elif is_binary(task):
        positives = int(target_calibration.sum())
        counts = [positives, target_calibration.size - positives]
    else:
        return _line(target_calibration, score_calibration)(score_test)
    if min(counts) < FOLDS:
        return None
    fit = _slope_and_offsets if is_ternary(task) else lambda y, p: platt(y, p)[0]
    return fit(target_calibration, score_calibration)(score_test)


def spread_of(score: Floats, task: str) -> float:
    """Spread of a model's forecasts: the standard deviation of what recalibration multiplies (log-odds,
    log-probabilities, returns)."""
    found = _multiplied(score, task)
    return float(np.sqrt(np.mean((found - found.mean(axis=0)) ** 2)))


def as_bold_as(score: Floats, calibration: Floats, spread: float, task: str) -> Floats:
    """Scores rescaled as if those of the calibration samples had another spread; their mean stays.

    Args:
        score: (n,) or (n, 3), to be rescaled.
        calibration: scores of the same model on calibration samples, which give its spread and mean.
        spread: the target, as from `spread_of`.
        task: decides what is multiplied.

    Returns:
        Scores like `score`; unchanged where all scores of the calibration samples are equal.
    """
    own = spread_of(calibration, task)
    if own < CLIP:
        return score
    centre = _multiplied(calibration, task).mean(axis=0)
    found = centre + (_multiplied(score, task) - centre) * (spread / own)
    if is_ternary(task):
        return np.asarray(softmax(found, axis=1), dtype=np.float64)
    return np.asarray(expit(found) if is_binary(task) else found, dtype=np.float64)


def _multiplied(score: Floats, task: str) -> Floats:
    if is_ternary(task):
        return np.asarray(np.log(np.clip(score, CLIP, 1.0)))
    return log_odds(score) if is_binary(task) else score


def _line(target: Floats, score: Floats) -> Map:
    """Least squares of returns on forecast returns; the mean return where all forecasts are equal."""
    spread = score - score.mean()
    total = float(spread @ spread)
    slope = float(spread @ target) / total if total > 0.0 else 0.0
    return lambda new: np.asarray(target.mean() + slope * (new - score.mean()), dtype=np.float64)


def _slope_and_offsets(target: Floats, probability: Floats) -> Map:
    """Three classes: the log-probabilities times one slope, plus an offset for each class but the middle one.

    What Platt's intercept and slope are for two classes; the likelihood is concave in all three parameters.
    """
    from scipy.optimize import minimize

    happened = (target[:, None] == np.array(CLASSES)[None, :]).astype(np.float64)

    def logits(parameters: npt.NDArray[np.float64], p: Floats) -> Floats:
        slope, down, up = parameters
        return np.asarray(slope * np.log(np.clip(p, CLIP, 1.0)) + np.array([down, 0.0, up]))

    def loss(parameters: npt.NDArray[np.float64]) -> tuple[float, npt.NDArray[np.float64]]:
        z = logits(parameters, probability)
        surplus = softmax(z, axis=1) - happened
        gradient = np.array(
            [
                (surplus * np.log(np.clip(probability, CLIP, 1.0))).sum(),
                surplus[:, 0].sum(),
                surplus[:, 2].sum(),
            ]
        )
        return -float((happened * log_softmax(z, axis=1)).sum()) / target.size, gradient / target.size

    found = minimize(loss, np.array([1.0, 0.0, 0.0]), jac=True, method="BFGS", options={"gtol": 1e-8})
    return lambda p: np.asarray(softmax(logits(found.x, p), axis=1), dtype=np.float64)
