"""A meta-module (config/meta/NAME.yaml): models that learn from the forecasts of other models."""

from __future__ import annotations

from typing import Any, Self

from pydantic import Field, model_validator

from lib.config.base import Budget, Dataset, Name, StrictModel, Task, Timescale, is_ternary


class BaseForecasts(StrictModel):
    """Forecasts that a meta-module learns from: one per timescale, task, horizon and model."""

    datasets: list[Dataset] = Field(min_length=1)
    timescales: list[Timescale] = Field(min_length=1)
    tasks: list[Task] = Field(min_length=1)
    horizons: list[int] = Field(min_length=1)
    models: list[Name] = Field(min_length=1)
    budgets: list[Budget] = []
    """Of models that have budgets."""


class MetaModule(StrictModel):
    """What is forecast, by which models (`learners`), out of which forecasts and channels.

    The base models are trained in the walk-forward folds of `data.walk_forward`.
    """

    question: str
    dataset: Dataset
    timescale: Timescale
    task: Task
    horizon: int = Field(ge=1)
    bases: list[BaseForecasts] = Field(min_length=1)
    features: list[str] = []
    """Channels of the dataset that are learned from beside the forecasts."""
    learners: list[Name] = Field(min_length=1)
    """Names of files in config/models/, of models that see one bar."""
    seed: int = 42

    @model_validator(mode="after")
    def _one_number_each(self) -> Self:
        if any(is_ternary(task) for task in (self.task, *(t for b in self.bases for t in b.tasks))):
            raise ValueError("task triple_barrier has three probabilities; a meta-module takes and gives one")
        return self

    @model_validator(mode="after")
    def _someone_forecasts_the_same(self) -> Self:
        wanted = (self.dataset, self.timescale, self.task, self.horizon)
        if not any(
            self.dataset in b.datasets
            and self.timescale in b.timescales
            and self.task in b.tasks
            and self.horizon in b.horizons
            for b in self.bases
        ):
            raise ValueError(
                f"no base model forecasts {'/'.join(map(str, wanted[:3]))}/h{self.horizon} itself, so there "
                "would be no single model to compare with; add it to `bases:`"
            )
        return self

    def base_grid(self, bases: BaseForecasts) -> dict[str, Any]:
        """The fields of an experiment that trains these base models."""
        return bases.model_dump() | {
            "question": self.question,
            "role": "base_models",
            "seeds": [self.seed],
            "walk_forward": True,
        }

    def learner_grid(self, name: str) -> dict[str, Any]:
        """The fields of the experiment that trains the learners."""
        return {
            "question": self.question,
            "role": "meta_module",
            "variant": f"meta-{name}",
            "datasets": [self.dataset],
            "timescales": [self.timescale],
            "tasks": [self.task],
            "horizons": [self.horizon],
            "models": self.learners,
            "seeds": [self.seed],
            "meta": name,
        }
