"""Results of models that need no training engine: one row of history per round of learning."""

from __future__ import annotations

from typing import Any

from lib.training.context import TrainingResult


def untrained_result(best_loss: float, seconds: float, history: list[dict[str, Any]]) -> TrainingResult:
    """The result of a model that needs no training engine: one row of history per round."""
    return TrainingResult(
        best_epoch=int(min(history, key=lambda row: row["validation_loss"])["epoch"]),
        best_loss=best_loss,
        epochs=len(history),
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
    epoch: int, train_loss: float | None, validation_loss: float, seconds: float
) -> dict[str, Any]:
    """One row of history for a model without steps or learning rate."""
    return {
        "epoch": epoch,
        "step": epoch,
        "train_loss": train_loss,
        "validation_loss": validation_loss,
        "learning_rate": None,
        "seconds": seconds,
        "samples_per_second": None,
        "temperature": None,
    }
