"""How models are trained, cooled and tracked.

`Recipe` decides results and is part of a run's identity; `Runtime`, `ThermalConfig` and `TrackingConfig`
decide only where and how comfortably, so changing them never re-trains anything.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, model_validator

from lib.config.base import StrictModel
from lib.config.confidential import Address

REPLACED = {
    "max_epochs": "max_steps",
    "patience": "patience_steps",
    "warmup_steps": "warmup_share",
    "warmup_max_share": "warmup_share",
    "window_stride": "max_steps",
    "checkpoint_every_epochs": "checkpoint_every_steps",
}
"""Keys that counted in epochs, with what took their place."""


def refuse_replaced(names: Iterable[str]) -> None:
    """Refuse keys that counted in epochs.

    Raises:
        ValueError: names the keys that replace them.
    """
    old = [f"`{name}` is now `{REPLACED[name]}`" for name in names if name in REPLACED]
    if old:
        raise ValueError(f"{'; '.join(old)}: training is counted in optimiser steps (config/README.md)")


class Recipe(StrictModel):
    """The recipe: optimiser, schedule, batch, stopping. Everything is counted in optimiser steps, so that
    runs which differ in their size, their channels or their share of the history differ in nothing else."""

    learning_rate: float = Field(1e-4, gt=0)
    """Peak. With parametrization `mup` that of a network as wide as the 2M one; others follow from it."""
    min_learning_rate: float = Field(1e-6, ge=0)
    betas: tuple[float, float] = (0.9, 0.999)
    weight_decay: float = Field(1e-5, ge=0)
    gradient_clip: float = Field(1.0, gt=0)
    max_steps: int = Field(300, ge=1)
    warmup_share: float = Field(0.1, ge=0, le=1)
    """Share of `max_steps` in which the rate rises linearly."""
    schedule: Literal["cosine", "stable"] = "stable"
    """`cosine`: half a cosine down to the end of `max_steps`, cut off where patience ends it; `stable`: the
    peak rate until patience or the steps run out, then down in a straight line over `decay_steps`
    (warm-up-stable-decay)."""
    decay_steps: int = Field(50, ge=1)
    """Of `stable`; part of `max_steps`, at most all of them."""
    validate_every_steps: int = Field(10, ge=1)
    patience_steps: int = Field(100, ge=1)
    """Steps without a better selection loss before training stops (`cosine`) or anneals (`stable`)."""
    averaging: float = Field(0.0, ge=0, lt=1)
    """Decay per step of an exponential moving average of the weights, which is then what is validated and
    kept; 0: the weights themselves."""
    effective_batch: int = Field(64, ge=1)
    """Windows per optimiser step; reached by accumulating micro-batches."""
    validation_stride: int = Field(1, ge=1)
    """Early stopping looks at every n-th selection window (predictions cover all of them)."""
    explosion_factor: float = Field(20.0, gt=1)
    """A batch loss above this multiple of the mean loss until the first validation counts as divergence."""

    @model_validator(mode="before")
    @classmethod
    def _counted_in_steps(cls, given: Any) -> Any:
        if isinstance(given, dict):
            refuse_replaced(given)
        return given

    @property
    def annealing_steps(self) -> int:
        """Steps in which `stable` goes down."""
        return min(self.decay_steps, self.max_steps)

    @property
    def decay_begins_by(self) -> int:
        """Step from which `stable` anneals at the latest."""
        return self.max_steps - self.annealing_steps


class Runtime(StrictModel):
    """The machine: what to run on and how often to save."""

    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    """One for all runs of a study. `auto`: bf16 where the processor or card has instructions for it (not on
    MPS), decided when the first batch size is found."""
    compile: Literal["auto", "on", "off"] = "auto"
    threads: int | Literal["auto"] = "auto"
    """`auto`: all cores when one job runs at a time, the rule's threads otherwise. A run that has begun
    keeps its threads: another number would give other bytes."""
    memory_share: float = Field(0.8, gt=0, le=1)
    """Share of the free memory that a training step may use."""
    checkpoint_every_steps: int = Field(50, ge=1)
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
    """Optional experiment trackers; everything they receive is also in plain files."""

    mlflow: bool = False
    mlflow_uri: Address | None = None
    """Default: a SQLite store at `results/tracking/mlflow.db`."""
    wandb: Literal["off", "offline", "online"] = "off"
    project: str = "scaling-laws"
    folder: Path = Path("results/tracking")
