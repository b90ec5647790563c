"""N-HiTS (Challu et al. 2023, arXiv:2201.12886) on the window; the network lies in `_nhits`."""

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


class NHiTSSettings(StrictModel):
    """One entry per stack in both lists of rates."""

    pooling: list[int] = Field([2, 2, 1], min_length=1)
    """Bars that are pooled into one before a stack looks at the window."""
    downsampling: list[int] = Field([2, 1, 1], min_length=1)
    """Bars per coefficient of what a stack explains."""
    hidden: list[int] = Field([512, 512], min_length=1)
    """Units of each hidden layer, in every stack."""
    dropout: float = Field(0.5, ge=0, lt=1)
    channel_projection: int = Field(32, ge=1)
    """More channels than this are projected to so many first."""

    @model_validator(mode="after")
    def _as_many_rates(self) -> Self:
        if len(self.pooling) != len(self.downsampling):
            raise ValueError("`pooling` and `downsampling` need one entry per stack each")
        if min(*self.pooling, *self.downsampling) < 1:
            raise ValueError("rates are whole bars: at least 1")
        return self


@register("timeseries:nhits")
class NHiTSForecaster(NetworkModel):
    """Stacks that explain the window at several rates."""

    metadata = ModelMetadata(
        has_budget=False, input="window", network=True, ternary=True, description="N-HiTS"
    )
    Settings: ClassVar[type[StrictModel]] = NHiTSSettings

    def factory(self) -> Callable[[], nn.Module]:
        """The untrained network."""

        def build() -> nn.Module:
            from lib.models.timeseries._nhits import NHiTS

            return NHiTS(self.problem, **self.settings.model_dump())

        return seeded(build, self.seed)
