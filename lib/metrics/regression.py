"""Measures of predicted returns, used during training and evaluation.

Plain numpy for the same reason as the binary measures. Knows nothing of dates, intervals or files.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from lib.metrics.classification import Floats, Metric

NEGLIGIBLE = 1e-12
"""Returns smaller than this count as zero: they have no direction and no percentage error."""
_MEASURES = (
    "mse",
    "mae",
    "mape",
    "r2",
    "directional_accuracy",
    "prediction_min",
    "prediction_max",
    "collapsed",
)


def squared_error_per_sample(target: npt.ArrayLike, prediction: npt.ArrayLike) -> Floats:
    """Squared error of each sample, in squared units of the target; shape (n,)."""
    error = np.asarray(prediction, dtype=np.float64) - np.asarray(target, dtype=np.float64)
    return error**2


def regression_metrics(target: npt.ArrayLike, prediction: npt.ArrayLike) -> dict[str, Metric]:
    """All measures of one set of predicted values.

    Args:
        target: (n,) returns as fractions.
        prediction: (n,) predicted returns.

    Returns:
        `n, n_invalid, zero_mse` (the error of always predicting 0), `mse, mae, mape, r2,
        directional_accuracy, prediction_min, prediction_max, collapsed` (predictions all the same). `mape` (a
        fraction) and `directional_accuracy` leave out targets of exactly 0. None where undefined; if any
        prediction is not finite (`n_invalid` > 0), everything that depends on the predictions is None.
    """
    y = np.asarray(target, dtype=np.float64)
    f = np.asarray(prediction, dtype=np.float64)
    invalid = int((~(np.isfinite(f) & np.isfinite(y))).sum())
    out: dict[str, Metric] = {
        "n": int(y.size),
        "n_invalid": invalid,
        "zero_mse": float(np.mean(y**2)) if y.size else None,
    }
    if y.size == 0 or invalid:
        return out | dict.fromkeys(_MEASURES)
    moved = np.abs(y) > NEGLIGIBLE
    error = f - y
    spread = float(np.sum((y - y.mean()) ** 2))
    out["mse"] = float(np.mean(error**2))
    out["mae"] = float(np.mean(np.abs(error)))
    out["mape"] = float(np.mean(np.abs(error[moved] / y[moved]))) if moved.any() else None
    out["r2"] = 1.0 - float(np.sum(error**2)) / spread if spread > 0 else None
    out["directional_accuracy"] = float(np.mean((f > 0)[moved] == (y > 0)[moved])) if moved.any() else None
    out["prediction_min"] = float(f.min())
    out["prediction_max"] = float(f.max())
    out["collapsed"] = bool(np.ptp(f) <= NEGLIGIBLE)
    return out
