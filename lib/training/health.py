"""Health of a training: divergence, which ends it, and warnings, which do not.

Watches losses, gradients and memory; changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from lib.training.devices import Device

if TYPE_CHECKING:
    from lib.datasets.windows import Samples

STALE = 10
"""Validations without a lower training loss that are worth a warning."""
RISING = 5
"""Validations with a rising loss in a row that are worth a warning."""
FULL_MEMORY = 0.9
LARGE_INPUT = 1e4
"""Channels are relations of order 1; a value beyond this blames the data rather than the learning rate."""


class Watch:
    """The worst loss and gradient since the last look, kept on the device: noting them never waits."""

    def __init__(self, device: Device) -> None:
        self._loss = torch.zeros((), device=device.handle)
        self._norm = torch.zeros((), device=device.handle)

    def note(self, loss: torch.Tensor, gradient_norm: torch.Tensor) -> None:
        """One optimiser step. `maximum` passes NaN on, so nothing is missed until the next look."""
        torch.maximum(self._loss, loss.to(self._loss.dtype), out=self._loss)
        torch.maximum(self._norm, gradient_norm.to(self._norm.dtype), out=self._norm)

    def verdict(self, first_loss: float | None, explosion_factor: float) -> str | None:
        """What went wrong since the last look, or None. Waits for the device."""
        loss, norm = float(self._loss), float(self._norm)
        self._loss.zero_()
        self._norm.zero_()
        if not np.isfinite(loss):
            return f"the training loss became {loss}"
        if not np.isfinite(norm):
            return f"the gradient became {norm}"
        if first_loss is not None and loss > explosion_factor * first_loss:
            return (
                f"the loss of a batch was {loss:.4g}, more than {explosion_factor:g} times the mean until "
                f"the first validation, {first_loss:.4g}"
            )
        return None


def likely_cause(samples: Samples, learning_rate: float) -> str:
    """Whether data or learning rate caused a divergence, and what to do."""
    matrix = samples.matrix
    bad = ~np.isfinite(matrix)
    if bad.any():
        row, channel = np.argwhere(bad)[0]
        return (
            f"Cause: the data. Channel {samples.channel_names[channel]} is {matrix[row, channel]} in row "
            f"{row} ({int(bad.sum())} such values). Rebuild the dataset"
        )
    if not np.isfinite(samples.target).all():
        first = int(np.argmin(np.isfinite(samples.target)))
        return (
            f"Cause: the data. The target of {samples.dates[first]} is {samples.target[first]}. "
            "Rebuild the dataset"
        )
    largest = float(np.abs(matrix).max(initial=0.0))
    if largest > LARGE_INPUT:
        row, channel = np.unravel_index(int(np.abs(matrix).argmax()), matrix.shape)
        return (
            f"Likely cause: the data. Channel {samples.channel_names[channel]} reaches {largest:.3g} "
            f"(row {row}). Check that channel, or lower training.learning_rate ({learning_rate:g})"
        )
    return (
        f"Likely cause: the learning rate ({learning_rate:g} at that step); inputs are finite and at most "
        f"{largest:.3g}. Lower training.learning_rate or gradient_clip"
    )


def worries(history: Sequence[dict[str, Any]], device: Device) -> list[str]:
    """Warnings after the latest validation. A text comes again only for a new bad stretch (or memory)."""
    found = []
    train = [row["train_loss"] for row in history]
    lowest = int(np.argmin(train))
    if len(train) - 1 - lowest == STALE:
        found.append(f"the training loss has not fallen since step {history[lowest]['step']}")
    validation = [row["validation_loss"] for row in history]
    rising = 0
    while rising + 1 < len(validation) and validation[-1 - rising] > validation[-2 - rising]:
        rising += 1
    if rising == RISING:
        found.append(f"the validation loss has risen since step {history[-1 - RISING]['step']}")
    if device.memory_used() > FULL_MEMORY:
        found.append(f"more than {FULL_MEMORY:.0%} of the memory is in use")
    return found
