"""The plain networks: a perceptron on the last bar, and a recurrent one on the window. Imports torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import nn

from lib.models.normalisation import Inputs
from lib.training.layers import use_fast_layers

if TYPE_CHECKING:
    from lib.models.contract import Problem


class Perceptron(nn.Module):
    """(batch, 1, C) to (batch,) or (batch, outputs).

    Hidden layers of GELU units with layer norm and dropout.
    """

    def __init__(
        self, problem: Problem, hidden: Sequence[int], dropout: float, channel_projection: int
    ) -> None:
        super().__init__()
        self.inputs = Inputs(problem.channel_mean, problem.channel_std, channel_projection)
        layers: list[nn.Module] = []
        width = self.inputs.width
        for units in hidden:
            layers += [nn.Linear(width, units), nn.LayerNorm(units), nn.GELU(), nn.Dropout(dropout)]
            width = units
        self.body = nn.Sequential(*layers)
        self.head = nn.Linear(width, problem.outputs)
        self.output_layers = [self.head]
        use_fast_layers(self)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """(batch, 1, C) to (batch,) or (batch, outputs)."""
        out: torch.Tensor = self.head(self.body(self.inputs(inputs)[:, -1])).squeeze(-1)
        return out


class Recurrent(nn.Module):
    """(batch, L, C) to (batch,) or (batch, outputs): stacked LSTM layers, read out at the last bar."""

    def __init__(
        self, problem: Problem, hidden: int, layers: int, dropout: float, channel_projection: int
    ) -> None:
        super().__init__()
        self.inputs = Inputs(problem.channel_mean, problem.channel_std, channel_projection)
        widths = [self.inputs.width, *[hidden] * (layers - 1)]
        self.layers = nn.ModuleList([nn.LSTM(width, hidden, batch_first=True) for width in widths])
        self.dropout = nn.Dropout(dropout)
        self.norm = nn.LayerNorm(hidden)
        self.head = nn.Linear(hidden, problem.outputs)
        self.output_layers = [self.head]
        use_fast_layers(self)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """(batch, L, C) to (batch,) or (batch, outputs)."""
        hidden = self.inputs(inputs)
        for layer in self.layers:
            hidden = self.dropout(layer(hidden)[0])
        out: torch.Tensor = self.head(self.norm(hidden[:, -1])).squeeze(-1)
        return out
