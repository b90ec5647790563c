"""Readings of the thermal guard over all invocations of a run: a small file in the state directory.

Every line ends in the name of a band, and none of these names begins another: a line that a kill has torn is
recognised and passed over. `lib.training.thermal` decides what a temperature means.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from lib.training.progress import say_once

FILE = "temperatures.csv"
BANDS = ("normal", "monitor", "warn", "stop")
"""From cool to hot, as the limits of `ThermalConfig` divide them."""
PUBLISHED = 100
"""At most so many readings go into a run's provenance."""


class Reading(NamedTuple):
    """One look at the sensors."""

    moment: float
    """Seconds since 1970."""
    step: int
    """Optimiser steps done."""
    celsius: float | None
    """None where the sensor only knows the band."""
    paused: float
    """Seconds that the guard has paused the run so far, over all invocations."""
    band: str


class TemperatureRecord:
    """Readings of one run, kept where the next invocation finds them.

    Kept are a first reading, every new maximum, every change of the band, and otherwise one each
    `every_seconds`: 100 hours are 1.5 MB.

    Args:
        folder: the state directory; None: in memory only.
        every_seconds: between two readings that say the same.
        clock: seconds since 1970.
    """

    def __init__(
        self, folder: Path | None = None, every_seconds: float = 10.0, clock: Callable[[], float] = time.time
    ) -> None:
        self._path = folder / FILE if folder else None
        self._every = every_seconds
        self._clock = clock
        self._loaded: list[Reading] | None = None
        self._maximum: float | None = None
        self._paused = 0.0
        self._torn = False

    @property
    def readings(self) -> list[Reading]:
        """All that were kept, oldest first."""
        return self._load_once()

    @property
    def maximum(self) -> float | None:
        """Highest temperature in degrees Celsius, or None if there is none."""
        return self._maximum if self.readings else None

    @property
    def paused(self) -> float:
        """Seconds of pauses, over all invocations; a kill forgets those after the last reading kept."""
        self._load_once()
        return self._paused

    def add_pause(self, seconds: float) -> None:
        """Count a pause."""
        self._paused += seconds

    def add(self, step: int, celsius: float | None, band: str) -> None:
        """Keep a reading, unless it adds nothing new. A disk error never stops training."""
        new = Reading(self._clock(), step, celsius, round(self.paused, 1), band)
        if not self._is_new(new):
            return
        self.readings.append(new)
        if celsius is not None and (self._maximum is None or celsius > self._maximum):
            self._maximum = celsius
        if self._path is None:
            return
        text = (
            f"{new.moment:.0f},{step},{'' if celsius is None else f'{celsius:.1f}'},{new.paused:.1f},{band}\n"
        )
        try:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(f"\n{text}" if self._torn else text)
            self._torn = False
        except OSError as error:
            say_once(
                f"{self._path}",
                f"WARNING: {self._path}: temperatures are not written down ({error.strerror}). Training is "
                "watched all the same.",
            )

    def published(self) -> list[dict[str, Any]]:
        """At most `PUBLISHED` readings for the run's provenance, the hottest of each stretch."""
        readings = self.readings
        n = min(PUBLISHED, len(readings))
        bounds = [len(readings) * number // n for number in range(n + 1)] if n else [0]
        stretches = [readings[begin:end] for begin, end in pairwise(bounds)]
        return [_plain(max(stretch, key=_heat)) for stretch in stretches]

    def _is_new(self, new: Reading) -> bool:
        if not self.readings or self.readings[-1].band != new.band:
            return True
        if new.celsius is not None and (self.maximum is None or new.celsius > self.maximum):
            return True
        # A clock that was set back would otherwise keep readings out for hours.
        return not 0 <= new.moment - self.readings[-1].moment < self._every

    def _load_once(self) -> list[Reading]:
        if self._loaded is None:  # not before the first use: only then is the state directory held
            self._loaded = self._load()
            self._maximum = max((r.celsius for r in self._loaded if r.celsius is not None), default=None)
            self._paused += max((r.paused for r in self._loaded), default=0.0)
        return self._loaded

    def _load(self) -> list[Reading]:
        try:
            text = self._path.read_text(encoding="utf-8", errors="replace") if self._path else ""
        except OSError:
            return []
        self._torn = bool(text) and not text.endswith("\n")
        return [reading for line in text.splitlines() if (reading := _parse(line))]


def _parse(line: str) -> Reading | None:
    try:
        moment, step, celsius, paused, band = line.split(",")
        if band not in BANDS:
            return None
        return Reading(float(moment), int(step), float(celsius) if celsius else None, float(paused), band)
    except ValueError:
        return None


def _heat(reading: Reading) -> tuple[int, float]:
    return BANDS.index(reading.band), reading.celsius or 0.0


def _plain(reading: Reading) -> dict[str, Any]:
    moment = datetime.fromtimestamp(reading.moment, UTC).isoformat(timespec="seconds")
    return reading._asdict() | {"moment": moment}
