"""The N-HiTS network, for one label per window. Imports torch.

Challu et al. (2023, AAAI; arXiv:2201.12886): stacks of perceptrons that each look at the window at their own
rate (max pooling), explain a part of it at their own resolution (few coefficients, interpolated: the backcast
that is taken from what the next stack sees) and add their share to the forecast. Two things differ here: all
channels of the window are explained, and the forecast is one logit or return, or a logit per class, so it
needs no interpolation.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional

from lib.models.normalisation import Inputs
from lib.training.layers import use_fast_layers

if TYPE_CHECKING:
    from lib.models.contract import Problem


class Block(nn.Module):
    """One stack: pools, thinks, explains."""

    def __init__(
        self, bars: int, width: int, pooling: int, downsampling: int, hidden: Sequence[int], dropout: float,
        outputs: int,
    ) -> None:  # fmt: skip
        super().__init__()
        self.bars, self.width, self.pooling = bars, width, pooling
        self.knots = max(2, math.ceil(bars / downsampling))
        layers: list[nn.Module] = []
        units = math.ceil(bars / pooling) * width
        for size in hidden:
            layers += [nn.Linear(units, size), nn.ReLU(), nn.Dropout(dropout)]
            units = size
        self.body = nn.Sequential(*layers)
        self.backcast = nn.Linear(units, self.knots * width)
        self.forecast = nn.Linear(units, outputs)

    def forward(self, window: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """(batch, width, L) to what it explains of it, and to its share of the forecast (batch, outputs)."""
        pooled = functional.max_pool1d(window, self.pooling, ceil_mode=True)
        hidden = self.body(pooled.flatten(start_dim=1))
        knots = self.backcast(hidden).view(-1, self.width, self.knots)
        explained = functional.interpolate(knots, size=self.bars, mode="linear", align_corners=True)
        return explained, self.forecast(hidden)


class NHiTS(nn.Module):
    """(batch, L, C) to (batch,) or (batch, outputs)."""

    def __init__(
        self, problem: Problem, pooling: Sequence[int], downsampling: Sequence[int], hidden: Sequence[int],
        dropout: float, channel_projection: int,
    ) -> None:  # fmt: skip
        super().__init__()
        self.outputs = problem.outputs
        self.inputs = Inputs(problem.channel_mean, problem.channel_std, channel_projection)
        self.blocks = nn.ModuleList(
            [
                Block(problem.context_length, self.inputs.width, pool, down, hidden, dropout, problem.outputs)
                for pool, down in zip(pooling, downsampling, strict=True)
            ]
        )
        self.output_layers = [block.forecast for block in self.blocks]
        use_fast_layers(self)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """(batch, L, C) to (batch,) or (batch, outputs)."""
        left = self.inputs(inputs).transpose(1, 2)
        total = inputs.new_zeros(len(inputs), self.outputs)
        for block in self.blocks:
            explained, share = block(left)
            left, total = left - explained, total + share
        return total.squeeze(-1)
