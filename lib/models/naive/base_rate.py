"""The baseline without inputs: a symbol's training share of each class, or its mean return."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from lib.config.base import StrictModel
from lib.datasets.rates import means_by_symbol, pooled_means
from lib.datasets.windows import Samples
from lib.models.contract import ModelMetadata
from lib.models.registry import register
from lib.models.rounds import OneRoundModel


@register("naive:base_rate")
class BaseRate(OneRoundModel):
    """Forecasts the same number for every sample of a symbol."""

    metadata = ModelMetadata(
        has_budget=False, input="last_bar", ternary=True, description="training base rate of the symbol"
    )
    stored = ("rates", "pooled")
    Settings: ClassVar[type[StrictModel]] = StrictModel
    """It has none."""
    rates: dict[str, list[float]]
    """By symbol the share of each class (rising), or the mean return."""
    pooled: list[float]
    """Of all symbols together, for a symbol that training did not hold."""

    def learn(self, train: Samples) -> None:
        """Take the means of the training targets."""
        self.rates, self.pooled = means_by_symbol(train), pooled_means(train)

    def forecast(self, samples: Samples) -> np.ndarray:
        """The rate of each sample's symbol."""
        known = [self.rates.get(str(symbol), self.pooled) for symbol in samples.symbols]
        rates = np.array(known, dtype=np.float64).reshape(len(samples), len(self.pooled))
        return rates if self.problem.ternary else rates[:, -1].copy()
