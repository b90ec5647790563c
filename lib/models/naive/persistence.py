"""The persistence baseline: what the last H bars did, the next H will do.

For classes: how often each follows the last outcome that is known, counted in training (a Markov chain on
non-overlapping outcomes, with a state per class). For returns: the last return itself. It reads the last
outcome from the window, never from targets. Of three classes it is the label that was, but for the
volatility, of which a window does not hold the whole past (see `past_barrier`).
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from lib.config.base import StrictModel
from lib.config.experiment import BarrierConfig
from lib.datasets.windows import Samples
from lib.errors import ModelError
from lib.models.contract import ModelMetadata
from lib.models.naive import _channels
from lib.models.registry import register
from lib.models.rounds import OneRoundModel


@register("naive:persistence")
class Persistence(OneRoundModel):
    """The share of class 1 after each class, or of each of three classes; no number for returns."""

    metadata = ModelMetadata(
        has_budget=False, input="window", ternary=True, description="the last outcome again"
    )
    stored = ("rates",)
    Settings: ClassVar[type[StrictModel]] = StrictModel
    """It has none."""
    rates: list[float] | list[list[float]]
    """Share of class 1 after class 0, and after class 1; of three classes the shares of all after each."""

    def learn(self, train: Samples) -> None:
        """Count what followed each outcome.

        Each count begins at one half (Krichevsky & Trofimov 1981), so that no probability is 0 or 1. Only of
        three classes one may never occur in training (neutral labels can be left out): it is not forecast.
        """
        self.rates = []
        if self.problem.classes:
            last, seen = self._last_outcome(train), np.isin(self.problem.classes, train.target)
            begin_with = 0.5 * (seen if self.problem.ternary else np.ones(2))
            followed = [train.target[last == column] for column in range(len(self.problem.classes))]
            counts = [[(t == label).sum() for label in self.problem.classes] for t in followed] + begin_with
            shares = counts / counts.sum(axis=1, keepdims=True)
            self.rates = (shares if self.problem.ternary else shares[:, 1]).tolist()

    def forecast(self, samples: Samples) -> np.ndarray:
        """The share that belongs to the last outcome, or the last return."""
        if not self.problem.classes:
            return np.expm1(_channels.past_return(samples, self._bars()))
        return np.array(self.rates)[self._last_outcome(samples)]

    def _last_outcome(self, samples: Samples) -> np.ndarray:
        """(n,) int: column of the class of the window that ended H bars ago."""
        bars, level = self._bars(), _channels.barrier(self.problem.task)
        if self.problem.ternary:
            barriers = self.problem.barriers or BarrierConfig()
            return np.searchsorted(self.problem.classes, _channels.past_barrier(samples, bars, barriers))
        if level is None:
            return (_channels.past_return(samples, bars) > 0).astype(int)
        return (_channels.past_high(samples, bars) >= level).astype(int)

    def _bars(self) -> int:
        needed = self.problem.horizon + (2 if self.problem.ternary else 0)  # volatility: of two returns
        if needed > self.problem.context_length:
            raise ModelError(
                f"naive:persistence: a window of {self.problem.context_length} bars does not hold the last "
                f"{needed}. Set a longer context_length."
            )
        return self.problem.horizon
