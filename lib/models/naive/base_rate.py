"""The opponent that looks at nothing: the training share of each class, or the mean training return."""

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

    metadata = ModelMetadata(
        has_budget=False, input="last_bar", ternary=True, description="training base rate"
    )
    Settings: ClassVar[type[StrictModel]] = BaseRateSettings
    rate: float | list[float] | None = None
    """Of class 1, or the mean return; of each class where there are three."""

    def fit(self, train: Samples, selection: Samples, context: TrainingContext) -> TrainingResult:
        """Take the mean of the training targets, or the share of each of three classes."""
        begin = time.monotonic()
        self.check_training(train, selection)
        if self.problem.ternary:
            self.rate = [float((train.target == label).mean()) for label in self.problem.classes]
        else:
            self.rate = float(train.target.mean(dtype=np.float64))
        losses = [
            mean_loss(part.target, self.forecast(part), self.problem.binary) for part in (train, selection)
        ]
        seconds = time.monotonic() - begin
        return untrained_result(losses[1], seconds, [history_row(1, losses[0], losses[1], seconds)])

    def forecast(self, samples: Samples) -> np.ndarray:
        """The rate, n times."""
        rate = np.array(self.rate, dtype=np.float64)
        return np.broadcast_to(rate, (len(samples), *rate.shape)).copy()

    def save(self, folder: Path) -> None:
        """One number, or three, as JSON."""
        write_plain(folder, self, {"rate": self.rate})

    @classmethod
    def load(cls, folder: Path) -> Self:
        """From its folder."""
        model, content = read_plain(folder, cls)
        model.rate = content["rate"]
        return model
