"""Time and speed of a training, and when to check it again. Knows nothing of what is trained."""

from __future__ import annotations

import time

PULSE_SECONDS = 1.0
"""Time between two looks at the running loss; on an accelerator each look waits for the device."""


class Meter:
    """A stop watch for one stretch of steps."""

    def __init__(self) -> None:
        self.start()

    def start(self) -> None:
        """Begin a stretch."""
        self._started = self._pulsed = time.perf_counter()
        self._windows, self._first = 0, True

    def stop(self) -> float:
        """Seconds since the start (or the last stop); starts again."""
        seconds = time.perf_counter() - self._started
        self.start()
        return seconds

    def step(self, n_windows: int) -> bool:
        """Count a step and return whether to check now. The first step is checked: it finds bad data at
        once."""
        self._windows += n_windows
        first, self._first = self._first, False
        return first or time.perf_counter() - self._pulsed >= PULSE_SECONDS

    def speed(self) -> float:
        """Windows per second since the last look."""
        now = time.perf_counter()
        speed = self._windows / max(now - self._pulsed, 1e-9)
        self._pulsed, self._windows = now, 0
        return speed
