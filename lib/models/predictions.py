"""Forecasts of every model: one typed table, checked when it is made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from lib.errors import ModelError


@dataclass(frozen=True)
class Predictions:
    """Forecasts for n samples; checked when they are made.

    Raises:
        ModelError: lengths differ, a forecast is not finite, or a probability lies outside [0, 1].
    """

    dates: np.ndarray
    """(n,) datetime64[D]: date of each window's last bar."""
    symbols: np.ndarray
    """(n,) labels."""
    horizon: int
    target: np.ndarray
    """(n,): the class, or the return; NaN where it is not known yet."""
    prediction: np.ndarray
    """(n,): the class at probability 0.5, the most probable of three, or the forecast return."""
    probability: np.ndarray | None = None
    """(n, classes): one column per class, in rising order; None for regression."""
    uncertainty: np.ndarray | None = None
    """(n,): optional, in units of the prediction."""
    classes: tuple[int, ...] = (0, 1)

    def __post_init__(self) -> None:
        n = len(self.dates)
        columns = {"symbols": self.symbols, "target": self.target, "prediction": self.prediction}
        for name, values in columns.items():
            if values.shape != (n,):
                raise ModelError(f"predictions: {name} has shape {values.shape}, expected ({n},).")
        if not np.isfinite(self.prediction).all():
            raise ModelError(f"predictions: {(~np.isfinite(self.prediction)).sum()} of {n} are not finite.")
        if self.probability is not None:
            if self.probability.shape != (n, len(self.classes)):
                shape = self.probability.shape
                raise ModelError(
                    f"predictions: probability has shape {shape}, expected ({n}, {len(self.classes)})."
                )
            if not ((self.probability >= 0) & (self.probability <= 1)).all():
                raise ModelError("predictions: a probability is not a number in [0, 1].")
            if not np.allclose(self.probability.sum(axis=1), 1.0, atol=1e-5):
                raise ModelError("predictions: the probabilities of a sample do not add up to 1.")

    def to_frame(self, part: str) -> pl.DataFrame:
        """The predictions table; `part` is `selection`, `calibration` or `test`."""
        columns: dict[str, Any] = {
            "date": pl.Series(self.dates.astype("datetime64[D]")).cast(pl.Date),
            "symbol": pl.Series([str(symbol) for symbol in self.symbols], dtype=pl.String),
            "horizon": pl.Series(np.full(len(self.dates), self.horizon, dtype=np.int64)),
            "target": pl.Series(self.target.astype(np.float64)).fill_nan(None),
            "prediction": pl.Series(self.prediction.astype(np.float64)),
        }
        if self.probability is not None:
            for label, values in zip(self.classes, self.probability.T, strict=True):
                columns[f"probability_{label}"] = values.astype(np.float64)
        none = pl.Series([None] * len(self.dates), dtype=pl.Float64)
        columns["uncertainty"] = none if self.uncertainty is None else self.uncertainty.astype(np.float64)
        columns["part"] = pl.Series([part] * len(self.dates), dtype=pl.String)
        return pl.DataFrame(columns)
