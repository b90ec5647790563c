"""Initial forecast of every network: exactly the base rate, whatever its size.

A random output layer gives a new network forecasts of its own, the stronger the larger it is, which training
must first undo: a comparison would then show how fast each size recovers. Imports torch.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

import torch
from torch import nn

from lib.datasets.rates import pooled_means
from lib.errors import ModelError

if TYPE_CHECKING:
    from lib.datasets.windows import Samples
    from lib.models.contract import Problem


def base_rate_outputs(train: Samples, problem: Problem) -> list[float]:
    """Outputs that make a network forecast the training base rate for every window.

    The log-odds of class 1; for three classes the logarithm of each share; for returns, which are
    standardised, 0. Shares are kept half a sample away from 0 and 1.
    """
    if not problem.classes:
        return [0.0]
    least = 0.5 / max(1, len(train))
    shares = [min(max(share, least), 1.0 - least) for share in pooled_means(train)]
    if problem.binary:
        return [math.log(shares[-1] / (1.0 - shares[-1]))]
    return [math.log(share) for share in shares]


def start_at(network: nn.Module, outputs: Sequence[float]) -> None:
    """Let a new network give `outputs` for every window.

    Its `output_layers`, whose sum is its output, get weights of 0; the first one's bias holds the outputs.

    Raises:
        ModelError: it names no output layers.
    """
    layers = getattr(network, "output_layers", None)
    if not layers:
        raise ModelError(
            f"{type(network).__name__}: name its `output_layers` (linear layers whose sum is the answer), so "
            "that it can begin at the base rate."
        )
    with torch.no_grad():
        for number, layer in enumerate(cast("Sequence[nn.Linear]", layers)):
            layer.weight.zero_()
            if number == 0:
                layer.bias.copy_(torch.tensor(outputs))
            else:
                layer.bias.zero_()
