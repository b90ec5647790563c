"""Signs of life of long jobs: a small file in each state directory, for `make status`.

The lock, not the file, shows whether a job still runs: a killed process leaves the file and loses the lock.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from lib.training.retention import FINISHED

FILE = "status.json"
EVERY_SECONDS = 2.0


@dataclass(frozen=True)
class Beat:
    """Where a training was at a moment."""

    label: str
    process: int
    step: int
    total_steps: int
    loss: float | None
    samples_per_second: float | None
    temperature: float | None
    seconds_left: float | None
    moment: float
    """Seconds since 1970."""
    doing: str = "running"
    """In words, where it is not training at full speed."""


@dataclass(frozen=True)
class Status:
    """A beat and whether its process still holds the state directory."""

    folder: Path
    beat: Beat
    running: bool


class Heart:
    """Writes beats into a state directory, at most every two seconds; a full disk never stops training."""

    def __init__(self, folder: Path | None, now: Callable[[], float] = time.monotonic) -> None:
        self.folder = folder
        self._now = now
        self._beaten_at: float | None = None

    def beat(self, beat: Beat) -> None:
        """Write a beat if one is due."""
        moment = self._now()
        if self.folder is None or (self._beaten_at is not None and moment - self._beaten_at < EVERY_SECONDS):
            return
        self._beaten_at = moment
        temporary = self.folder / f".{FILE}.{os.getpid()}"
        with contextlib.suppress(OSError, ValueError):
            temporary.write_text(json.dumps(asdict(beat)), encoding="utf-8")
            temporary.replace(self.folder / FILE)


def read_statuses(root: Path) -> list[Status]:
    """Every running or unfinished training below `root`, the latest first."""
    found = []
    for path in root.rglob(FILE):
        if ".aside-" in path.parent.name:
            continue
        with contextlib.suppress(OSError, ValueError, TypeError):
            beat = Beat(**json.loads(path.read_text(encoding="utf-8")))
            running = _is_held(path.parent)
            if running or not (path.parent / FINISHED).exists():
                found.append(Status(path.parent, beat, running))
    return sorted(found, key=lambda status: -status.beat.moment)


def _is_held(folder: Path) -> bool:
    """Whether a process holds the lock of a state directory."""
    lock = folder.with_name(folder.name + ".lock")
    if not lock.exists():
        return False
    try:
        with FileLock(lock, timeout=0):
            return False
    except Timeout:
        return True
