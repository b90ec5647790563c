"""Shapes of a study: what decides the cost of a training step, for the discovery of batch sizes."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import cached_property

from lib.config.resolve import RunSpecification
from lib.errors import ConfigError


class ShapePlan:
    """The shape of every model on every dataset that it is trained on.

    Args:
        trained: specifications of all runs and trials.
        channels: of a dataset at a timescale.
    """

    def __init__(
        self, trained: Callable[[], Sequence[RunSpecification]], channels: Callable[[str, str], int]
    ) -> None:
        self._trained, self._channels_of = trained, channels

    def shape(self, dataset: str, timescale: str, model: str, budget: str) -> str:
        """What decides the cost of a training step, as canonical JSON.

        Raises:
            ConfigError: nothing of this shape is trained.
        """
        specification = self._costliest.get((dataset, timescale, model, budget))
        if specification is None:
            raise ConfigError(
                f"{dataset}/{timescale}/{model}/{budget}: no experiment of this study declares this shape."
            )
        architecture = specification.architecture
        content = {
            "model": specification.model,
            "settings": specification.settings,
            "architecture": architecture.model_dump() if architecture else None,
            "context_length": specification.context_length,
            "channels": self.channels(specification),
            "effective_batch": specification.recipe.effective_batch,
        }
        return json.dumps(content, sort_keys=True)

    def channels(self, specification: RunSpecification) -> int:
        """Channels of the dataset, and what is planted in it."""
        run, planted = specification.run, specification.planted != "none"
        return self._channels_of(str(run["dataset"]), str(run["timescale"])) + planted

    @cached_property
    def _costliest(self) -> dict[tuple[str, ...], RunSpecification]:
        """Of runs and trials those with the longest windows, and of these the most channels: what fits its
        memory fits that of the others."""
        found: dict[tuple[str, ...], RunSpecification] = {}
        for own in self._trained():
            setting = tuple(str(own.run[field]) for field in ("dataset", "timescale", "model", "budget"))
            if self._cost(own) > self._cost(found.setdefault(setting, own)):
                found[setting] = own
        return found

    def _cost(self, specification: RunSpecification) -> tuple[int, int]:
        return specification.context_length, self.channels(specification)
