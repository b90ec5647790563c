"""Search spaces of hyperparameter optimisation (files config/hpo/NAME_search.yaml)."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from lib.config.base import Budget, Dataset, StrictModel
from lib.config.training import refuse_replaced
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


def _none_replaced(parameters: dict[str, Parameter]) -> dict[str, Parameter]:
    refuse_replaced(parameters)
    return parameters


Parameters = Annotated[dict[str, Parameter], AfterValidator(_none_replaced)]
"""What is searched, by name."""


class SearchConfig(StrictModel):
    """Workers of a hyperparameter search. Does not affect results of a search with one worker."""

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


class Transfer(StrictModel):
    """A recipe is searched once and used in every fold, on every share of the history and, if a budget is
    named, at every size (Yang et al. 2022, arXiv 2203.03466)."""

    budget: Budget | None = None
    """The budget that is searched for all; None: each is searched. Models without budgets have no other."""
    dataset: Dataset | None = None
    """The dataset that is searched; None: each dataset of an experiment has its own recipe."""
    selection_years: int = Field(3, ge=1)
    """In folds: the years before the first fold's test part by whose loss the recipe is chosen, trained on
    what lies before them; every fold uses it. Otherwise the study's own training and selection."""
    rates: list[Annotated[float, Field(gt=0)]] = [0.5, 2.0]
    """Multiples of the found learning rate that are tried at every size beside the rate itself, to see
    whether the optimum is the same there; none: not checked."""


class SearchSpace(StrictModel):
    """Parameters to search, named as in the training section or the model's settings."""

    n_trials: int = Field(50, ge=1)
    timeout_hours: float | None = Field(None, gt=0)
    pruner_warmup_steps: int = Field(100, ge=0)
    seed: int = 0
    architecture: Literal["grid"] | None = None
    """`grid`: the search also chooses among the architectures of the budget."""
    transfer: Transfer | None = None
    """What else the recipe is used for; None: every fold and share is searched apart."""
    parameters: Parameters = Field(min_length=1)

    @model_validator(mode="after")
    def _of_use_everywhere(self) -> Self:
        if self.transfer and self.transfer.budget and self.architecture:
            raise ValueError(
                f"an architecture found at {self.transfer.budget} is of no use at another budget: leave "
                "`budget:` of `transfer:` or `architecture:` out"
            )
        return self
