"""The baseline without inputs: a symbol's training share of each class, or its mean return."""

from __future__ import annotations

import time
from pathlib import Path
from typing import ClassVar, Self

import numpy as np

from lib.config.base import StrictModel
from lib.datasets.rates import means_by_symbol, pooled_means
from lib.datasets.windows import Samples
from lib.models.contract import Model, ModelMetadata
from lib.models.registry import register
from lib.models.rounds import history_row, losses_of, untrained_result
from lib.models.storage import read_plain, write_plain
from lib.training.context import TrainingContext, TrainingResult


class BaseRateSettings(StrictModel):
    """It has none."""


@register("naive:base_rate")
class BaseRate(Model):
    """Forecasts the same number for every sample of a symbol."""

    metadata = ModelMetadata(
        has_budget=False, input="last_bar", ternary=True, description="training base rate of the symbol"
    )
    Settings: ClassVar[type[StrictModel]] = BaseRateSettings
    rates: dict[str, list[float]]
    """By symbol the share of each class (rising), or the mean return."""
    pooled: list[float]
    """Of all symbols together, for a symbol that training did not hold."""

    def fit(self, train: Samples, selection: Samples, context: TrainingContext) -> TrainingResult:
        """Take the means of the training targets."""
        begin = time.monotonic()
        self.check_training(train, selection)
        self.rates, self.pooled = means_by_symbol(train), pooled_means(train)
        losses = losses_of(self, train, selection)
        seconds = time.monotonic() - begin
        return untrained_result(losses[2], seconds, [history_row(1, *losses, seconds)])

    def forecast(self, samples: Samples) -> np.ndarray:
        """The rate of each sample's symbol."""
        known = [self.rates.get(str(symbol), self.pooled) for symbol in samples.symbols]
        rates = np.array(known, dtype=np.float64).reshape(len(samples), len(self.pooled))
        return rates if self.problem.ternary else rates[:, -1].copy()

    def save(self, folder: Path) -> None:
        """A few numbers per symbol as JSON."""
        write_plain(folder, self, {"rates": self.rates, "pooled": self.pooled})

    @classmethod
    def load(cls, folder: Path) -> Self:
        """From its folder."""
        model, content = read_plain(folder, cls)
        model.rates, model.pooled = content["rates"], content["pooled"]
        return model
