"""Disk and memory that a study will take, from what is declared; nothing is measured or built here.

Sizes follow from the nominal number of parameters of each budget, which every run keeps within a quarter, and
from one job at a time.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from lib.config.base import BUDGET_PARAMETERS
from lib.config.run_key import Run
from lib.study.plan import Plan
from lib.training.retention import kept_checkpoints, state_bytes

WEIGHT = 4
"""Bytes of a parameter: weights are stored and trained in fp32."""
RESIDENT = 36
"""Bytes per parameter while training: weights, gradients, two moments, the best weights (4 each), the
copies of weights and gradients that autocast makes (2 each), and a checkpoint's copy of weights and
moments (12)."""
BESIDE_A_CARD = 16
"""Of them in the computer's own memory when a card trains: the best weights, and a checkpoint's copy."""
PROCESS = 1_000_000_000
"""Python, PyTorch and the data of a training process."""
SMALL_RUN = 1_000_000
"""Predictions, measures, logs and a model without a budget. Runs of the quickstart take 0.1 to 0.5 MB."""
DAYS = 12_000
"""Daily bars of the longest histories (since 1980)."""
SESSIONS = {"2d": 2, "3d": 3, "5d": 5, "weekly": 5, "2wk": 10, "monthly": 21}


@dataclass(frozen=True)
class Needs:
    """What is still to come, in bytes.

    Attributes:
        data: processed data that are not there yet.
        results: models and predictions of runs that are not there yet.
        checkpoints: most that one training holds at a time; they go when it ends.
        memory: of a training of the largest budget, where it computes.
        beside_a_card: what the computer itself needs when a card with memory of its own trains.
        budget: the largest budget that is still to be trained; None without one.
    """

    data: int
    results: int
    checkpoints: int
    memory: int
    beside_a_card: int
    budget: str | None

    @property
    def disk(self) -> int:
        """All of it at once."""
        return self.data + self.results + self.checkpoints


def needs(plan: Plan, pending: Iterable[Run], datasets: Iterable[tuple[str, str, str]]) -> Needs:
    """Sizes of what a study has still to make.

    Args:
        plan: the study.
        pending: runs that are still to be trained.
        datasets: (vintage, dataset, timescale) of the dataset files that are still to be built.
    """
    runs = list(pending)
    weighty = [run for run in runs if plan.has_weights(run.model, run.budget)]
    sizes = {run.budget: BUDGET_PARAMETERS[run.budget] for run in weighty}
    largest = max(sizes, key=lambda budget: sizes[budget], default=None)
    checkpoints = 0
    memory = beside_a_card = PROCESS if runs else 0
    if largest is not None:
        n = sizes[largest]
        checkpoints = state_bytes(WEIGHT * n, kept_checkpoints(n, plan.config.training.keep_checkpoints))
        memory += RESIDENT * n
        beside_a_card += BESIDE_A_CARD * n
    return Needs(
        data=sum(_dataset_bytes(plan, *words) for words in datasets),
        results=WEIGHT * sum(sizes[run.budget] for run in weighty) + SMALL_RUN * len(runs),
        checkpoints=checkpoints,
        memory=memory,
        beside_a_card=beside_a_card,
        budget=largest,
    )


def _dataset_bytes(plan: Plan, vintage: str, dataset: str, timescale: str) -> int:
    bars = DAYS // SESSIONS.get(timescale, 1) * len(plan.data.symbols(vintage, dataset))
    return bars * plan.data.channels(dataset, timescale) * WEIGHT
