"""A fitted calibration as plain numbers: stored with a promoted model, applied to any later probability.

`lib.scoring.calibration` chooses and fits the method; this module gives it a form that can be stored.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any, Self

import numpy as np
import polars as pl
from scipy.special import expit

from lib.config.workflow import EvaluationConfig
from lib.inference.bootstrap import Ints, block_bootstrap, block_length, index_dates, sum_by_date
from lib.metrics.classification import Floats
from lib.scoring.calibration import METHODS, calibrate, log_odds


@dataclass(frozen=True)
class CalibrationMap:
    """From a model's probability of class 1 to a calibrated one."""

    method: str
    """`none`, `temperature`, `platt` or `isotonic`."""
    fitted_on: int
    """Samples of the calibration part."""
    slope: float = 1.0
    """Slope on the logit (temperature: 1 / T)."""
    intercept: float = 0.0
    inputs: tuple[float, ...] = ()
    """Isotonic: probabilities between which the map is linear, beyond which it is constant."""
    outputs: tuple[float, ...] = ()

    def __call__(self, probability: Floats) -> Floats:
        """Calibrated probabilities, (n,) from (n,)."""
        if self.method == "none":
            return probability
        if self.method == "isotonic":
            return np.interp(probability, self.inputs, self.outputs)
        return np.asarray(expit(self.slope * log_odds(probability) + self.intercept), dtype=np.float64)

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        return asdict(self) | {"inputs": list(self.inputs), "outputs": list(self.outputs)}

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Self:
        """The opposite of `to_json`."""
        points = {name: tuple(content[name]) for name in ("inputs", "outputs")}
        return cls(**{**content, **points})


def fit_map(calibration: pl.DataFrame, horizon: int) -> CalibrationMap:
    """The best map for predictions of the calibration part, chosen there by cross-fitting.

    Args:
        calibration: predictions of a binary task (`date, symbol, target, probability_1`).
        horizon: bars that labels look ahead; purged between the folds of the cross-fitting.

    Returns:
        The map; its method is `none` also where there is too little to fit.
    """
    target, probability, index, _ = _arrays(calibration)
    # It measures whatever is passed as the test set; only the choice is used here.
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


def map_interval(
    calibration: pl.DataFrame, fitted: CalibrationMap, new: Floats, horizon: int, cfg: EvaluationConfig
) -> tuple[list[float | None], list[float | None]]:
    """Interval of calibrated probabilities over resampled calibration parts.

    Dates are resampled in blocks (stationary bootstrap) and the map is refitted in every draw. Where no
    calibration was chosen, Platt's map is fitted: leaving probabilities alone is a choice too, and this
    interval shows what recalibration could make of them.

    Args:
        calibration: predictions of the calibration part.
        fitted: its map.
        new: (m,) probabilities before calibration.
        horizon: least block length in bars.
        cfg: draws, confidence and seed.

    Returns:
        Lower and upper ends, one per new probability; None with too few dates or classes.
    """
    target, probability, index, n_dates = _arrays(calibration)
    nothing: list[float | None] = [None] * len(new)
    if not fitted.fitted_on or not n_dates:
        return nothing, nothing
    rates = sum_by_date(target, index, n_dates) / sum_by_date(np.ones_like(target), index, n_dates)
    block = block_length([rates], horizon)
    drawn = block_bootstrap(n_dates, block, cfg.bootstrap_draws, cfg.seed, cfg.confidence)
    if drawn is None:
        return nothing, nothing
    fit = METHODS["platt" if fitted.method == "none" else fitted.method]
    found = np.full((cfg.bootstrap_draws, len(new)), np.nan)
    for draw, weights in enumerate(drawn.weights):
        rows = np.repeat(np.arange(target.size), weights[index].astype(int))
        if 0 < target[rows].sum() < rows.size:
            found[draw] = fit(target[rows], probability[rows])[0](new)
    ends = [drawn.interval(values) for values in found.T]
    return [low for low, _ in ends], [high for _, high in ends]


def _arrays(calibration: pl.DataFrame) -> tuple[Floats, Floats, Ints, int]:
    """Targets, probabilities and positions of their dates, in order of dates, and the number of dates."""
    ordered = calibration.sort("date", "symbol")
    target, probability = (ordered[name].to_numpy().astype(float) for name in ("target", "probability_1"))
    dates, index = index_dates(ordered["date"].to_numpy())
    return target, probability, index, dates.size
