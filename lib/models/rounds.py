"""Results of models that need no training engine: one row of history per round of learning."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lib.metrics.losses import intercept_refitted_loss, mean_loss
from lib.training.context import TrainingResult

if TYPE_CHECKING:
    from lib.datasets.windows import Samples
    from lib.models.contract import Model


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
