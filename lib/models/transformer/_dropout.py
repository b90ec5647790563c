"""Dropout that does not slow a CPU down.

PyTorch draws one Bernoulli number per element with one thread, which took over half of a step on two
cores. Here eight elements share one 64-bit draw: an element is dropped when its byte is below a threshold.
The
probability is therefore a multiple of 1/256, and the scale is that of the probability really used, so the
expectation is exact. On other devices PyTorch's own dropout is used.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

_LEVELS = 256


class ByteDropout(nn.Module):
    """Inverted dropout in training mode, nothing otherwise; state lies in PyTorch's own random generator."""

    def __init__(self, probability: float) -> None:
        super().__init__()
        self.probability = probability
        self.threshold = round(probability * _LEVELS)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Any shape to the same shape."""
        if not self.training or self.threshold == 0:
            return inputs
        if inputs.device.type != "cpu":
            return functional.dropout(inputs, self.probability, training=True)
        n = inputs.numel()
        words = torch.empty((n + 7) // 8, dtype=torch.int64).random_(-(2**63), None)  # the full range
        kept = words.view(torch.uint8)[:n].view(inputs.shape) >= self.threshold
        return inputs * kept.to(inputs.dtype).mul_(_LEVELS / (_LEVELS - self.threshold))

    def extra_repr(self) -> str:
        """Shown by `print(network)`."""
        return f"p={self.probability}"


def use_byte_dropout(network: nn.Module) -> None:
    """Replace every `nn.Dropout` inside a network."""
    for module in network.modules():
        for name, child in list(module.named_children()):
            if isinstance(child, nn.Dropout):
                setattr(module, name, ByteDropout(child.p))
