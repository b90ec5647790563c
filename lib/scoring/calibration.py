"""Calibration: turning a model's probabilities into ones that match observed frequencies.

Methods are fitted on the calibration part of validation, which early stopping and every choice never saw, and
chosen there by cross-fitting; the test set is only measured. scikit-learn and scipy do the fitting.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import numpy as np
from scipy.special import expit, logit

from lib.inference.bootstrap import Ints
from lib.metrics.calibration_error import expected_calibration_error, reliability_bins
from lib.metrics.classification import CLIP, Floats, log_loss_per_sample

Map = Callable[[Floats], Floats]
"""From a model's probabilities to calibrated ones."""

FOLDS = 5
MINIMUM = 50
"""Fewer samples than this, or fewer than `FOLDS` of either class, calibrate nothing."""
_TEMPERATURES = (0.02, 50.0)


def calibrate(
    target: Floats, probability: Floats, date_index: Ints, horizon: int, test: tuple[Floats, Floats]
) -> dict[str, Any] | None:
    """Compare no, temperature, Platt and isotonic calibration by log loss in nats.

    Args:
        target: (n,) of the calibration part, in order of dates.
        probability: (n,) of the calibration part.
        date_index: (n,) position of each sample's date; folds are stretches of dates.
        horizon: bars that labels look ahead; as many dates are purged around each held-out fold.
        test: targets and probabilities of the test set, measured but never fitted.

    Returns:
        `fitted_on, chosen, methods, reliability` as in metrics.json, or None if there is too little to fit.
        `chosen` has the lowest log loss over the held-out folds of the calibration part.
    """
    positives = int(target.sum())
    usable = np.all(np.isfinite(probability)) and np.all(np.isfinite(test[1])) and np.all(np.isfinite(target))
    if not usable or target.size < MINIMUM or not FOLDS <= positives <= target.size - FOLDS:
        return None
    methods: list[dict[str, Any]] = []
    mapped: dict[str, Floats] = {}
    for name, fit in METHODS.items():
        calibrated, parameters = fit(target, probability)
        mapped[name] = calibrated(test[1])
        methods.append(
            {
                "method": name,
                "parameters": parameters,
                "crossfit_log_loss": _crossfit_loss(fit, target, probability, date_index, horizon),
                "test_log_loss": float(np.mean(log_loss_per_sample(test[0], mapped[name]))),
                "test_ece": expected_calibration_error(test[0], mapped[name]),
                "test_brier": float(np.mean((mapped[name] - test[0]) ** 2)),
            }
        )
    measured = [m for m in methods if m["crossfit_log_loss"] is not None]
    chosen = str(min(measured, key=lambda m: m["crossfit_log_loss"])["method"]) if measured else "none"
    return {
        "fitted_on": int(target.size),
        "chosen": chosen,
        "methods": methods,
        "reliability": reliability_bins(test[0], mapped[chosen]),
    }


def no_calibration(target: Floats, probability: Floats) -> tuple[Map, dict[str, float]]:
    """The identity: probabilities unchanged."""
    return (lambda p: p), {}


def temperature(target: Floats, probability: Floats) -> tuple[Map, dict[str, float]]:
    """Logits divided by one number T > 0 that minimises the log loss (Guo et al. 2017)."""
    from scipy.optimize import minimize_scalar

    odds = log_odds(probability)
    low, high = np.log(_TEMPERATURES)
    found = minimize_scalar(
        lambda t: float(np.mean(log_loss_per_sample(target, _sigmoid(odds / np.exp(t))))),
        bounds=(low, high),
        method="bounded",
    )
    value = float(np.exp(found.x))
    return (lambda p: _sigmoid(log_odds(p) / value)), {"temperature": value}


def platt(target: Floats, probability: Floats) -> tuple[Map, dict[str, float]]:
    """Logistic regression on the logit (Platt 1999), without penalty: intercept and slope."""
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=np.inf, tol=1e-8, max_iter=200)
    model.fit(log_odds(probability)[:, None], target > 0.5)
    slope, intercept = float(model.coef_[0, 0]), float(model.intercept_[0])
    return (lambda p: _sigmoid(slope * log_odds(p) + intercept)), {"slope": slope, "intercept": intercept}


def isotonic(target: Floats, probability: Floats) -> tuple[Map, dict[str, float]]:
    """The best rising step function (Zadrozny & Elkan 2002).

    Its first and last steps are often exactly 0 and 1, where one error costs 16 nats. They are clipped to
    1/(n + 2) and 1 - 1/(n + 2), the rule of succession: n samples cannot show more.
    """
    from sklearn.isotonic import IsotonicRegression

    edge = 1.0 / (target.size + 2.0)
    model = IsotonicRegression(y_min=edge, y_max=1.0 - edge, out_of_bounds="clip")
    model.fit(probability, target)
    return (lambda p: np.asarray(model.predict(p), dtype=np.float64)), {
        "steps": float(np.unique(model.y_thresholds_).size)
    }


METHODS: dict[str, Callable[[Floats, Floats], tuple[Map, dict[str, float]]]] = {
    "none": no_calibration,
    "temperature": temperature,
    "platt": platt,
    "isotonic": isotonic,
}


def _crossfit_loss(
    fit: Callable[[Floats, Floats], tuple[Map, dict[str, float]]],
    target: Floats, probability: Floats, date_index: Ints, horizon: int,
) -> float | None:  # fmt: skip
    losses = []
    for kept, held in _folds(date_index, horizon):
        if not 0 < target[kept].sum() < kept.sum():
            return None
        calibrated, _ = fit(target[kept], probability[kept])
        losses.append(log_loss_per_sample(target[held], calibrated(probability[held])))
    return float(np.mean(np.concatenate(losses))) if losses else None


def _folds(date_index: Ints, horizon: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Stretches of dates held out in turn; dates whose labels overlap them belong to neither side."""
    n_dates = int(date_index.max()) + 1
    edges = np.linspace(0, n_dates, FOLDS + 1).round().astype(int)
    for first, end in pairwise(edges):
        held = (date_index >= first) & (date_index < end)
        kept = (date_index < first - horizon + 1) | (date_index >= end + horizon - 1)
        if held.any() and kept.any():
            yield kept, held


def log_odds(probability: Floats) -> Floats:
    """Logits of probabilities, clipped as in the log loss."""
    return np.asarray(logit(np.clip(probability, CLIP, 1.0 - CLIP)), dtype=np.float64)


def _sigmoid(score: Floats) -> Floats:
    return np.asarray(expit(score), dtype=np.float64)
