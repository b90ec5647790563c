"""The opponent that expects more of the same: what the last H bars did, the next H will do.

For classes: how often each follows the last outcome that is known, counted in training (a two-state Markov
chain on non-overlapping outcomes). For returns: the last return itself. It reads the last outcome from the
window, never from targets.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import ClassVar, Self

import numpy as np

from lib.config.base import StrictModel
from lib.datasets.windows import Samples
from lib.errors import ModelError
from lib.metrics.losses import mean_loss
from lib.models.base import Model, ModelMetadata, history_row, untrained_result
from lib.models.naive import _channels
from lib.models.registry import register
from lib.models.storage import read_plain, write_plain
from lib.training.context import TrainingContext, TrainingResult


class PersistenceSettings(StrictModel):
    """It has none."""


@register("naive:persistence")
class Persistence(Model):
    """Two numbers: the share of class 1 after each class; none for returns."""

    metadata = ModelMetadata(has_budget=False, input="window", description="the last outcome again")
    Settings: ClassVar[type[StrictModel]] = PersistenceSettings
    rates: list[float]
    """Share of class 1 after class 0, and after class 1."""

    def fit(self, train: Samples, selection: Samples, context: TrainingContext) -> TrainingResult:
        """Count what followed each outcome.

        Each count begins at one half (Krichevsky & Trofimov 1981), so that no probability is 0 or 1.
        """
        begin = time.monotonic()
        self.check_training(train, selection)
        self.rates = []
        if self.problem.binary:
            last = self._last_outcome(train)
            for outcome in (False, True):
                followed = train.target[last == outcome]
                self.rates.append(float((followed.sum(dtype=np.float64) + 0.5) / (len(followed) + 1.0)))
        losses = [
            mean_loss(part.target, self.forecast(part), self.problem.binary) for part in (train, selection)
        ]
        seconds = time.monotonic() - begin
        return untrained_result(losses[1], seconds, [history_row(1, losses[0], losses[1], seconds)])

    def forecast(self, samples: Samples) -> np.ndarray:
        """The share that belongs to the last outcome, or the last return."""
        if not self.problem.binary:
            return np.expm1(_channels.past_return(samples, self._bars()))
        return np.array(self.rates)[self._last_outcome(samples).astype(int)]

    def save(self, folder: Path) -> None:
        """Two numbers as JSON."""
        write_plain(folder, self, {"rates": self.rates})

    @classmethod
    def load(cls, folder: Path) -> Self:
        """From its folder."""
        model, content = read_plain(folder, cls)
        model.rates = content["rates"]
        return model

    def _last_outcome(self, samples: Samples) -> np.ndarray:
        """(n,) bool: the target of the window that ended H bars ago."""
        level = _channels.barrier(self.problem.task)
        if level is None:
            return _channels.past_return(samples, self._bars()) > 0
        return _channels.past_high(samples, self._bars()) >= level

    def _bars(self) -> int:
        if self.problem.horizon > self.problem.context_length:
            raise ModelError(
                f"naive:persistence: a window of {self.problem.context_length} bars does not hold the last "
                f"{self.problem.horizon}. Set a longer context_length."
            )
        return self.problem.horizon
