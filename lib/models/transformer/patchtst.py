"""PatchTST (Nie et al. 2023, arXiv:2211.14730) at true parameter budgets, on Hugging Face's backbone.

Light to import: the network itself lies in `_network` and is loaded when one is built.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from lib.config.base import StrictModel
from lib.config.model import Architecture
from lib.errors import ModelError
from lib.models.contract import ModelMetadata, Shape
from lib.models.network import NetworkModel
from lib.models.registry import register
from lib.models.transformer import parameters
from lib.models.transformer.grid import architecture_grid

if TYPE_CHECKING:
    from lib.models.transformer._network import PatchTST

_NO_ARCHITECTURE = "transformer:patchtst: needs an architecture; declare `budgets:` in the experiment."


class PatchTSTSettings(StrictModel):
    """What distinguishes one PatchTST from another besides its size."""

    channel_mode: Literal["mixed", "independent", "cross"] = "mixed"
    """`independent`: one token sequence per channel, as in the paper (logits are additive over channels);
    `cross`: the same, and in every layer the channels of a patch attend to each other; `mixed`: all channels
    of a patch are one token."""
    normalisation: Literal["revin", "revin_stats", "zscore", "none"] = "zscore"
    pooling: Literal["last", "mean", "flatten", "attention"] = "last"
    parametrization: Literal["mup", "standard"] = "mup"
    """`mup`: start, rates and residual branches follow width and depth so that one recipe is fair to every
    size (maximal update parametrization); `standard`: every size starts and learns with the same
    numbers."""
    dropout_at: Literal["everywhere", "branches", "paths"] = "branches"
    """Where the architecture's dropout acts: `everywhere` as in Hugging Face's model (after the positions,
    on attention and hidden units, before the head); `branches`: on what each block adds; `paths`: whole
    blocks of a window are left out (stochastic depth)."""
    skip: bool = True
    """Whether the last bar's channels also reach the answer directly, through a linear layer that begins at
    0."""
    channel_projection: int = Field(64, ge=1)
    """`mixed` with more channels than this projects them, and their RevIN statistics, to so many first; the
    other modes with `flatten` then weigh the patches of all channels alike. The size stays on budget."""


@dataclass(frozen=True)
class NetworkFactory:
    """Everything that a network is built from, as a light value that can be sent to another process."""

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


@register("transformer:patchtst")
class PatchTSTForecaster(NetworkModel):
    """One logit per window, one return, or a logit for each of three classes."""

    metadata = ModelMetadata(
        has_budget=True,
        input="window",
        network=True,
        ternary=True,
        description="patches and a transformer",
    )
    Settings: ClassVar[type[StrictModel]] = PatchTSTSettings

    def factory(self) -> NetworkFactory:
        """Builds the untrained network."""
        if self.architecture is None:
            raise ModelError(_NO_ARCHITECTURE)
        return NetworkFactory(
            settings=self.settings.model_dump(),
            architecture=self.architecture,
            context_length=self.problem.context_length,
            channel_mean=self.problem.channel_mean,
            channel_std=self.problem.channel_std,
            seed=self.seed,
            outputs=self.problem.outputs,
        )

    def parameter_counts(self) -> dict[str, int]:
        """Trainable parameters: total, embedding, backbone, head."""
        if self.architecture is None:
            raise ModelError(_NO_ARCHITECTURE)
        return parameters.count_parameters(
            self.settings.model_dump(),
            self.architecture,
            self.problem.n_channels,
            self.problem.context_length,
            self.problem.outputs,
        )

    @classmethod
    def check_budget(
        cls,
        settings: Mapping[str, Any],
        architecture: Architecture,
        shape: Shape,
        budget: str,
    ) -> None:
        """Refuse an architecture that cannot be built, or whose exact count is 25 % off the budget."""
        if architecture.d_model % architecture.n_heads:
            raise ModelError(
                f"budget {budget}: d_model {architecture.d_model} is not a multiple of "
                f"n_heads {architecture.n_heads}."
            )
        full = cls.Settings.model_validate(dict(settings)).model_dump()
        counts = parameters.count_parameters(
            full, architecture, shape.n_channels, shape.context_length, shape.outputs
        )
        parameters.check_budget(counts["total"], budget)

    @classmethod
    def architectures(
        cls,
        settings: Mapping[str, Any],
        base: Architecture,
        shape: Shape,
        budget: str,
    ) -> list[Architecture]:
        """The grid of the budget."""
        full = cls.Settings.model_validate(dict(settings)).model_dump()
        return architecture_grid(budget, full, shape.n_channels, shape.context_length, base, shape.outputs)

    @classmethod
    def activations(
        cls,
        settings: Mapping[str, Any],
        architecture: Architecture,
        shape: Shape,
    ) -> int:
        """Numbers that a training step keeps for its backward pass, per window."""
        full = cls.Settings.model_validate(dict(settings)).model_dump()
        return parameters.activations_per_sample(full, architecture, shape.n_channels, shape.context_length)
