"""What linear models share: standardised channels of the last bar, a path of penalties, plain numbers."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
from pydantic import Field

from lib.config.base import StrictModel
from lib.datasets.windows import Samples
from lib.models import classes
from lib.models.contract import Model
from lib.models.linear._solver import Spectrum
from lib.models.rounds import history_row, losses_of, untrained_result
from lib.models.storage import read_plain, write_plain
from lib.training.context import TrainingContext, TrainingResult


class PenaltySettings(StrictModel):
    """Strengths of the L2 penalty to choose from, on the selection part."""

    inverse_penalties: list[float] = Field([0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0], min_length=1)
    """scikit-learn's C; ridge uses its inverse. Smaller is more regular."""
    max_iterations: int = Field(2000, ge=1)
    """Of the solver, for each penalty (logistic only)."""


class PenalisedLinear(Model):
    """Scores that are linear in the standardised channels of the last bar."""

    Settings: ClassVar[type[StrictModel]] = PenaltySettings
    coefficients: np.ndarray
    """(channels, k): k is 1, or the number of classes seen in training where there are three."""
    intercept: np.ndarray
    """(k,)."""
    present: list[int]
    """Columns of the classes seen in training, where there are three."""

    @abstractmethod
    def solutions(self, spectrum: Spectrum, columns: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Coefficients and intercept for each penalty; `columns` (n, k) is what the scores are fitted to."""

    @abstractmethod
    def answer(self, scores: np.ndarray) -> np.ndarray:
        """From scores (n, k) to probabilities of class 1, or of the classes present, or to returns."""

    def fit(self, train: Samples, selection: Samples, context: TrainingContext) -> TrainingResult:
        """Fit one model per penalty, keep the one with the smallest selection loss (intercept re-fitted)."""
        self.check_training(train, selection)
        begin = time.monotonic()
        spectrum = Spectrum.of(self._standardised(train))
        columns = self._columns(train)
        history, kept = [], []
        for number, (coefficients, intercept) in enumerate(self.solutions(spectrum, columns), start=1):
            self.coefficients, self.intercept = coefficients, intercept
            losses = losses_of(self, train, selection)
            now = time.monotonic()
            history.append(history_row(number, *losses, now - begin))
            kept.append((losses[2], number, self.coefficients, self.intercept))
            begin = now
        best_loss, _, self.coefficients, self.intercept = min(kept, key=lambda fit: fit[:2])
        return untrained_result(best_loss, sum(row["seconds"] for row in history), history)

    def forecast(self, samples: Samples) -> np.ndarray:
        """A matrix product, and what the family makes of its scores."""
        scores = self._standardised(samples).astype(np.float64) @ self.coefficients + self.intercept
        answers = self.answer(scores)
        if self.problem.ternary:
            return classes.spread(answers, self.present, self.problem.classes)
        flat: np.ndarray = answers[:, 0]
        return flat

    def save(self, folder: Path) -> None:
        """Coefficients as JSON numbers."""
        content = {"coefficients": self.coefficients.tolist(), "intercept": self.intercept.tolist()}
        write_plain(folder, self, content | {"present": self.present})

    @classmethod
    def load(cls, folder: Path) -> Self:
        """From its folder."""
        model, content = read_plain(folder, cls)
        model.coefficients = np.array(content["coefficients"], dtype=np.float64)
        model.intercept = np.array(content["intercept"], dtype=np.float64)
        model.present = content["present"]
        return model

    def feature_importance(self) -> dict[str, float]:
        """Size of each standardised coefficient, averaged over classes where there are three."""
        sizes = np.abs(self.coefficients).mean(axis=1)
        return dict(zip(self.problem.channel_names, map(float, sizes), strict=True))

    def parameter_counts(self) -> dict[str, int]:
        """Coefficients and intercept."""
        n = self.coefficients.size + self.intercept.size
        return {"total": n, "embedding": 0, "backbone": 0, "head": n}

    def _columns(self, train: Samples) -> np.ndarray:
        self.present = []
        if not self.problem.ternary:
            return train.target[:, None].astype(np.float64)
        self.present = classes.seen(train.target, self.problem.classes)
        numbers = classes.number(train.target, self.present, self.problem.classes)
        return np.eye(len(self.present))[numbers]

    def _standardised(self, samples: Samples) -> np.ndarray:
        """(n, channels) float32."""
        scaled = (samples.last_bars() - self.problem.channel_mean) / self.problem.channel_std
        return scaled.astype(np.float32)
