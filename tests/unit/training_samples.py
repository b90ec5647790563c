"""Tiny samples, networks and processes for the tests of the training engine."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cloudpickle
import numpy as np
import torch
from torch import nn

from lib.config.training import Recipe, Runtime
from lib.datasets.windows import Samples
from lib.errors import TrainingStopped
from lib.training.context import TrainingContext, TrainingResult
from lib.training.engine import train

LENGTH, CHANNELS = 6, 3


def make_samples(n: int = 80, seed: int = 0, task: str = "direction") -> Samples:
    """Windows on random bars whose target leans on the last bar."""
    stream = np.random.default_rng(seed)
    matrix = stream.normal(size=(n + LENGTH - 1, CHANNELS)).astype(np.float32)
    ends = np.arange(LENGTH - 1, len(matrix), dtype=np.int64)
    signal = matrix[ends, 0] + 0.5 * stream.normal(size=n)
    target = (signal > 0 if task == "direction" else signal).astype(np.float32)
    return Samples(
        matrix=matrix,
        ends=ends,
        target=target,
        dates=np.datetime64("2001-01-01") + np.arange(n),
        symbols=np.full(n, "^GSPC", dtype=object),
        context_length=LENGTH,
        horizon=1,
        task=task,
        channel_names=tuple(f"c{i}" for i in range(CHANNELS)),
    )


class TinyNetwork(nn.Module):
    """A network with dropout, so that resuming wrongly shows; `fault` is called before each forward."""

    def __init__(self, dropout: float = 0.3, seed: int = 1) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.body = nn.Sequential(
            nn.Flatten(), nn.Linear(LENGTH * CHANNELS, 16), nn.LayerNorm(16), nn.GELU(), nn.Dropout(dropout)
        )
        self.head = nn.Linear(16, 1)
        self.output_layers = [self.head]
        self.fault: Any = None

    def forward(self, windows: torch.Tensor) -> torch.Tensor:
        if self.fault:
            self.fault(self)
        output: torch.Tensor = self.head(self.body(windows)).squeeze(-1)
        return output


class StopAt:
    """A guard that finds the machine too hot after some step, once."""

    last = maximum = None

    def __init__(self, step: int) -> None:
        self.step = step

    def check(self, step: int) -> None:
        if step == self.step:
            raise TrainingStopped("too hot")


def recipe(**changes: Any) -> Recipe:
    """Short, but with warm-up, four validations and more than two passes over the windows."""
    usual = {"learning_rate": 1e-2, "max_steps": 12, "validate_every_steps": 3, "effective_batch": 16}
    return Recipe(**(usual | {"schedule": "cosine"} | changes))


def context(folder: Path, **changes: Any) -> TrainingContext:
    runtime = {"device": "cpu", "precision": "fp32", "threads": 1, "checkpoint_every_steps": 3}
    runtime |= changes.pop("runtime", {})
    settings = {"seed": 7, "fingerprint": "f", "micro_batch": 4} | changes
    return TrainingContext(state_dir=folder / "state", runtime=Runtime(**runtime), **settings)


TRAIN, SELECTION = make_samples(), make_samples(40, 1)


def fit(
    folder: Path, network: TinyNetwork | None = None, **changes: Any
) -> tuple[TinyNetwork, TrainingResult]:
    network = network or TinyNetwork()
    chosen = recipe(**changes.pop("recipe", {}))
    return network, train(network, TRAIN, SELECTION, "bce", chosen, context(folder, **changes))


def rows(result: TrainingResult) -> list[dict[str, Any]]:
    """What of a history is the same to the byte after an interruption."""
    keys = ("step", "train_loss", "validation_loss", "selection_loss", "learning_rate")
    return [{key: row[key] for key in keys} for row in result.history]


def weights_hash(network: nn.Module) -> str:
    digest = hashlib.sha256()
    for name, value in network.state_dict().items():
        digest.update(name.encode() + value.numpy().tobytes())
    return digest.hexdigest()


def in_child(work: Callable[[], None]) -> subprocess.Popen[bytes]:
    """A real process to be killed. A fresh one: macOS does not bear a fork after PyTorch was used."""
    code = f"import sys; sys.path[:] = {sys.path!r}; import cloudpickle; cloudpickle.load(sys.stdin.buffer)()"
    child = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE)
    assert child.stdin is not None
    child.stdin.write(cloudpickle.dumps(work))
    child.stdin.close()
    return child


def wait_until(condition: Callable[[], Any], seconds: float = 240) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.002)
