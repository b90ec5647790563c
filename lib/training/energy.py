"""The energy that a training takes, from the counters of processors (RAPL) and of an NVIDIA card (NVML).

A counter belongs to the whole processor or card, whoever uses it. Where the system shows none (Apple Silicon,
and Linux where RAPL is root's alone), nothing is measured; nothing is estimated.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, Self

from lib.data.io import write_text_atomic

FILE = "energy.txt"
"""In the state directory: joules of the invocations so far."""
EVERY_SECONDS = 60.0
"""A kill forgets so much. Less than the time in which a busy processor's counter runs over (half an hour)."""


class Counter(Protocol):
    """Counts up, and starts over at `range`, if it has one."""

    range: float | None

    def joules(self) -> float:
        """What it shows now; OSError if it cannot be read."""


class ProcessorCounter:
    """A processor in the kernel's power capping framework.

    Args:
        folder: for example ``/sys/class/powercap/intel-rapl:0`` (AMD's have the same name).
    """

    def __init__(self, folder: Path) -> None:
        self._file = folder / "energy_uj"
        self.range: float | None = int((folder / "max_energy_range_uj").read_text()) / 1e6

    def joules(self) -> float:
        """Since some moment in the past."""
        return int(self._file.read_text()) / 1e6


class CardCounter:
    """The NVIDIA card that CUDA trains on."""

    range: float | None = None

    def __init__(self) -> None:
        from lib.training.nvidia import visible_cards

        self._card = visible_cards()[0]

    def joules(self) -> float:
        """Since the driver was loaded."""
        import pynvml

        try:
            return float(pynvml.nvmlDeviceGetTotalEnergyConsumption(self._card)) / 1e3
        except pynvml.NVMLError as error:
            raise OSError(str(error)) from None


def find_counters(device: str, root: Path = Path("/sys/class/powercap")) -> list[Counter]:
    """The counters that can be read on this machine; a card's only if it is trained on (`device` is cuda)."""
    candidates: list[Counter] = []
    for folder in sorted(root.glob("intel-rapl:*")):
        with contextlib.suppress(OSError, ValueError):
            if (folder / "name").read_text().startswith("package"):  # the others are parts of one, or all
                candidates.append(ProcessorCounter(folder))
    if device == "cuda":
        with contextlib.suppress(Exception):  # no driver, library or permission: all mean "no such counter"
            candidates.append(CardCounter())
    return [counter for counter in candidates if _read(counter) is not None]


class EnergyMeter:
    """Adds up what the counters counted inside `with`, over all invocations of a run.

    Args:
        counters: none: nothing is measured.
        folder: the state directory; None: this invocation only.
    """

    def __init__(self, counters: Sequence[Counter], folder: Path | None = None) -> None:
        self._counters = list(counters)
        self._path = folder / FILE if folder else None
        self._joules = self._earlier()
        self._seen: list[float | None] = []
        self._end = threading.Event()

    def __enter__(self) -> Self:
        if self._counters:
            self._seen = [_read(counter) for counter in self._counters]
            self._thread = threading.Thread(target=self._watch, name="energy", daemon=True)
            self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        if self._counters:
            self._end.set()
            self._thread.join()
            self.add()

    @property
    def kwh(self) -> float | None:
        """Kilowatt-hours so far; None where nothing is measured."""
        return self._joules / 3.6e6 if self._counters else None

    def add(self) -> None:
        """Add what was used since the last look. A disk error never stops training."""
        for number, counter in enumerate(self._counters):
            before, now = self._seen[number], _read(counter)
            if before is not None and now is not None:
                wrapped = counter.range if now < before and counter.range else 0.0
                self._joules += max(0.0, now - before + wrapped)
            self._seen[number] = now if now is not None else before
        if self._path:
            with contextlib.suppress(OSError):
                write_text_atomic(self._path, f"{self._joules:.1f}\n")

    def _watch(self) -> None:
        while not self._end.wait(EVERY_SECONDS):
            self.add()

    def _earlier(self) -> float:
        try:
            return float(self._path.read_text()) if self._path else 0.0
        except (OSError, ValueError):
            return 0.0


def _read(counter: Counter) -> float | None:
    try:
        return counter.joules()
    except (OSError, ValueError):
        return None
