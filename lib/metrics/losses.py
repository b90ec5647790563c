"""The loss that decides: log loss for probabilities, squared error for returns."""

from __future__ import annotations

import numpy as np

from lib.metrics import ternary
from lib.metrics.classification import log_loss_per_sample


def mean_loss(target: np.ndarray, forecast: np.ndarray, binary: bool) -> float:
    """Mean log loss of probabilities of class 1 (nats), or mean squared error of returns.

    Args:
        target: (n,) the class, or the return.
        forecast: (n,) probability of class 1, or forecast return; (n, 3) probabilities of three classes.
        binary: which of the first two.
    """
    if forecast.ndim == 2:
        return float(np.mean(ternary.log_loss_per_sample(target, forecast)))
    if binary:
        return float(np.mean(log_loss_per_sample(target, forecast)))
    return float(np.mean((np.asarray(target, dtype=np.float64) - forecast) ** 2))
