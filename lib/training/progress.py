"""One line of progress for long training: step, loss, speed, temperature and time left.

On a terminal the line is refreshed in place; elsewhere (a log file, Snakemake's captured output) a line is
written every few seconds. Measures nothing: the engine reports to it.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TextIO

from lib.training.heartbeat import Beat, Heart

_ERASE = "\r\x1b[K"
_said: set[str] = set()


def say(message: str, stream: TextIO | None = None) -> None:
    """Write one message to standard error, clear of a progress line that may stand there."""
    stream = stream or sys.stderr
    start = _ERASE if _is_terminal(stream) else ""
    with contextlib.suppress(OSError, ValueError):  # a closed terminal must not end training
        stream.write(f"{start}{message}\n")
        stream.flush()


def say_once(key: str, message: str) -> None:
    """`say`, but only the first time for this key: a search trains many networks in one process."""
    if key not in _said:
        _said.add(key)
        say(message)


def duration(seconds: float) -> str:
    """``3725`` to ``1h02m``; at most two units, rounded."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02d}s"
    if whole < 86_400:
        return f"{whole // 3600}h{whole % 3600 // 60:02d}m"
    return f"{whole // 86_400}d{whole % 86_400 // 3600:02d}h"


class Progress:
    """Progress of one training run.

    Args:
        total_steps: at most so many (early stopping may end sooner; the time left is an upper bound).
        label: what is being trained.
        stream: default standard error, as it is when a line is written.
        every_seconds: between two lines; default 0.2 on a terminal and 10 elsewhere.
        now: the clock, in seconds.
        state_dir: where signs of life are left for `make status`; None: nowhere.
    """

    def __init__(
        self,
        total_steps: int,
        label: str,
        stream: TextIO | None = None,
        *,
        every_seconds: float | None = None,
        now: Callable[[], float] = time.monotonic,
        state_dir: Path | None = None,
    ) -> None:
        self.total_steps = total_steps
        self.label = label
        self._stream = stream
        self._every = every_seconds
        self._now = now
        self._first: tuple[float, int] | None = None
        self._written_at: float | None = None
        self._open_line = False
        self._heart = Heart(state_dir, now)
        self._beat: Beat | None = None

    def update(
        self,
        step: int,
        loss: float | None = None,
        samples_per_second: float | None = None,
        temperature: float | None = None,
    ) -> None:
        """Report where training is; a line is written only when one is due.

        Args:
            step: optimiser steps done.
            loss: of the latest step.
            samples_per_second: training speed.
            temperature: latest, in degrees Celsius.
        """
        moment = self._now()
        if self._first is None:  # a resumed run starts in the middle: only its own steps give its speed
            self._first = (moment, step)
        left = self._seconds_left(moment, step)
        self._beat = Beat(
            self.label,
            os.getpid(),
            step,
            self.total_steps,
            loss,
            samples_per_second,
            temperature,
            left,
            time.time(),
        )
        self._heart.beat(self._beat)
        parts = [f"step {step}/{self.total_steps}"]
        if loss is not None:
            parts.append(f"loss {loss:.4f}")
        if samples_per_second:
            parts.append(f"{samples_per_second:,.0f} samples/s")
        if temperature is not None:
            parts.append(f"{temperature:.0f} °C")
        self._write(moment, *parts, _at_most(left))

    def alive(self, doing: str, temperature: float | None = None) -> None:
        """A sign of life where no step is done: nothing is written to the terminal.

        Args:
            doing: in words, for example ``validating``.
            temperature: latest, in degrees Celsius; None leaves the last one.
        """
        if self._beat is None:  # nothing to show yet
            return
        warmth = self._beat.temperature if temperature is None else temperature
        self._heart.beat(replace(self._beat, doing=doing, temperature=warmth, moment=time.time()))

    def validated(self, step: int, train_loss: float, selection_loss: float, best: bool = False) -> None:
        """Report the losses after a validation; not written more often than other lines."""
        moment = self._now()
        mark = " (best)" if best else ""
        losses = (f"train {train_loss:.4f}", f"selection {selection_loss:.4f}{mark}")
        self._write(
            moment, f"step {step}/{self.total_steps}", *losses, _at_most(self._seconds_left(moment, step))
        )

    def close(self, message: str | None = None) -> None:
        """End the line; `message` stays below it. Calling it again does nothing more."""
        stream = self._stream or sys.stderr
        if message is not None:
            say(f"{self.label}  {message}", stream)
        elif self._open_line:
            say("", stream)
        self._open_line = False

    def _interval(self) -> float:
        if self._every is not None:
            return self._every
        return 0.2 if _is_terminal(self._stream or sys.stderr) else 10.0

    def _seconds_left(self, moment: float, done: int) -> float | None:
        if self._first is None or done <= self._first[1]:
            return None
        per_step = (moment - self._first[0]) / (done - self._first[1])
        return max(0, self.total_steps - done) * per_step

    def _write(self, moment: float, *parts: str) -> None:
        """Write a line of these parts, if one is due."""
        if self._written_at is not None and moment - self._written_at < self._interval():
            return
        self._written_at = moment
        stream, text = self._stream or sys.stderr, "  ".join(filter(None, (self.label, *parts)))
        with contextlib.suppress(OSError, ValueError):  # a closed terminal must not end training
            if _is_terminal(stream):
                stream.write(_ERASE + text)
                self._open_line = True
            else:
                stream.write(text + "\n")
            stream.flush()


class NullProgress(Progress):
    """Says nothing."""

    def __init__(self) -> None:
        super().__init__(1, "")

    def close(self, message: str | None = None) -> None:
        """Nothing."""

    def _write(self, moment: float, *parts: str) -> None:
        """Nothing."""


def _at_most(seconds: float | None) -> str:
    return "" if seconds is None else f"at most {duration(seconds)} left"


def _is_terminal(stream: TextIO) -> bool:
    try:
        return stream.isatty()
    except (AttributeError, ValueError):
        return False
