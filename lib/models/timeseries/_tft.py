"""The Temporal Fusion Transformer, for one label per window. Imports torch.

Lim et al. (2021, International Journal of Forecasting 37; arXiv:1912.09363). Kept: gated residual networks,
variable selection at every bar, the LSTM encoder with its gated skip, interpretable multi-head attention
(values shared between heads) and the position-wise network. Left out, because a window has none of it: static
covariates, known future inputs and the decoder; and in place of quantiles there is one logit or return, or a
logit per class. Only the last bar is read out, so only its query is computed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional

from lib.models.normalisation import Inputs
from lib.training.layers import use_fast_layers

if TYPE_CHECKING:
    from lib.models.contract import Problem


class Gate(nn.Module):
    """Gated linear unit, added to a skip connection and normalised (equations 3 to 5)."""

    def __init__(self, width: int, out: int, dropout: float) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(width, 2 * out)
        self.norm = nn.LayerNorm(out)

    def forward(self, hidden: torch.Tensor, skip: torch.Tensor) -> torch.Tensor:
        """(…, width) and (…, out) to (…, out)."""
        out: torch.Tensor = self.norm(skip + functional.glu(self.linear(self.dropout(hidden)), dim=-1))
        return out


class GatedResidual(nn.Module):
    """Gated residual network (equations 2 to 4)."""

    def __init__(self, width: int, hidden: int, out: int, dropout: float) -> None:
        super().__init__()
        self.skip = nn.Linear(width, out) if width != out else nn.Identity()
        self.inner = nn.Linear(width, hidden)
        self.outer = nn.Linear(hidden, hidden)
        self.gate = Gate(hidden, out, dropout)

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """(…, width) to (…, out)."""
        out: torch.Tensor = self.gate(self.outer(functional.elu(self.inner(values))), self.skip(values))
        return out


class VariableSelection(nn.Module):
    """Weighs the variables of each bar (equations 6 to 8); every variable has a residual network of its own.

    Those of all variables are computed at once, as products of stacked matrices.
    """

    def __init__(self, variables: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.embedding = nn.Parameter(torch.randn(variables, hidden))
        self.offset = nn.Parameter(torch.zeros(variables, hidden))
        self.weights = GatedResidual(variables * hidden, hidden, variables, dropout)
        self.inner, self.outer = (nn.Parameter(_stack(variables, hidden, hidden)) for _ in range(2))
        self.gating = nn.Parameter(_stack(variables, hidden, 2 * hidden))
        self.dropout = nn.Dropout(dropout)
        self.norm = nn.LayerNorm(hidden)

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """(batch, L, variables) to (batch, L, hidden)."""
        batch, bars, variables = values.shape
        embedded = values.unsqueeze(-1) * self.embedding + self.offset
        shares = self.weights(embedded.flatten(start_dim=2)).softmax(dim=-1)
        own = embedded.view(batch * bars, variables, -1).transpose(0, 1)  # (variables, bars of all, hidden)
        hidden = torch.bmm(functional.elu(torch.bmm(own, self.inner)), self.outer)
        hidden = self.dropout(hidden.transpose(0, 1)).transpose(0, 1)  # it wants the windows' bars first
        gated = functional.glu(torch.bmm(hidden, self.gating), dim=-1)
        processed = self.norm(own + gated)
        weighed = (processed * shares.view(-1, variables).t().unsqueeze(-1)).sum(dim=0)
        return weighed.view(batch, bars, -1)


def _stack(variables: int, width: int, out: int) -> torch.Tensor:
    """One matrix per variable, begun as `nn.Linear` begins its own."""
    return torch.empty(variables, width, out).uniform_(-(width**-0.5), width**-0.5)


class InterpretableAttention(nn.Module):
    """Interpretable multi-head attention (equations 13 to 16): heads share their values and are averaged."""

    def __init__(self, hidden: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query, self.key = nn.Linear(hidden, hidden), nn.Linear(hidden, hidden)
        self.value = nn.Linear(hidden, hidden // heads)
        self.out = nn.Linear(hidden // heads, hidden)

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        """(batch, L, hidden) to (batch, hidden), what the last bar finds in all of them."""
        batch, bars, width = hidden.shape
        query = self.query(hidden[:, -1]).view(batch, self.heads, 1, -1)
        key = self.key(hidden).view(batch, bars, self.heads, -1).transpose(1, 2)
        scores = (query * key).sum(dim=-1) * (width // self.heads) ** -0.5
        shares = scores.softmax(dim=-1).mean(dim=1)
        found: torch.Tensor = self.out((shares.unsqueeze(-1) * self.value(hidden)).sum(dim=1))
        return found


class TemporalFusionTransformer(nn.Module):
    """(batch, L, C) to (batch,) or (batch, outputs)."""

    def __init__(
        self, problem: Problem, hidden: int, heads: int, dropout: float, channel_projection: int
    ) -> None:
        super().__init__()
        self.inputs = Inputs(problem.channel_mean, problem.channel_std, channel_projection)
        self.selection = VariableSelection(self.inputs.width, hidden, dropout)
        self.encoder = nn.LSTM(hidden, hidden, batch_first=True)
        self.after_encoder = Gate(hidden, hidden, dropout)
        self.enrichment = GatedResidual(hidden, hidden, hidden, dropout)
        self.attention = InterpretableAttention(hidden, heads)
        self.after_attention = Gate(hidden, hidden, dropout)
        self.position_wise = GatedResidual(hidden, hidden, hidden, dropout)
        self.after_all = Gate(hidden, hidden, 0.0)
        self.head = nn.Linear(hidden, problem.outputs)
        self.output_layers = [self.head]
        use_fast_layers(self)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """(batch, L, C) to (batch,) or (batch, outputs)."""
        selected = self.selection(self.inputs(inputs))
        encoded = self.after_encoder(self.encoder(selected)[0], selected)
        enriched = self.enrichment(encoded)
        attended = self.after_attention(self.attention(enriched), enriched[:, -1])
        last = self.after_all(self.position_wise(attended), encoded[:, -1])
        out: torch.Tensor = self.head(last).squeeze(-1)
        return out
