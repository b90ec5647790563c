"""Sizes of a PatchTST without building it: exact parameter counts, budgets and FLOPs. No torch.

Counts are of trainable parameters; the fixed positional encoding does not count. A test holds every number
here against the built network.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lib.config.base import BUDGET_PARAMETERS
from lib.config.model import Architecture
from lib.errors import ModelError

TOLERANCE = 0.25
"""A run whose count is farther from its budget than this share is refused."""


def n_patches(architecture: Architecture, context_length: int) -> int:
    """Patches in a window of `context_length` bars (the oldest bars that fill no patch are left out).

    Raises:
        ModelError: the window is not longer than one patch.
    """
    length, stride = architecture.patch_length, architecture.patch_stride
    if context_length <= length:
        raise ModelError(
            f"context_length {context_length} must be longer than patch_length {length}. "
            "Set a smaller patch_length in config/architectures/ or a longer context_length."
        )
    return (context_length - length) // stride + 1


def projected_channels(settings: Mapping[str, Any], n_channels: int) -> int:
    """Channels that enter a mixed patch: all of them, or as many as the channel projection gives."""
    limit = int(settings["channel_projection"])
    return limit if settings["channel_mode"] == "mixed" and n_channels > limit else n_channels


def shares_patch_weights(settings: Mapping[str, Any], n_channels: int) -> bool:
    """Whether `flatten` weighs the patches of all channels alike, because a weight for each patch of each of
    so many channels would outgrow the budget (2000 channels: 3.5 million of a 2M model)."""
    separate = settings["channel_mode"] != "mixed" and settings["pooling"] == "flatten"
    return separate and n_channels > int(settings["channel_projection"])


def count_parameters(
    settings: Mapping[str, Any],
    architecture: Architecture,
    n_channels: int,
    context_length: int,
    outputs: int = 1,
) -> dict[str, int]:
    """Trainable parameters: embedding, backbone, head and their total.

    Args:
        settings: every setting of the model, defaults included.
        architecture: of the transformer.
        n_channels: of the dataset.
        context_length: bars per window.
        outputs: numbers that the network gives per window.
    """
    d, f, patches = architecture.d_model, architecture.d_ff, n_patches(architecture, context_length)
    mixed = settings["channel_mode"] == "mixed"
    entering = projected_channels(settings, n_channels)
    embedding = architecture.patch_length * (entering if mixed else 1) * d + d
    if mixed and entering != n_channels:
        embedding += n_channels * entering + entering
    # Attention: four d x d projections; feed-forward: d x f and back; two layer norms; all with bias.
    # Attention across channels shares the projections with attention across time and has a norm of its own.
    norms = 3 if settings["channel_mode"] == "cross" else 2
    layer = 4 * (d * d + d) + (d * f + f + f * d + d) + norms * 2 * d
    readouts = 1 if mixed else n_channels
    shared = shares_patch_weights(settings, n_channels)
    pooled = patches * d if settings["pooling"] == "flatten" and not shared else d
    head = 2 * d + outputs * (readouts * pooled + 1)
    if shared:
        head += patches * d
    if settings["pooling"] == "attention":
        head += d
    if settings["skip"]:
        head += outputs * n_channels
    if settings["normalisation"] == "revin_stats":  # projected channels have projected statistics
        head += (2 * entering if mixed else 2) * d + d
    backbone = architecture.n_layers * layer
    return {"total": embedding + backbone + head, "embedding": embedding, "backbone": backbone, "head": head}


def check_budget(count: int, budget: str) -> None:
    """Refuse a size that is not the declared one.

    Raises:
        ModelError: the exact count is more than 25 % off the budget.
    """
    wanted = BUDGET_PARAMETERS[budget]
    share = count / wanted - 1
    if abs(share) > TOLERANCE:
        raise ModelError(
            f"budget {budget}: the architecture has {count:,} trainable parameters, {share:+.0%} off the "
            f"budget (at most ±{TOLERANCE:.0%} is allowed). Adapt "
            f"config/architectures/patchtst_{budget.lower()}.yaml, or use fewer channels."
        )


def flops_per_sample(
    settings: Mapping[str, Any],
    architecture: Architecture,
    n_channels: int,
    context_length: int,
    outputs: int = 1,
) -> int:
    """Floating-point operations of one training sample, forward and backward, as they are really done.

    Two per multiply-add and weight of a matrix product, plus attention scores and values (2 · 2 · T² · d per
    layer); the backward pass costs twice the forward one (Kaplan et al. 2020, arXiv:2001.08361, section 2.1).
    Where only the last patch is read out, the last layer computes queries and feed-forward for that one. The
    channel projection works on bars, not patches, and needs no gradient of its inputs. What a fused attention
    kernel computes a second time in the backward pass does not count.
    """
    d, f, tokens = architecture.d_model, architecture.d_ff, n_patches(architecture, context_length)
    counts = count_parameters(settings, architecture, n_channels, context_length, outputs)
    sequences = 1 if settings["channel_mode"] == "mixed" else n_channels

    def layer(queries: int) -> int:
        """Multiply-adds of one layer on one sequence when `queries` of its tokens go on."""
        across_time = (2 * queries + 2 * tokens) * d * d + 2 * queries * tokens * d
        across_channels = 0
        if settings["channel_mode"] == "cross":
            across_channels = 4 * queries * d * d + 2 * queries * n_channels * d
        return across_time + across_channels + 2 * queries * d * f

    last = layer(1 if settings["pooling"] == "last" else tokens)
    entering = projected_channels(settings, n_channels)
    projection = n_channels * entering if entering != n_channels else 0
    per_sequence = tokens * (counts["embedding"] - projection) + (architecture.n_layers - 1) * layer(tokens)
    forward = 2 * (sequences * (per_sequence + last) + counts["head"])
    return 3 * forward + 2 * 2 * context_length * projection


def activations_per_sample(
    settings: Mapping[str, Any], architecture: Architecture, n_channels: int, context_length: int
) -> int:
    """Numbers that a training step keeps for the backward pass, per sample.

    About ten per token and width around attention (of which keys, values and what they are made from for all
    tokens, the rest only for those that go on) and two per token and hidden feed-forward unit; dropout
    `everywhere` adds one per hidden unit and three per pair of tokens and head, because attention shares are
    then kept; `paths` keep no mask, and without dropout there is none. Shapes are what they differ by; bf16
    halves most of them alike.
    """
    place = settings["dropout_at"] if architecture.dropout else "none"
    everywhere, masks = place == "everywhere", place in ("everywhere", "branches")
    d, f, heads = architecture.d_model, architecture.d_ff, architecture.n_heads
    tokens = n_patches(architecture, context_length)
    mixed, cross = settings["channel_mode"] == "mixed", settings["channel_mode"] == "cross"
    sequences = 1 if mixed else n_channels
    width = projected_channels(settings, n_channels) if mixed else 1

    def layer(queries: int) -> int:
        own = 6 if everywhere else 7 if queries > 1 else 5  # the output for one token needs no copy
        across_time = (4 * tokens + (own if masks else own - 2) * queries) * d
        across_channels = queries * (8 if masks else 7) * d if cross else 0
        shares = 3 * heads * queries * (tokens + (n_channels if cross else 0)) if everywhere else 0
        return across_time + across_channels + shares + (3 if everywhere else 2) * queries * f

    last = layer(1 if settings["pooling"] == "last" else tokens)
    embedding = tokens * (architecture.patch_length * width + (2 if everywhere else 1) * d)
    return sequences * (embedding + (architecture.n_layers - 1) * layer(tokens) + last)
