"""The opponent that looks at nothing: the training base rate, or the mean training return."""

from __future__ import annotations

import time
from pathlib import Path
from typing import ClassVar, Self

import numpy as np

from lib.config.base import StrictModel
from lib.datasets.windows import Samples
from lib.metrics.losses import mean_loss
from lib.models.base import Model, ModelMetadata, history_row, untrained_result
from lib.models.registry import register
from lib.models.storage import read_plain, write_plain
from lib.training.context import TrainingContext, TrainingResult


class BaseRateSettings(StrictModel):
    """It has none."""


@register("naive:base_rate")
class BaseRate(Model):
    """Forecasts the same number for every sample."""

    metadata = ModelMetadata(has_budget=False, input="last_bar", description="training base rate")
    Settings: ClassVar[type[StrictModel]] = BaseRateSettings
    rate: float | None = None

    def fit(self, train: Samples, selection: Samples, context: TrainingContext) -> TrainingResult:
        """Take the mean of the training targets."""
        begin = time.monotonic()
        self.check(train)
        self.rate = float(train.target.mean(dtype=np.float64))
        losses = [
            mean_loss(part.target, np.full(len(part), self.rate), self.problem.binary)
            for part in (train, selection)
        ]
        seconds = time.monotonic() - begin
        return untrained_result(losses[1], seconds, [history_row(1, losses[0], losses[1], seconds)])

    def forecast(self, samples: Samples) -> np.ndarray:
        """The rate, n times."""
        return np.full(len(samples), self.rate, dtype=np.float64)

    def save(self, folder: Path) -> None:
        """One number as JSON."""
        write_plain(folder, self, {"rate": self.rate})

    @classmethod
    def load(cls, folder: Path) -> Self:
        """From its folder."""
        model, content = read_plain(folder, cls)
        model.rate = float(content["rate"])
        return model
