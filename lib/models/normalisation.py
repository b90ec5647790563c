"""What is done to the channels of a window before any network sees them. Imports torch."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from lib.training.layers import Linear

_SMALLEST_STD = 1e-6


class Normalisation(nn.Module):
    """What is done to a window's channels before patching.

    ``revin``: per window and channel, mean 0 and variance 1 (Kim et al. 2022, without the affine part);
    ``revin_stats``: the same, and the removed mean and log deviation are handed on; ``zscore``: by the
    training statistics; ``none``.
    """

    def __init__(self, kind: str, mean: np.ndarray, std: np.ndarray) -> None:
        super().__init__()
        self.kind = kind
        self.mean: torch.Tensor
        self.std: torch.Tensor
        self.register_buffer("mean", torch.as_tensor(mean, dtype=torch.float32))
        self.register_buffer("std", torch.as_tensor(std, dtype=torch.float32))

    def forward(self, inputs: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
        """(batch, L, C) to the normalised (batch, L, C) and, for revin_stats, statistics (batch, C, 2)."""
        if self.kind == "none":
            return inputs, None
        scaled = (inputs - self.mean) / self.std
        if self.kind == "zscore":
            return scaled, None
        # Statistics of the scaled channels: their mean and spread are then numbers of ordinary size.
        mean = scaled.mean(dim=1, keepdim=True)
        std = scaled.std(dim=1, keepdim=True, unbiased=False).clamp_min(_SMALLEST_STD)
        stats = torch.stack([mean[:, 0], std[:, 0].log()], dim=-1) if self.kind == "revin_stats" else None
        return (scaled - mean) / std, stats


class Inputs(nn.Module):
    """Channels by their training statistics; more of them than `limit` are projected to so many first.

    A network of modest size then stays so with thousands of channels. `width` is what comes out.
    """

    def __init__(self, mean: np.ndarray, std: np.ndarray, limit: int) -> None:
        super().__init__()
        self.width = min(len(mean), limit)
        self.normalisation = Normalisation("zscore", mean, std)
        self.projection = Linear(len(mean), self.width) if self.width < len(mean) else None

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """(batch, L, C) to (batch, L, width)."""
        values, _ = self.normalisation(inputs)
        return values if self.projection is None else self.projection(values)
