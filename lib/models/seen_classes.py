"""Restricts a network to the classes that training saw. Imports torch."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn


class SeenClasses(nn.Module):
    """One logit per class, of which those that training never saw are minus infinity.

    Their probability is then 0 in the loss as in a forecast, as it is for every other model: where neutral
    labels are left out by declaration, a network need not spend training on learning that they never occur.

    Args:
        network: (batch, L, channels) to (batch, classes) logits.
        columns: of the classes that training saw.
        classes: how many there are.
    """

    def __init__(self, network: nn.Module, columns: Sequence[int], classes: int) -> None:
        super().__init__()
        self.network = network
        offset = torch.full((classes,), float("-inf"))
        offset[list(columns)] = 0.0
        self.offset: torch.Tensor
        self.register_buffer("offset", offset)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """(batch, L, channels) to (batch, classes)."""
        out: torch.Tensor = self.network(inputs) + self.offset
        return out
