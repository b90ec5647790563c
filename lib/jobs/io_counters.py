"""Snakemake's benchmarks where the system counts no bytes per process (macOS).

There psutil's processes have no `io_counters`; Snakemake 9.27 takes that for a process that has ended,
discards the whole measurement and warns at the end of every job. With a method that reports the missing bytes
as such, everything else is measured.
"""

from __future__ import annotations

import sys
from typing import NoReturn

import psutil

_METHOD = "io_counters"
"""Of psutil's processes; a Mac has none, and the types of psutil know that."""


def _no_counters(process: psutil.Process) -> NoReturn:
    raise NotImplementedError("this system does not count the bytes that a process reads and writes")


def measure_without_bytes() -> bool:
    """For the workflow, before any job; whether bytes read and written stay unknown here."""
    if not hasattr(psutil.Process, _METHOD):
        setattr(psutil.Process, _METHOD, _no_counters)
    return getattr(psutil.Process, _METHOD) is _no_counters


def say_what_is_not_measured() -> None:
    """Once, when a study starts."""
    if measure_without_bytes():
        print(
            "Benchmarks: this system does not count bytes read and written; `-` or NA stands for them.",
            file=sys.stderr,
        )
