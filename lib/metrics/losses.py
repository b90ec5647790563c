"""The loss that decides: log loss for probabilities, squared error for returns."""

from __future__ import annotations

import numpy as np
from scipy.special import expit, logit, softmax

from lib.metrics import ternary
from lib.metrics.classification import log_loss_per_sample
from lib.metrics.regression import squared_error_per_sample


def mean_loss(target: np.ndarray, forecast: np.ndarray, binary: bool) -> float:
    """Mean log loss of probabilities of class 1 (nats), or mean squared error of returns.

    Args:
        target: (n,) the class, or the return.
        forecast: (n,) probability of class 1, or forecast return; (n, 3) probabilities of three classes.
        binary: log loss instead of squared error, for a forecast (n,).
    """
    return float(np.mean(losses(target, forecast, binary)))


def losses(target: np.ndarray, forecast: np.ndarray, binary: bool) -> np.ndarray:
    """The loss of each sample, (n,), with the arguments and units of `mean_loss`."""
    if forecast.ndim == 2:
        return ternary.log_loss_per_sample(target, forecast)
    if binary:
        return log_loss_per_sample(target, forecast)
    return squared_error_per_sample(target, forecast)


_SMALLEST = 1e-12
"""Log-odds are taken of probabilities clipped this far from 0 and 1."""
_ROUNDS = 500


def intercept_refitted_loss(target: np.ndarray, forecast: np.ndarray, binary: bool) -> float:
    """Mean loss of the forecast with its intercept re-fitted: what it knows beyond a constant.

    Arguments and units as in `mean_loss`.
    """
    return mean_loss(target, intercept_refitted(target, forecast, binary), binary)


def intercept_refitted(target: np.ndarray, forecast: np.ndarray, binary: bool) -> np.ndarray:
    """The forecast after its level was fitted to these targets; same shape.

    Every constant forecast then scores the entropy of the targets' own shares, so a model gains nothing by
    guessing the drift of the period on which it is chosen. Binary: one number is added to the log-odds; three
    classes: one to the log-odds of each; returns: the mean error is taken out. Where only one class occurs
    there is no level to fit, and the forecast is returned unchanged.

    Args:
        target: as in `mean_loss`.
        forecast: likewise.
        binary: likewise.
    """
    target = np.asarray(target, dtype=np.float64)
    if forecast.ndim == 2:
        return _offset_classes(target, forecast)
    if not binary:
        return np.asarray(forecast + (target - forecast).mean())
    share = float(target.mean())
    if not 0.0 < share < 1.0:
        return forecast
    odds = logit(np.clip(np.asarray(forecast, dtype=np.float64), _SMALLEST, 1.0 - _SMALLEST))
    reach = float(np.abs(odds).max()) + abs(float(logit(share))) + 1.0
    from scipy.optimize import brentq  # importing takes a second, which planning a study does not need

    offset = brentq(lambda added: float(expit(odds + added).mean()) - share, -reach, reach)
    return np.asarray(expit(odds + offset))


def _offset_classes(target: np.ndarray, forecast: np.ndarray) -> np.ndarray:
    """Iterative proportional fitting (Deming & Stephan 1940): scale each class to its share until all fit."""
    shares = np.array([(target == label).mean() for label in ternary.CLASSES])
    if (shares > 0).sum() < 2:
        return forecast
    scores = np.log(np.clip(np.asarray(forecast, dtype=np.float64), _SMALLEST, None))
    scores[:, shares == 0] = np.log(_SMALLEST)
    found = softmax(scores, axis=1)
    for _ in range(_ROUNDS):
        means = found.mean(axis=0)
        if np.abs(means - shares).max() < 1e-10:
            break
        scores = scores + np.log(np.where(shares > 0, shares / means, 1.0))
        found = softmax(scores, axis=1)
    return np.asarray(found)
