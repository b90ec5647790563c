"""Long short-term memory on the window (Hochreiter & Schmidhuber 1997), read out at its last bar."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from lib.config.base import StrictModel
from lib.models.contract import ModelMetadata
from lib.models.network import NetworkModel, seeded
from lib.models.registry import register

if TYPE_CHECKING:
    from torch import nn


class LSTMSettings(StrictModel):
    """Its shape."""

    hidden: int = Field(64, ge=1)
    layers: int = Field(2, ge=1)
    dropout: float = Field(0.3, ge=0, lt=1)
    """After each layer."""
    channel_projection: int = Field(64, ge=1)
    """More channels than this are projected to so many first."""


@register("neural:lstm")
class LSTM(NetworkModel):
    """Reads the window bar by bar."""

    metadata = ModelMetadata(
        has_budget=False, input="window", network=True, ternary=True, description="recurrent network"
    )
    Settings: ClassVar[type[StrictModel]] = LSTMSettings

    def factory(self) -> Callable[[], nn.Module]:
        """The untrained network."""

        def build() -> nn.Module:
            from lib.models.neural._networks import Recurrent

            return Recurrent(self.problem, **self.settings.model_dump())

        return seeded(build, self.seed)
