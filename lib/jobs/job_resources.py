"""What a job that trains requests: threads, memory and time by the size of its network and its dataset."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lib.config.run_key import NO_BUDGET
from lib.study.plan import Plan

_CHANNEL_MB = 2
"""Of a dataset: in row D a channel takes 0.33 MB (8,300 days, ten symbols), and is copied."""


class JobResources:
    """Look-ups for `threads:` and `resources:` of the rules; their methods take wildcards.

    Args:
        plan: of the study.
        threads, memory_mb, minutes: of one training, by budget.
    """

    def __init__(
        self,
        plan: Plan,
        threads: Mapping[str, int],
        memory_mb: Mapping[str, int],
        minutes: Mapping[str, int],
    ) -> None:
        self._plan = plan
        self._threads, self._memory_mb, self._minutes = threads, memory_mb, minutes

    def size(self, wildcards: Any) -> str:
        """The budget whose resources a job gets: networks without one are small, but take longer than a
        moment."""
        if self._plan.has_weights(wildcards.model, wildcards.budget):
            return str(wildcards.budget)
        return "2M" if self._plan.uses_gpu(wildcards.model) else NO_BUDGET

    def threads(self, wildcards: Any) -> int:
        """CPUs of a job that trains."""
        return self._threads[self.size(wildcards)]

    def gpus(self, wildcards: Any) -> int:
        """Whether it trains on a GPU if there is one."""
        return int(self._plan.uses_gpu(wildcards.model))

    def memory(self, wildcards: Any) -> int:
        """MB: its network, and the channels of its dataset."""
        return self._memory_mb[self.size(wildcards)] + channels_memory(wildcards)

    def minutes(self, wildcards: Any) -> int:
        """Time limit of a training."""
        return self._minutes[self.size(wildcards)]

    def search_minutes(self, wildcards: Any) -> int:
        """Of a search, which is continued as a training is: thrice that, at most that of the longest."""
        return min(3 * self.minutes(wildcards), max(self._minutes.values()))

    def submission(self, wildcards: Any) -> str | None:
        """Group of a training: those that take a moment share a submission; a meta-module waits for them."""
        short = self.size(wildcards) == NO_BUDGET and not self._plan.meta.of(self._plan.run(dict(wildcards)))
        return "short" if short else None


def channels_memory(wildcards: Any) -> int:
    """Memory for the channels of a dataset, in MB."""
    return _CHANNEL_MB * int(wildcards.dataset[2:])


def dataset_memory(wildcards: Any) -> int:
    """Of a job that makes or checks a dataset, in MB."""
    return 2000 + channels_memory(wildcards)
