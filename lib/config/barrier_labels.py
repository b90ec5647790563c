"""How the ternary labels of task `triple_barrier` are made (section `barriers` of an experiment)."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from lib.config.base import StrictModel


class BarrierConfig(StrictModel):
    """Barriers around the close, in units of the volatility expected over the horizon."""

    upper: float = Field(1.0, gt=0)
    """Distance of the upper barrier in standard deviations of the horizon's return."""
    lower: float = Field(1.0, gt=0)
    """Likewise, of the lower one."""
    volatility_span: int = Field(50, ge=2)
    """Span, in bars up to the present one, of the exponentially weighted deviation of log returns."""
    neutrals: Literal["keep", "drop"] = "keep"
    """`drop`: bars after which neither barrier is touched are no samples in any part. Measures are then
    conditional on a touch, which nobody knows in advance."""
