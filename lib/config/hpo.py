"""Search spaces of hyperparameter optimisation (files config/hpo/NAME_search.yaml)."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from lib.config.base import StrictModel


class FloatRange(StrictModel):
    """A continuous parameter."""

    type: Literal["float"] = "float"
    low: float
    high: float
    log: bool = False

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not self.low < self.high or (self.log and self.low <= 0):
            raise ValueError(f"range {self.low}..{self.high} is empty (log ranges need low > 0)")
        return self


class IntRange(StrictModel):
    """An integer parameter, both ends included."""

    type: Literal["int"]
    low: int
    high: int
    step: int = Field(1, ge=1)


class Choice(StrictModel):
    """One of a list of values."""

    type: Literal["choice"]
    values: list[int | float | str] = Field(min_length=1)
    ordered: bool = False
    """Neighbours in the list are alike: the sampler then learns from them, as from numbers."""


class SearchSpace(StrictModel):
    """Parameters to search, named as in the training section or the model's settings."""

    n_trials: int = Field(50, ge=1)
    timeout_hours: float | None = Field(None, gt=0)
    pruner_warmup_epochs: int = Field(10, ge=0)
    seed: int = 0
    architecture: Literal["grid"] | None = None
    """`grid`: the search also chooses among the architectures of the budget."""
    parameters: dict[str, FloatRange | IntRange | Choice] = Field(min_length=1)
