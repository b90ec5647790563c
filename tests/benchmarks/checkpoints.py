"""How long training waits for its checkpoints: `python -m tests.benchmarks.checkpoints [BUDGET] [TIMES]`.

A PatchTST (default 20M, `mixed`) is trained with a checkpoint after every second step. Printed: the median of
what one checkpoint keeps the loop waiting, and of what writing it takes altogether; the speed of the steps,
which share the processor with the writing.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.benchmarks.training import CHANNELS, CONTEXT, ROOT, architecture, samples


def timed(owner: type, name: str, seconds: list[float]) -> None:
    """Note how long each call of a method takes."""
    method: Callable[..., Any] = getattr(owner, name)

    def noted(*arguments: Any, **named: Any) -> Any:
        begin = time.perf_counter()
        try:
            return method(*arguments, **named)
        finally:
            seconds.append(time.perf_counter() - begin)

    setattr(owner, name, noted)


def main(budget: str, checkpoints: int) -> None:
    import numpy as np

    from lib.config.training import Recipe, Runtime
    from lib.models.transformer.patchtst import NetworkFactory, PatchTSTSettings
    from lib.training.checkpoint import CheckpointStore
    from lib.training.checkpointing import Checkpointing
    from lib.training.context import TrainingContext
    from lib.training.engine import train

    copied, settled, written = [], [], []  # type: list[float], list[float], list[float]
    timed(Checkpointing, "save", copied)
    timed(Checkpointing, "settle", settled)
    timed(CheckpointStore, "save", written)
    settings = PatchTSTSettings(channel_mode="mixed").model_dump()
    network = NetworkFactory(settings, architecture(budget), CONTEXT, np.zeros(CHANNELS), np.ones(CHANNELS))()
    (ROOT / "results").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=ROOT / "results") as folder:  # /tmp may be memory
        result = train(
            network, samples(512), samples(64), "bce",
            Recipe(max_steps=2 * checkpoints, validate_every_steps=2, effective_batch=256),
            TrainingContext(
                seed=0, state_dir=Path(folder) / "state", runtime=Runtime(checkpoint_every_steps=2)
            ),
        )  # fmt: skip
    # Before each save, and before the result, the one before is settled.
    waits = [copy + settle for copy, settle in zip(copied, settled[1:], strict=False)]
    speeds = [row["samples_per_second"] for row in result.history]
    print(
        f"{budget}, {result.precision} on {result.device}, {result.threads} threads: a checkpoint keeps the "
        f"loop waiting {statistics.median(waits):.3f} s (longest of {len(waits)}: {max(waits):.3f} s); it "
        f"is written in {statistics.median(written):.3f} s, at {statistics.median(speeds[1:]):.0f} samples/s."
    )


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "20M", int(sys.argv[2]) if len(sys.argv) > 2 else 8)
