"""PatchTST's encoder: the weights and their initialisation are Hugging Face's, the forward pass is ours.

The same numbers (a test holds both against each other) with less work around the matrix products: queries,
keys and values in one product, no copies between layers, and where only the last patch is read out, the last
layer computes only that one. Layers are pre-norm, sequences carry no padding.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional

from lib.training.layers import ByteDropout, Linear, linear

if TYPE_CHECKING:
    from transformers import PatchTSTModel
    from transformers.models.patchtst.modeling_patchtst import PatchTSTAttention, PatchTSTEncoderLayer


class Attention(nn.Module):
    """Multi-head self-attention (Vaswani et al. 2017, arXiv:1706.03762)."""

    def __init__(self, source: PatchTSTAttention) -> None:
        super().__init__()
        width = source.embed_dim
        self.n_heads = source.num_heads
        self.qkv = Linear(width, 3 * width)
        parts = (source.q_proj, source.k_proj, source.v_proj)
        with torch.no_grad():
            self.qkv.weight.copy_(torch.cat([part.weight for part in parts]))
            self.qkv.bias.copy_(torch.cat([part.bias for part in parts]))
        self.out = source.out_proj
        self.dropout = ByteDropout(source.dropout)

    def forward(self, hidden: torch.Tensor, last_only: bool = False) -> torch.Tensor:
        """(sequences, tokens, d) to the same, or with `last_only` to (sequences, 1, d)."""
        sequences, _, width = hidden.shape
        if last_only:
            weight, bias = self.qkv.weight, self.qkv.bias
            query = self._heads(linear(hidden[:, -1:].contiguous(), weight[:width], bias[:width]), 1)
            keys_values = self._heads(linear(hidden, weight[width:], bias[width:]), 2)
            mixed = self._attend(*query, *keys_values)
        else:
            mixed = self._attend(*self._heads(self.qkv(hidden), 3))
        out: torch.Tensor = self.out(mixed.transpose(1, 2).reshape(sequences, -1, width))
        return out

    def _heads(self, projected: torch.Tensor, parts: int) -> torch.Tensor:
        """(sequences, tokens, parts · d) to contiguous (parts, sequences, heads, tokens, d / heads)."""
        sequences, tokens, _ = projected.shape
        split = projected.view(sequences, tokens, parts, self.n_heads, -1)
        return split.permute(2, 0, 3, 1, 4).contiguous()

    def _attend(self, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
        if not (self.training and self.dropout.threshold > 0):
            return functional.scaled_dot_product_attention(query, key, value)
        # PyTorch's kernels draw by micro-batch. Sequences are short: a fused one would save little memory.
        scores = query @ key.transpose(-1, -2) * query.shape[-1] ** -0.5
        weights: torch.Tensor = self.dropout(scores.softmax(dim=-1).to(value.dtype))
        return weights @ value


class Layer(nn.Module):
    """Attention over the patches of a channel, over the channels of a patch (`cross`), feed-forward."""

    def __init__(self, source: PatchTSTEncoderLayer, drop: nn.Module, branch_scale: float) -> None:
        super().__init__()
        self.branch_scale = branch_scale
        self.attention = Attention(source.self_attn)
        self.norm = source.norm_sublayer1
        self.cross_norm = source.norm_sublayer2 if source.channel_attention else None
        self.feed_forward_norm = source.norm_sublayer3
        self.feed_forward = source.ff
        self.drop = drop

    def forward(self, hidden: torch.Tensor, channels: int, last_only: bool = False) -> torch.Tensor:
        """(batch · channels, tokens, d) to the same, or with `last_only` to (batch · channels, 1, d)."""
        kept = hidden[:, -1:] if last_only else hidden
        hidden = kept + self._branch(self.attention(self.norm(hidden), last_only))
        if self.cross_norm is not None:
            hidden = self._across_channels(hidden, channels)
        out: torch.Tensor = hidden + self._branch(self.feed_forward(self.feed_forward_norm(hidden)))
        return out

    def _branch(self, added: torch.Tensor) -> torch.Tensor:
        """What a block adds, thinned by dropout and scaled for depth."""
        added = self.drop(added)
        return added if self.branch_scale == 1.0 else added * self.branch_scale

    def _across_channels(self, hidden: torch.Tensor, channels: int) -> torch.Tensor:
        """The same attention weights, used over the channels of each patch."""
        assert self.cross_norm is not None
        rows, tokens, width = hidden.shape
        turned = hidden.view(-1, channels, tokens, width).transpose(1, 2).reshape(-1, channels, width)
        turned = turned + self._branch(self.attention(self.cross_norm(turned)))
        return turned.view(-1, tokens, channels, width).transpose(1, 2).reshape(rows, tokens, width)


class Encoder(nn.Module):
    """From the values of a window to the hidden states of its patches.

    Args:
        source: a freshly made backbone, whose modules are taken over.
        last_only: compute only the last patch in the last layer, because the others are not read.
        drop: factory of the module that drops branches, called for each block.
        branch_scale: factor of what each block adds.
    """

    def __init__(
        self, source: PatchTSTModel, last_only: bool, drop: Callable[[], nn.Module], branch_scale: float
    ) -> None:
        super().__init__()
        config = source.config
        self.patch_length, self.patch_stride = config.patch_length, config.patch_stride
        self.first_bar = source.patchifier.sequence_start
        self.n_patches = source.patchifier.num_patches
        self.embedding = source.encoder.embedder.input_embedding
        self.positions = source.encoder.positional_encoder.position_enc
        self.drop = source.encoder.positional_encoder.positional_dropout
        self.layers = nn.ModuleList([Layer(layer, drop(), branch_scale) for layer in source.encoder.layers])
        self.last_only = last_only

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """(batch, channels, L) to (batch, channels, patches or 1, d_model)."""
        batch, channels, _ = values.shape
        patches = values[..., self.first_bar :].unfold(-1, self.patch_length, self.patch_stride)
        hidden = self.drop(self.embedding(patches.flatten(0, 1)) + self.positions)
        for number, layer in enumerate(self.layers, start=1):
            hidden = layer(hidden, channels, self.last_only and number == len(self.layers))
        return hidden.view(batch, channels, -1, hidden.shape[-1])
