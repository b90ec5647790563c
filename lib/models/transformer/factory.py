"""Everything that a PatchTST network is built from, as a light value that can be sent to another process."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lib.config.model import Architecture

if TYPE_CHECKING:
    from lib.models.transformer._network import PatchTST


@dataclass(frozen=True)
class NetworkFactory:
    """Builds the network of a model; imports torch only then."""

    settings: dict[str, Any]
    architecture: Architecture
    context_length: int
    channel_mean: np.ndarray
    channel_std: np.ndarray
    seed: int = 0
    outputs: int = 1
    """Numbers per window."""

    def __call__(self) -> PatchTST:
        """A network whose weights follow from the seed alone."""
        import torch

        from lib.models.transformer._network import PatchTST

        torch.manual_seed(self.seed)
        return PatchTST(self)
