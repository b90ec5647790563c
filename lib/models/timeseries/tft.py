"""Temporal Fusion Transformer (Lim et al. 2021, arXiv:1912.09363); the network lies in `_tft`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar, Self

from pydantic import Field, model_validator

from lib.config.base import StrictModel
from lib.models.contract import ModelMetadata
from lib.models.network import NetworkModel, seeded
from lib.models.registry import register

if TYPE_CHECKING:
    from torch import nn


class TFTSettings(StrictModel):
    """Its shape."""

    hidden: int = Field(16, ge=1)
    """Units everywhere."""
    heads: int = Field(4, ge=1)
    dropout: float = Field(0.3, ge=0, lt=1)
    channel_projection: int = Field(32, ge=1)
    """More channels than this are projected to so many first, and those are then what it selects from."""

    @model_validator(mode="after")
    def _divisible(self) -> Self:
        if self.hidden % self.heads:
            raise ValueError(f"`hidden: {self.hidden}` is not a multiple of `heads: {self.heads}`")
        return self


@register("timeseries:tft")
class TFTForecaster(NetworkModel):
    """Selects variables, remembers, attends."""

    metadata = ModelMetadata(
        has_budget=False,
        input="window",
        network=True,
        ternary=True,
        description="Temporal Fusion Transformer",
    )
    Settings: ClassVar[type[StrictModel]] = TFTSettings

    def factory(self) -> Callable[[], nn.Module]:
        """The untrained network."""

        def build() -> nn.Module:
            from lib.models.timeseries._tft import TemporalFusionTransformer

            return TemporalFusionTransformer(self.problem, **self.settings.model_dump())

        return seeded(build, self.seed)
