"""The architectures of a budget: from few wide layers to many narrow ones, all of the same exact size.

Every entry is within ±25 % of the budget by its exact count (most are within a few percent), its d_model is a
multiple of its heads, and both ends of the range of depths are there. The order is fixed: by depth, then the
width of the feed-forward part, then the number of heads.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from lib.config.base import BUDGET_PARAMETERS
from lib.config.model import Architecture
from lib.models.transformer.parameters import TOLERANCE, count_parameters

DEPTHS: dict[str, tuple[int, ...]] = {
    "2M": (1, 2, 3, 4, 6, 8, 12, 16),
    "20M": (2, 3, 4, 6, 8, 12, 16, 24),
    "200M": (4, 6, 8, 12, 16, 24, 32, 48),
}
"""Layers per budget, ends included."""
FEED_FORWARD = (2, 4)
"""Width of the feed-forward part in units of d_model."""
HEADS: dict[str, tuple[int, ...]] = {"2M": (4, 8, 16), "20M": (4, 8, 16), "200M": (8, 16, 32)}
_HEAD_SIZES = (8, 160)


def architecture_grid(
    budget: str,
    settings: Mapping[str, Any],
    n_channels: int,
    context_length: int,
    base: Architecture,
    outputs: int = 1,
) -> list[Architecture]:
    """25 to 35 architectures of a budget for a model's settings and channels.

    Args:
        budget: 2M, 20M or 200M.
        settings: every setting of the model, defaults included.
        n_channels: of the dataset.
        context_length: bars per window.
        base: gives patch length, stride and dropout.
        outputs: numbers that the network gives per window.
    """

    def count(tried: Architecture) -> int:
        return count_parameters(settings, tried, n_channels, context_length, outputs)["total"]

    found = []
    for layers in DEPTHS[budget]:
        for times in FEED_FORWARD:
            width = _width(budget, count, base, layers, times)
            if width is None:
                continue
            fitting = [h for h in HEADS[budget] if _HEAD_SIZES[0] <= width // h <= _HEAD_SIZES[1]]
            # All numbers of heads at every other depth, the usual one between them.
            chosen = fitting if DEPTHS[budget].index(layers) % 2 else _middle(fitting)
            found += [
                base.model_copy(
                    update={"d_model": width, "n_layers": layers, "n_heads": heads, "d_ff": times * width}
                )
                for heads in chosen
            ]
    return found


def _middle(heads: list[int]) -> list[int]:
    return heads[len(heads) // 2 : len(heads) // 2 + 1]


def _width(
    budget: str, count_of: Callable[[Architecture], int], base: Architecture, layers: int, times: int
) -> int | None:
    """The d_model whose count comes nearest to the budget; None if none is near enough."""
    wanted = BUDGET_PARAMETERS[budget]

    def count(width: int) -> int:
        tried = base.model_copy(update={"d_model": width, "n_layers": layers, "d_ff": times * width})
        return count_of(tried)

    step = max(HEADS[budget])  # so that every number of heads divides the width
    low, high = 1, 1024
    while low < high:  # the first multiple that reaches the budget
        middle = (low + high) // 2
        low, high = (low, middle) if count(middle * step) >= wanted else (middle + 1, high)
    best = min((n * step for n in (low - 1, low) if n >= 1), key=lambda width: abs(count(width) - wanted))
    return best if abs(count(best) / wanted - 1) <= TOLERANCE else None
