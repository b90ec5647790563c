"""The opponent that expects more of the same: what came after bars like the last ones.

The last H closes either did what the task asks about or did not; the forecast is how often (or how far) the
training set went on from either state.
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
from lib.models.naive._returns import barrier, window_returns
from lib.models.registry import register
from lib.models.storage import read_plain, write_plain
from lib.training.context import TrainingContext, TrainingResult


class PersistenceSettings(StrictModel):
    """It has none."""


@register("naive:persistence")
class Persistence(Model):
    """Two numbers: one for each state of the last H bars."""

    metadata = ModelMetadata(has_budget=False, input="window", description="more of the same")
    Settings: ClassVar[type[StrictModel]] = PersistenceSettings
    rates: np.ndarray
    """(2,): probability of class 1, or mean return, where the last H bars did not and did."""

    def fit(self, train: Samples, selection: Samples, context: TrainingContext) -> TrainingResult:
        """Count; a state that training never saw gets the overall mean.

        Raises:
            ModelError: the window is shorter than the horizon.
        """
        begin = time.monotonic()
        self.check(train)
        state, overall = self._state(train), float(train.target.mean(dtype=np.float64))
        # One imagined sample of the overall mean per state: a state seen once must not be certain.
        self.rates = np.array(
            [
                (train.target[state == s].sum(dtype=np.float64) + overall) / ((state == s).sum() + 1)
                for s in (0, 1)
            ]
        )
        losses = [
            mean_loss(part.target, self.forecast(part), self.problem.binary) for part in (train, selection)
        ]
        seconds = time.monotonic() - begin
        return untrained_result(losses[1], seconds, [history_row(1, losses[0], losses[1], seconds)])

    def forecast(self, samples: Samples) -> np.ndarray:
        """The rate of each window's state."""
        return self.rates[self._state(samples)]

    def save(self, folder: Path) -> None:
        """Two numbers as JSON."""
        write_plain(folder, self, {"rates": self.rates.tolist()})

    @classmethod
    def load(cls, folder: Path) -> Self:
        """From its folder."""
        model, content = read_plain(folder, cls)
        model.rates = np.array(content["rates"], dtype=np.float64)
        return model

    def _state(self, samples: Samples) -> np.ndarray:
        """(n,) 0 or 1: whether the last H bars rose, or a close among them reached the barrier."""
        returns, horizon = window_returns(samples), samples.horizon
        if horizon > returns.shape[1]:
            raise ModelError(
                f"naive:persistence: a window of {returns.shape[1]} bars is shorter than h{horizon}."
            )
        path = np.cumsum(returns[:, -horizon:], axis=1)
        level = barrier(samples.task)
        return (path[:, -1] > 0).astype(int) if level is None else (path.max(axis=1) >= level).astype(int)
