"""Models that need no training engine: their results, one row of history per round of learning, and those
that learn in one."""

from __future__ import annotations

import time
from abc import abstractmethod
from pathlib import Path
from typing import Any, ClassVar, Self

from lib.datasets.windows import Samples
from lib.metrics.losses import intercept_refitted_loss, mean_loss
from lib.models.contract import Model
from lib.models.storage import read_plain, write_plain
from lib.training.context import TrainingContext, TrainingResult


class OneRoundModel(Model):
    """A model that is a handful of numbers: learned in one round, stored as JSON."""

    stored: ClassVar[tuple[str, ...]]
    """Names of the attributes that hold them."""

    @abstractmethod
    def learn(self, train: Samples) -> None:
        """Fill those attributes."""

    def fit(self, train: Samples, selection: Samples, context: TrainingContext) -> TrainingResult:
        """Learn from the training windows; the selection windows are only measured."""
        begin = time.monotonic()
        self.check_training(train, selection)
        self.learn(train)
        losses = losses_of(self, train, selection)
        seconds = time.monotonic() - begin
        return untrained_result(losses[2], seconds, [history_row(1, *losses, seconds)])

    def save(self, folder: Path) -> None:
        """A handful of numbers as JSON."""
        write_plain(folder, self, {name: getattr(self, name) for name in self.stored})

    @classmethod
    def load(cls, folder: Path) -> Self:
        """From its folder."""
        model, content = read_plain(folder, cls)
        for name in cls.stored:
            setattr(model, name, content[name])
        return model


def losses_of(model: Model, train: Samples, selection: Samples) -> tuple[float, float, float]:
    """Training loss, validation loss, and the latter with the intercept re-fitted, of a fitted model."""
    binary = model.problem.binary
    forecast = model.forecast(selection)
    return (
        mean_loss(train.target, model.forecast(train), binary),
        mean_loss(selection.target, forecast, binary),
        intercept_refitted_loss(selection.target, forecast, binary),
    )


def untrained_result(best_loss: float, seconds: float, history: list[dict[str, Any]]) -> TrainingResult:
    """The result of a model that needs no training engine: one row of history per round."""
    return TrainingResult(
        best_step=int(min(history, key=lambda row: row["selection_loss"])["step"]),
        best_loss=best_loss,
        steps=len(history),
        stopped_early=False,
        history=history,
        seconds=seconds,
        samples_per_second=0.0,
        peak_memory_bytes=0,
        device="cpu",
        precision="fp64",
        micro_batch=0,
        threads=None,
        resumed=False,
    )


def history_row(
    round_: int, train_loss: float | None, validation_loss: float, selection_loss: float, seconds: float
) -> dict[str, Any]:
    """One row of history for a model without steps or learning rate."""
    return {
        "step": round_,
        "train_loss": train_loss,
        "validation_loss": validation_loss,
        "selection_loss": selection_loss,
        "learning_rate": None,
        "seconds": seconds,
        "samples_per_second": None,
        "temperature": None,
    }
