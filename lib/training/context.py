"""What a model hands to the training engine besides network and samples, and what it gets back.

Plain containers: no decision is made here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from lib.config.training import Runtime, ThermalConfig
from lib.training.progress import NullProgress, Progress
from lib.training.thermal import ThermalGuard
from lib.training.tracking import NullTracker, Tracker

Loss = Literal["bce", "ce", "mse"]
"""Cross-entropy on one logit or on one logit per class, or mean squared error on values."""
OUTPUTS: dict[Loss, int] = {"bce": 1, "ce": 3, "mse": 1}
"""Numbers that a network gives per window."""
Report = Callable[[int, float], None]
"""Called with step and selection loss after each validation; may raise to end training."""


def _no_guard() -> ThermalGuard:
    return ThermalGuard(ThermalConfig(sensor="off"), sensors=[])


@dataclass
class TrainingContext:
    """Where and how one run is trained. Only `seed` and the recipe decide its result; its last digits depend
    on the machine as well (threads, precision, micro-batch), so a run keeps what it started with."""

    seed: int
    state_dir: Path
    """For checkpoints of this run alone."""
    runtime: Runtime = field(default_factory=Runtime)
    fingerprint: str = ""
    """Identity of the run: a state with another one is never resumed."""
    micro_batch: int | None = None
    """Windows per forward pass as found by batch-size discovery; None: the whole effective batch."""
    precision: str | None = None
    """As found; None leaves it to `runtime.precision`."""
    compile: bool | None = None
    """Whether torch.compile was found to help; None leaves it to `runtime.compile`."""
    job_threads: int | None = None
    """Threads of this job when several run at once; None when it has the machine to itself."""
    thermal: ThermalGuard = field(default_factory=_no_guard)
    tracker: Tracker = field(default_factory=NullTracker)
    progress: Progress = field(default_factory=NullProgress)
    report: Report | None = None
    """For pruning in a hyperparameter search. After a resume it hears the earlier validations again."""

    def __post_init__(self) -> None:
        self.thermal.alive = self.progress.alive  # a cool-down pause of minutes is no death


@dataclass(frozen=True)
class TrainingResult:
    """How training went. The network given to `train` now holds the best weights."""

    best_step: int
    """Step (round, for models that have no steps) whose weights are kept."""
    best_loss: float
    """Their selection loss: with the intercept re-fitted, in nats or squared returns."""
    steps: int
    """Optimiser steps, or rounds."""
    stopped_early: bool
    history: list[dict[str, Any]]
    """One row per validation: step, train_loss (mean of the steps since the last one), validation_loss (as
    it is), selection_loss (with the intercept re-fitted), learning_rate (of its last step), seconds (since
    the last one, with the validation), samples_per_second (training only), temperature."""
    seconds: float
    """In training and validation, over all invocations that led here."""
    samples_per_second: float
    """Training windows per second of training time."""
    peak_memory_bytes: int
    device: str
    precision: str
    micro_batch: int
    threads: int | None
    """CPU threads of PyTorch; None for a model that does not use it."""
    resumed: bool
    kwh: float | None = None
    """Of the processor and card while this trained, over all invocations; None where nothing was measured."""
