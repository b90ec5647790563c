"""CPU threads of a training: as many as it started with, wherever it continues.

Sums of floating-point numbers depend on how they are split, so another number of threads gives other bytes.
PyTorch starts as many threads as configured, also on fewer cores. Imports no torch.
"""

from __future__ import annotations

import os
from collections.abc import MutableMapping

from lib.config.training import Runtime
from lib.training.progress import say_once

SPIN = {"GOMP_SPINCOUNT": "1000", "KMP_BLOCKTIME": "1"}
"""How long OpenMP's threads wait busily for each other before they sleep: rounds for GCC's (Linux),
milliseconds for LLVM's (macOS)."""


def spin_briefly(environment: MutableMapping[str, str] = os.environ) -> None:
    """Let the OpenMP threads of processes that start from here on give up a core that another process wants.

    By default they spin while they wait, so that a training beside one busy process all but stops
    (`make bench-training` shows both). What the user has set stays.

    Args:
        environment: of the processes that will be started.
    """
    for name, value in SPIN.items():
        environment.setdefault(name, value)


def available_cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def first_threads(runtime: Runtime, job_threads: int | None) -> int:
    """Threads of a training that begins now.

    Args:
        runtime: the configuration.
        job_threads: threads this job may use with `threads: auto`; None when it runs alone, and then all
            cores are used, whatever OMP_NUM_THREADS says.
    """
    return runtime.threads if runtime.threads != "auto" else job_threads or available_cores()


def kept_threads(runtime: Runtime, threads: int, name: str) -> Runtime:
    """The configuration with the threads a training started with; warns once if there are fewer cores now.

    Args:
        runtime: the configuration.
        threads: that number.
        name: of the training, for the warning.
    """
    cores = available_cores()
    if threads > cores:
        say_once(
            f"{name}: threads",
            f"WARNING: {name}: begun with {threads} threads, and only {cores} of the cores here may be used. "
            "It goes on with as many threads, slower, so that its result stays the same to the byte.",
        )
    return runtime.model_copy(update={"threads": threads})
