"""Layers equivalent to PyTorch's, but faster on a CPU: `linear`, `ByteDropout`.

Measured on two cores (`make bench-training`): PyTorch's dropout draws one number per element with one thread
and took over half of a training step; its fp32 matrix product leaves half of an AMD processor's vector units
idle. On accelerators products are PyTorch's own. Nothing here knows a model.
"""

from __future__ import annotations

import math
from functools import cache
from pathlib import Path
from typing import Any, cast

import torch
from torch import nn
from torch.nn import functional
from torch.utils.flop_counter import register_flop_formula

from lib.training.draws import random_bytes

_LEVELS = 256
"""Values of a random byte."""


def linear(inputs: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None = None) -> torch.Tensor:
    """`torch.nn.functional.linear`: (…, k), (n, k), (n,) to (…, n); in fp32 by the faster library."""
    plain = inputs.dtype == weight.dtype == torch.float32 and inputs.device.type == "cpu"
    if plain and not torch.is_autocast_enabled("cpu") and _prefers_onednn():
        return cast(torch.Tensor, _OneDnnLinear.apply(inputs, weight, bias))
    return functional.linear(inputs, weight, bias)


class Linear(nn.Linear):
    """`nn.Linear` through `linear`."""

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """(…, in_features) to (…, out_features)."""
        return linear(inputs, self.weight, self.bias)


class ByteDropout(nn.Module):
    """Inverted dropout in training mode, nothing otherwise.

    An element is dropped when its random byte is below a threshold, so the probability is a multiple of
    1/256; the scale is that of the probability really used, so the expectation is exact. The first dimension
    counts windows, or rows of windows (`lib.training.draws`, where the bytes come from).
    """

    def __init__(self, probability: float) -> None:
        super().__init__()
        self.probability = probability
        self.threshold = round(probability * _LEVELS)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Any shape to the same shape."""
        if not self.training or self.threshold == 0:
            return inputs
        return inputs * _scaled_mask(self.drawn_shape(inputs), inputs, self.threshold)

    def drawn_shape(self, inputs: torch.Tensor) -> torch.Size:
        """Of what is kept or dropped: each element."""
        return inputs.shape

    def extra_repr(self) -> str:
        """Shown by `print(network)`."""
        return f"p={self.probability}"


class PathDropout(ByteDropout):
    """Stochastic depth (Huang et al. 2016, arXiv:1603.09382): what a block adds to a sequence is left out
    as a whole."""

    def drawn_shape(self, inputs: torch.Tensor) -> torch.Size:
        """Each sequence, (sequences, 1, …)."""
        return torch.Size((len(inputs), *[1] * (inputs.ndim - 1)))


def use_fast_layers(network: nn.Module) -> None:
    """Replace every `nn.Dropout` and `nn.Linear` inside a network; parameters and their names stay."""
    for module in network.modules():
        for name, child in list(module.named_children()):
            if isinstance(child, nn.Dropout):
                setattr(module, name, ByteDropout(child.p))
            elif type(child) is nn.Linear:
                child.__class__ = Linear


class _OneDnnLinear(torch.autograd.Function):
    """The three fp32 products of a linear layer by oneDNN instead of MKL."""

    @staticmethod
    def forward(
        ctx: Any, inputs: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None
    ) -> torch.Tensor:
        ctx.save_for_backward(inputs, weight)
        ctx.has_bias = bias is not None
        return _product(inputs, weight, bias)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        inputs, weight = ctx.saved_tensors
        rows = _rows(gradients[0])
        to_inputs, to_weight, to_bias = ctx.needs_input_grad
        return (
            _product(rows, weight.t(), None).view(inputs.shape) if to_inputs else None,
            _weight_gradient(rows, _rows(inputs)) if to_weight else None,
            rows.sum(0) if ctx.has_bias and to_bias else None,
        )


def _scaled_mask(shape: torch.Size, inputs: torch.Tensor, threshold: int) -> torch.Tensor:
    """0 where something is dropped, 1 / (1 - p) elsewhere; with the type and device of the inputs."""
    drawn, kept_from = random_bytes(shape, inputs.device), threshold - _LEVELS // 2
    if inputs.device.type == "cpu":
        # Written straight into the wanted type: converting a mask of booleans costs ten times as much.
        kept = torch.ge(drawn, kept_from, out=torch.empty(shape, dtype=inputs.dtype))
    else:
        kept = (drawn >= kept_from).to(inputs.dtype)
    return kept.mul_(_LEVELS / (_LEVELS - threshold))


def _rows(values: torch.Tensor) -> torch.Tensor:
    """As a dense matrix: on one with gaps between its rows oneDNN is hundreds of times slower."""
    return values.reshape(-1, values.shape[-1]).contiguous()


def _weight_gradient(gradient: torch.Tensor, inputs: torch.Tensor) -> torch.Tensor:
    """(rows, n), (rows, k) to (n, k). oneDNN copies its transposed first operand: let it be the smaller."""
    if inputs.shape[1] < gradient.shape[1]:
        return _product(inputs.t(), gradient.t(), None).t()
    return _product(gradient.t(), inputs.t(), None)


def _product(inputs: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
    """`functional.linear` by oneDNN."""
    return cast(torch.Tensor, torch.ops.mkldnn._linear_pointwise(inputs, weight, bias, "none", [], ""))


def _count_product(inputs: Any, weight: Any, *_: Any, **__: Any) -> int:
    return 2 * math.prod(inputs) * int(weight[0])


if hasattr(torch.ops.mkldnn, "_linear_pointwise"):  # else PyTorch's counter of operations would not see them
    register_flop_formula(torch.ops.mkldnn._linear_pointwise)(_count_product)


@cache
def _prefers_onednn() -> bool:
    """Whether fp32 products go to oneDNN: MKL does not use AVX-512 on processors that are not Intel's."""
    return (
        torch.backends.mkldnn.is_available()
        and hasattr(torch.ops.mkldnn, "_linear_pointwise")
        and torch.backends.cpu.get_cpu_capability() == "AVX512"
        and "GenuineIntel" not in _processor()
    )


def _processor() -> str:
    path = Path("/proc/cpuinfo")
    return path.read_text(encoding="utf-8") if path.is_file() else "GenuineIntel"
