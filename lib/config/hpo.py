"""Search spaces of hyperparameter optimisation (files config/hpo/NAME_search.yaml)."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Literal, Self

from pydantic import Field, model_validator

from lib.config.base import StrictModel
from lib.errors import ConfigError


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


type Parameter = FloatRange | IntRange | Choice


class SearchConfig(StrictModel):
    """Who works on a hyperparameter search. Decides no result of a single worker's search."""

    workers: int = Field(1, ge=1)
    """Jobs that work on each search at once (on several GPUs or nodes; with one GPU one after another)."""
    storage_from: str | None = None
    """Name of an environment variable with the address of a database for the searches
    (postgresql+psycopg://USER:PASSWORD@HOST/NAME); without one each search is a SQLite file of its own."""


def database_address(config: SearchConfig, environment: Mapping[str, str] = os.environ) -> str | None:
    """Address of the database of the searches; None if each is a file. It may hold a password: never log it.

    Raises:
        ConfigError: the variable that should hold it is empty or not set.
    """
    if config.storage_from is None:
        return None
    address = environment.get(config.storage_from, "").strip()
    if not address:
        raise ConfigError(
            f"search.storage_from: the environment variable {config.storage_from} is not set. Export the "
            "address of the database, or leave `storage_from:` out: each search is then a file of its own."
        )
    return address


class SearchSpace(StrictModel):
    """Parameters to search, named as in the training section or the model's settings."""

    n_trials: int = Field(50, ge=1)
    timeout_hours: float | None = Field(None, gt=0)
    pruner_warmup_steps: int = Field(100, ge=0)
    seed: int = 0
    architecture: Literal["grid"] | None = None
    """`grid`: the search also chooses among the architectures of the budget."""
    parameters: dict[str, Parameter] = Field(min_length=1)
