"""How models are trained, cooled and tracked.

`Recipe` decides results and is part of a run's identity; `Runtime`, `ThermalConfig` and `TrackingConfig`
decide only where and how comfortably, so changing them never re-trains anything.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from lib.config.base import StrictModel
from lib.config.confidential import Address


class Recipe(StrictModel):
    """The recipe: optimiser, schedule, batch, stopping. Defaults are those without a search."""

    learning_rate: float = Field(1e-4, gt=0)
    min_learning_rate: float = Field(1e-6, ge=0)
    betas: tuple[float, float] = (0.9, 0.999)
    weight_decay: float = Field(1e-5, ge=0)
    gradient_clip: float = Field(1.0, gt=0)
    warmup_steps: int = Field(100, ge=0)
    warmup_max_share: float = Field(0.1, ge=0, le=1)
    """Warm-up takes at most this share of all steps."""
    max_epochs: int = Field(100, ge=1)
    patience: int = Field(10, ge=1)
    """Epochs without a better validation loss before training stops."""
    effective_batch: int = Field(256, ge=1)
    """Windows per optimiser step; reached by accumulating micro-batches."""
    window_stride: int = Field(1, ge=1)
    """Training uses every n-th window of an epoch, from a new random offset each epoch."""
    validation_stride: int = Field(1, ge=1)
    """Early stopping looks at every n-th validation window (predictions cover all of them)."""
    explosion_factor: float = Field(20.0, gt=1)
    """A batch loss above this multiple of the first epoch's mean counts as divergence."""


class Runtime(StrictModel):
    """The machine: what to run on and how often to save."""

    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    compile: Literal["auto", "on", "off"] = "auto"
    threads: int | Literal["auto"] = "auto"
    """`auto`: all cores when one job runs at a time, the rule's threads otherwise. A run that has begun
    keeps its threads: another number would give other bytes."""
    memory_share: float = Field(0.8, gt=0, le=1)
    """Share of the free memory that a training step may use."""
    checkpoint_every_epochs: int = Field(5, ge=1)
    keep_checkpoints: int = Field(3, ge=1)
    lock_timeout_seconds: float = Field(60.0, ge=0)
    """How long to wait for another process that still trains the same run."""


class TrainingConfig(Recipe, Runtime):
    """The `training:` section: the recipe and the machine side by side."""

    def recipe(self) -> Recipe:
        """Only what decides results."""
        return Recipe(**{name: getattr(self, name) for name in Recipe.model_fields})

    def runtime(self) -> Runtime:
        """Only what the machine decides."""
        return Runtime(**{name: getattr(self, name) for name in Runtime.model_fields})


class ThermalConfig(StrictModel):
    """Temperature bands in degrees Celsius (what the guard does: docs/runbook.md)."""

    sensor: str = "auto"
    """`auto`, `off`, or `file:PATH` (a text file holding one number, for rehearsals)."""
    check_every_steps: int = Field(100, ge=1)
    """Steps between two readings. A sensor that is slow itself (a program) is read more rarely, so that
    readings take 2 % of the time at most."""
    check_every_seconds: float = Field(5.0, gt=0)
    """Read the sensor after this time even if fewer steps were done (large models have long steps)."""
    monitor: float = 70.0
    warn: float = 85.0
    """From here on the machine pauses between steps, as long as it takes to settle just below."""
    stop: float = 95.0
    cooldown_seconds: float = Field(300.0, ge=0)
    """If it is still above `warn` after so long at the longest pauses between steps: length of one cool-down
    pause, repeated until below `monitor`."""
    max_cooldowns: int = Field(12, ge=1)
    """After so many pauses in a row a machine that is still above `warn` stops, state saved."""


class TrackingConfig(StrictModel):
    """Optional experiment trackers; all they get is also in plain files."""

    mlflow: bool = False
    mlflow_uri: Address | None = None
    """Default: a SQLite store at `results/tracking/mlflow.db`."""
    wandb: Literal["off", "offline", "online"] = "off"
    project: str = "scaling-laws"
    folder: Path = Path("results/tracking")
