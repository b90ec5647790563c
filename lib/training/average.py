"""An exponential moving average of a network's weights (Polyak & Juditsky 1992), for validation and the
result.

Knows no files and no schedule. Buffers are not averaged: only networks without statistics of their own are
trained here.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn


class Average:
    """Follows the trainable weights of a network.

    Args:
        network: on its device.
        decay: per step. In the first steps less, (1 + n) / (10 + n), so that the start is forgotten.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.decay, self.steps = decay, 0
        self._weights = [p for p in network.parameters() if p.requires_grad]
        self._average = [p.detach().clone() for p in self._weights]

    @torch.no_grad()
    def update(self) -> None:
        """Update the average with the weights after a step."""
        self.steps += 1
        decay = min(self.decay, (1 + self.steps) / (10 + self.steps))
        torch._foreach_lerp_(self._average, [p.detach() for p in self._weights], 1.0 - decay)

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Context in which the network holds the average."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    @torch.no_grad()
    def _swap(self) -> None:
        for weight, average in zip(self._weights, self._average, strict=True):
            kept = weight.detach().clone()
            weight.copy_(average)
            average.copy_(kept)

    def state_dict(self) -> dict[str, object]:
        """What `load_state_dict` takes."""
        return {"steps": self.steps, "average": list(self._average)}

    def load_state_dict(self, state: dict[str, object]) -> None:
        """Continue from another average's state."""
        self.steps = int(state["steps"])  # type: ignore[call-overload]
        for mine, saved in zip(self._average, state["average"], strict=True):  # type: ignore[call-overload]
            mine.copy_(saved)
