"""Logistic regression on the channels of the last bar (ridge regression for returns).

A plain but strong opponent: for touch tasks the level of volatility is most of the signal, and it is linear
in the channels. Fitted by scikit-learn; stored and applied as plain numbers.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from pydantic import Field

from lib.config.base import StrictModel
from lib.datasets.windows import Samples
from lib.metrics.losses import mean_loss
from lib.models import classes
from lib.models.base import Model, ModelMetadata, history_row, untrained_result
from lib.models.registry import register
from lib.models.storage import read_plain, write_plain
from lib.training.context import TrainingContext, TrainingResult


class LogisticSettings(StrictModel):
    """Strengths of the L2 penalty to choose from, on the selection part."""

    inverse_penalties: list[float] = Field([0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0], min_length=1)
    """scikit-learn's C; ridge uses its inverse. Smaller is more regular."""
    max_iterations: int = Field(2000, ge=1)


@register("linear:logistic")
class Logistic(Model):
    """Linear in the standardised channels of the last bar."""

    metadata = ModelMetadata(
        has_budget=False, input="last_bar", ternary=True, description="logistic or ridge regression"
    )
    Settings: ClassVar[type[StrictModel]] = LogisticSettings
    coefficients: np.ndarray
    """(channels,); for three classes (channels, classes seen in training)."""
    intercept: np.ndarray
    """(); for three classes (classes seen in training,)."""
    present: list[int]
    """Columns of the classes seen in training, where there are three."""

    def fit(self, train: Samples, selection: Samples, context: TrainingContext) -> TrainingResult:
        """Fit one model per penalty, keep the one with the smallest selection loss."""
        self.check(train)
        features, history, kept = self._standardised(train), [], []
        for number, penalty in enumerate(self.settings.inverse_penalties, start=1):  # type: ignore[attr-defined]
            begin = time.monotonic()
            self._fit_one(features, train.target, penalty)
            losses = [
                mean_loss(part.target, self.forecast(part), self.problem.binary)
                for part in (train, selection)
            ]
            history.append(history_row(number, losses[0], losses[1], time.monotonic() - begin))
            kept.append((losses[1], number, self.coefficients, self.intercept))
        best_loss, _, self.coefficients, self.intercept = min(kept, key=lambda fit: fit[:2])
        return untrained_result(best_loss, sum(row["seconds"] for row in history), history)

    def forecast(self, samples: Samples) -> np.ndarray:
        """A matrix product, and the logistic function (or softmax) for classes."""
        scores = self._standardised(samples) @ self.coefficients + self.intercept
        if self.problem.ternary:
            return classes.spread(classes.softmax(scores), self.present, self.problem.classes)
        return 1.0 / (1.0 + np.exp(-scores)) if self.problem.binary else scores

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
        sizes = np.abs(self.coefficients).reshape(self.problem.n_channels, -1).mean(axis=1)
        return dict(zip(self.problem.channel_names, map(float, sizes), strict=True))

    def parameter_counts(self) -> dict[str, int]:
        """Coefficients and intercept."""
        n = self.coefficients.size + self.intercept.size
        return {"total": n, "embedding": 0, "backbone": 0, "head": n}

    def _standardised(self, samples: Samples) -> np.ndarray:
        return (samples.last_bars().astype(np.float64) - self.problem.channel_mean) / self.problem.channel_std

    def _fit_one(self, features: np.ndarray, target: np.ndarray, penalty: float) -> None:
        from sklearn.linear_model import LogisticRegression, Ridge

        estimator: Any
        self.present = []
        if self.problem.ternary:
            self.present = classes.seen(target, self.problem.classes)
            target = classes.number(target, self.present, self.problem.classes)
        if self.problem.binary and len(np.unique(target)) < 2:
            # A single class in training: the base rate is all there is to learn.
            rate = np.clip(target.mean(), 1e-6, 1 - 1e-6)
            self.coefficients = np.zeros(features.shape[1])
            self.intercept = np.array(np.log(rate / (1 - rate)))
            return
        if self.problem.ternary and len(self.present) < 2:
            self.coefficients, self.intercept = np.zeros((features.shape[1], 1)), np.zeros(1)
            return
        if self.problem.classes:
            estimator = LogisticRegression(C=penalty, max_iter=self.settings.max_iterations)  # type: ignore[attr-defined]
        else:
            estimator = Ridge(alpha=1.0 / penalty)
        estimator.fit(features, target)
        coefficients: np.ndarray = np.asarray(estimator.coef_, np.float64).reshape(-1, features.shape[1])
        intercept: np.ndarray = np.asarray(estimator.intercept_, np.float64).reshape(-1)
        if not self.problem.ternary:
            self.coefficients, self.intercept = coefficients[0], intercept[0]
            return
        if len(self.present) == 2:  # scikit-learn gives the score of the second class against the first
            coefficients = np.vstack([np.zeros_like(coefficients), coefficients])
            intercept = np.append(0.0, intercept)
        self.coefficients, self.intercept = coefficients.T, intercept
