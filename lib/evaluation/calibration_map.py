"""A fitted calibration as plain numbers: stored with a promoted model, applied to any later probability.

Which method and its fit are those of `lib.evaluation.calibration`; here it only takes a form that can be
written down.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any, Self

import numpy as np
import polars as pl

from lib.evaluation.calibration import METHODS, calibrate
from lib.evaluation.uncertainty import index_dates
from lib.metrics.classification import CLIP, Floats


@dataclass(frozen=True)
class CalibrationMap:
    """From a model's probability of class 1 to a calibrated one."""

    method: str
    """`none`, `temperature`, `platt` or `isotonic`."""
    fitted_on: int
    """Samples of the calibration part."""
    slope: float = 1.0
    """Of the logit (temperature: one divided by it)."""
    intercept: float = 0.0
    inputs: tuple[float, ...] = ()
    """Isotonic: probabilities between which the map is linear, beyond which it is constant."""
    outputs: tuple[float, ...] = ()

    def __call__(self, probability: Floats) -> Floats:
        """Calibrated probabilities; same shape."""
        if self.method == "none":
            return probability
        if self.method == "isotonic":
            return np.interp(probability, self.inputs, self.outputs)
        p = np.clip(probability, CLIP, 1.0 - CLIP)
        score = self.slope * (np.log(p) - np.log1p(-p)) + self.intercept
        calibrated: Floats = 1.0 / (1.0 + np.exp(-score))
        return calibrated

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        return asdict(self) | {"inputs": list(self.inputs), "outputs": list(self.outputs)}

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Self:
        """The opposite of `to_json`."""
        points = {name: tuple(content[name]) for name in ("inputs", "outputs")}
        return cls(**{**content, **points})


def fit_map(calibration: pl.DataFrame, horizon: int) -> CalibrationMap:
    """The map that suits predictions of the calibration part best, chosen there by cross-fitting.

    Args:
        calibration: predictions of a binary task (`date, symbol, target, probability_1`).
        horizon: bars that labels look ahead; purged between the folds of the cross-fitting.

    Returns:
        Method `none` also where there is too little to fit.
    """
    ordered = calibration.sort("date", "symbol")
    target, probability = (ordered[name].to_numpy().astype(float) for name in ("target", "probability_1"))
    _, index = index_dates(ordered["date"].to_numpy())
    # It measures what it is given as a test set; only the choice is used here.
    compared = calibrate(target, probability, index, horizon, (target, probability))
    method = compared["chosen"] if compared else "none"
    fitted, parameters = METHODS[method](target, probability)
    plain = CalibrationMap(method, len(target) if compared else 0)
    if method == "temperature":
        return replace(plain, slope=1.0 / parameters["temperature"])
    if method == "platt":
        return replace(plain, slope=parameters["slope"], intercept=parameters["intercept"])
    if method == "isotonic":
        points = np.unique(probability)
        return replace(plain, inputs=tuple(points.tolist()), outputs=tuple(fitted(points).tolist()))
    return plain
