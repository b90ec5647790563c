"""Width and depth in the maximal update parametrization, so that one recipe is fair to 2M, 20M and 200M.

Under it activations and their updates in a step stay of the same size however wide and deep a network is,
and the best learning rate stays where it is (Yang et al. 2022, arXiv:2203.03466, AdamW form; for depth Yang
et al. 2023, arXiv:2310.02244). The reference is the network of 2M: there everything is as without the
scaling, so a recipe's learning rate is that of 2M. Imports torch.

Attention scores are divided by the root of the head width: all sizes have heads of the same width, so
dividing by the width itself would change a constant only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

from lib.config.model import Architecture

if TYPE_CHECKING:
    from lib.models.transformer._network import PatchTST

REFERENCE_WIDTH = 144
REFERENCE_DEPTH = 8


def branch_scale(architecture: Architecture) -> float:
    """Factor of what each block adds to the stream: the more blocks, the less, as 1 / sqrt(depth)."""
    return float((REFERENCE_DEPTH / architecture.n_layers) ** 0.5)


def scale_for_size(network: PatchTST, architecture: Architecture) -> None:
    """Start and rates of a new network, in place.

    Matrices whose inputs grow with the width begin with a deviation of 1 / sqrt(inputs) and learn at a rate
    of 1 / inputs, both relative to the reference; what lies within blocks learns at 1 / sqrt(depth) on top.
    Embedding, biases and norms, whose inputs do not grow, keep their start and rate.
    """
    wider = architecture.d_model / REFERENCE_WIDTH
    for layer in network.encoder.layers:
        for parameter in layer.parameters():
            parameter.rate_multiplier = branch_scale(architecture)  # type: ignore[attr-defined]
            if parameter.ndim >= 2:
                _narrow(parameter, wider)
    for name, parameter in network.readout.named_parameters():
        if name.startswith("linear") and parameter.ndim >= 2:
            _narrow(parameter, wider)


@torch.no_grad()
def _narrow(parameter: nn.Parameter, wider: float) -> None:
    parameter.mul_(wider**-0.5)
    parameter.rate_multiplier = getattr(parameter, "rate_multiplier", 1.0) / wider  # type: ignore[attr-defined]
