"""A multilayer perceptron on the channels of the last bar."""

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


class MLPSettings(StrictModel):
    """Its shape."""

    hidden: list[int] = Field([256, 128], min_length=1)
    """Units of each hidden layer."""
    dropout: float = Field(0.5, ge=0, lt=1)
    channel_projection: int = Field(256, ge=1)
    """More channels than this are projected to so many first."""


@register("neural:mlp")
class MLP(NetworkModel):
    """Sees what linear and tree models see."""

    metadata = ModelMetadata(
        has_budget=False, input="last_bar", network=True, ternary=True, description="multilayer perceptron"
    )
    Settings: ClassVar[type[StrictModel]] = MLPSettings

    def factory(self) -> Callable[[], nn.Module]:
        """The untrained network."""

        def build() -> nn.Module:
            from lib.models.neural._networks import Perceptron

            return Perceptron(self.problem, **self.settings.model_dump())

        return seeded(build, self.seed)
