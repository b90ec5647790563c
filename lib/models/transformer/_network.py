"""The PatchTST network: Hugging Face's backbone between our normalisation and our readout.

The backbone's own scaler is off: it adds 1e-5 to a variance, which leaves channels of small scale
unnormalised. Its pre-norm encoder ends without a norm, so the readout begins with one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn
from transformers import PatchTSTConfig, PatchTSTModel

from lib.models.normalisation import Normalisation
from lib.models.transformer._encoder import Encoder
from lib.models.transformer._mup import branch_scale, scale_for_size
from lib.models.transformer.parameters import n_patches, projected_channels, shares_patch_weights
from lib.training.layers import PathDropout, use_fast_layers

if TYPE_CHECKING:
    from lib.models.transformer.patchtst import NetworkFactory

SKIP_RATE, SKIP_CHANNELS = 10.0, 20
"""The rate of the skip relative to the network's, and up to how many channels: its weights begin at 0 and
have far to go. With more channels it falls as 1 / channels: a step moves the forecast no further."""


def skip_rate(channels: int) -> float:
    """Learning rate of the skip from so many channels, in units of the network's."""
    return SKIP_RATE * min(1.0, SKIP_CHANNELS / channels)


class Readout(nn.Module):
    """From the patches of all sequences to one number per sample, or to `outputs` of them.

    With `shared`, ``flatten`` gives patch t of channel c the weights v[t] · u[c] (one factor per dimension)
    in place of weights of its own; it begins as the mean over patches. `seed` decides the query of
    `attention` alone: it has a draw of its own, so that all other weights are those of the other readouts.
    """

    def __init__(
        self,
        pooling: str,
        d_model: int,
        patches: int,
        sequences: int,
        dropout: float,
        shared: bool,
        seed: int,
        outputs: int,
    ) -> None:
        super().__init__()
        self.pooling = pooling
        self.norm = nn.LayerNorm(d_model)
        self.query = _query(d_model, seed) if pooling == "attention" else None
        self.patch_weights = nn.Parameter(torch.full((patches, d_model), 1 / patches)) if shared else None
        self.dropout = nn.Dropout(dropout)
        tokens = patches if pooling == "flatten" and not shared else 1
        self.linear = nn.Linear(sequences * d_model * tokens, outputs)

    def forward(self, hidden: torch.Tensor, offset: torch.Tensor | None) -> torch.Tensor:
        """(batch, sequences, patches, d) and an offset (batch, sequences, d) or None, to (batch,) for one
        output, to (batch, outputs) for several.

        With ``last`` the encoder hands over one patch only.
        """
        hidden = self.norm(hidden)
        if self.query is not None:
            hidden = (self.attention_shares(hidden).unsqueeze(-1) * hidden).sum(dim=2, keepdim=True)
        elif self.patch_weights is not None:
            hidden = (self.patch_weights * hidden).sum(dim=2, keepdim=True)
        elif self.pooling == "mean":
            hidden = hidden.mean(dim=2, keepdim=True)
        if offset is not None:
            hidden = hidden + offset.unsqueeze(2)
        return self.linear(self.dropout(hidden.flatten(start_dim=1))).squeeze(-1)

    def attention_shares(self, hidden: torch.Tensor) -> torch.Tensor:
        """Share of each patch under `attention`: from (..., patches, d), normalised, to (..., patches)."""
        assert self.query is not None
        return torch.softmax(hidden @ self.query / hidden.shape[-1] ** 0.5, dim=-1)


def _query(d_model: int, seed: int) -> nn.Parameter:
    """Standard normal: with normalised patches and the scale 1 / sqrt(d), logits of unit variance.

    A query of zeros would begin as the mean over patches, and small learning rates would leave it there.
    """
    generator = torch.Generator().manual_seed(seed)
    return nn.Parameter(torch.randn(d_model, generator=generator))


class PatchTST(nn.Module):
    """(batch, L, C) to (batch,) logits or values, or to (batch, outputs) logits."""

    def __init__(self, factory: NetworkFactory) -> None:
        super().__init__()
        settings, architecture = factory.settings, factory.architecture
        self.mixed = settings["channel_mode"] == "mixed"
        channels = len(factory.channel_mean)
        entering = projected_channels(settings, channels)
        self.normalisation = Normalisation(
            settings["normalisation"], factory.channel_mean, factory.channel_std
        )
        projects = self.mixed and entering != channels
        self.projection = nn.Linear(channels, entering) if projects else nn.Identity()
        # All channels of a patch become one token when time comes first in a single long sequence.
        width = entering if self.mixed else 1
        everywhere = settings["dropout_at"] == "everywhere"
        dropout = architecture.dropout if everywhere else 0.0
        patches = n_patches(architecture, factory.context_length)
        backbone = PatchTSTModel(
            PatchTSTConfig(
                num_input_channels=1 if self.mixed else channels,
                context_length=factory.context_length * width,
                patch_length=architecture.patch_length * width,
                patch_stride=architecture.patch_stride * width,
                num_hidden_layers=architecture.n_layers,
                d_model=architecture.d_model,
                num_attention_heads=architecture.n_heads,
                channel_attention=settings["channel_mode"] == "cross",
                ffn_dim=architecture.d_ff,
                norm_type="layernorm",
                pre_norm=True,
                activation_function="gelu",
                scaling=None,
                do_mask_input=False,
                attention_dropout=dropout,
                ff_dropout=dropout,
                path_dropout=0.0,
                positional_dropout=dropout,
            )
        )
        mup = settings["parametrization"] == "mup"
        drop = PathDropout if settings["dropout_at"] == "paths" else nn.Dropout
        self.encoder = Encoder(
            backbone,
            last_only=settings["pooling"] == "last",
            drop=lambda: drop(architecture.dropout),
            branch_scale=branch_scale(architecture) if mup else 1.0,
        )
        sequences = 1 if self.mixed else channels
        stats_width = 2 * width if self.mixed else 2
        has_stats = settings["normalisation"] == "revin_stats"
        self.statistics = nn.Linear(stats_width, architecture.d_model) if has_stats else None
        self.readout = Readout(
            settings["pooling"],
            architecture.d_model,
            patches,
            sequences,
            dropout,
            shares_patch_weights(settings, channels),
            factory.seed,
            factory.outputs,
        )
        self.output_layers = [self.readout.linear]
        self.skip = nn.Linear(channels, factory.outputs, bias=False) if settings["skip"] else None
        if self.skip is not None:
            nn.init.zeros_(self.skip.weight)
            self.skip.weight.rate_multiplier = skip_rate(channels)  # type: ignore[attr-defined]
        use_fast_layers(self)
        if mup:
            scale_for_size(self, architecture)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """(batch, L, C) float to (batch,) or (batch, outputs)."""
        values, stats = self.normalisation(inputs)
        last_bar = values[:, -1]
        values = self.projection(values)
        values = values.flatten(start_dim=1).unsqueeze(1) if self.mixed else values.transpose(1, 2)
        hidden = self.encoder(values)
        offset = None
        if self.statistics is not None and stats is not None:
            offset = self.statistics(self._mixed_statistics(stats) if self.mixed else stats)
        answer: torch.Tensor = self.readout(hidden, offset)
        return answer if self.skip is None else answer + self.skip(last_bar).squeeze(-1)

    def _mixed_statistics(self, stats: torch.Tensor) -> torch.Tensor:
        """(batch, C, 2) to (batch, 1, 2 · entering channels).

        Projected channels come with the same mix of means and of log deviations: a projection of their own
        would cost a 2M model another 6 % at 2000 channels.
        """
        if not isinstance(self.projection, nn.Identity):
            stats = self.projection(stats.transpose(1, 2)).transpose(1, 2)
        return stats.flatten(start_dim=1).unsqueeze(1)
