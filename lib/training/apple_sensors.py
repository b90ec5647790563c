"""Temperature of an Apple Silicon machine, read without a password.

macOS itself shows no temperatures there, only the thermal pressure: a level from nominal to sleeping, which
is mapped to the guard's bands. `macmon`, where it is installed, gives degrees. All of this follows the tools'
documentation and was never run on such hardware (unverified); the tests replace the tools by programs with
the documented output.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from typing import TYPE_CHECKING

from lib.config.training import ThermalConfig
from lib.training.progress import say_once

if TYPE_CHECKING:
    from lib.training.sensors import Sensor

_LEVELS = ("nominal", "moderate", "heavy", "trapping", "sleeping")
_ASLEEP = 10.0
"""Degrees Celsius; macmon shows a part of the chip that is switched off as 0 or a little more."""
_TRIES = 3


class MacmonSensor:
    """`macmon`, which needs no sudo: the warmer of CPU and GPU."""

    name = "macmon"
    degrees = True

    def read(self) -> float | None:
        """One sample of `macmon pipe`, or None if it gives none."""
        text = _output(["macmon", "pipe", "-s", "1", "-i", "200"])
        try:
            temperatures = json.loads(text.splitlines()[0])["temp"]
            found = [float(temperatures[name]) for name in ("cpu_temp_avg", "gpu_temp_avg")]
        except (ValueError, KeyError, IndexError, TypeError):
            return None
        return max((value for value in found if value > _ASLEEP), default=None)


class _Levels:
    """Gives a level of thermal pressure as a value inside that level's band."""

    degrees = False

    def __init__(self, config: ThermalConfig) -> None:
        self._values = _values(config)


class PowermetricsSensor(_Levels):
    """The thermal pressure from `powermetrics`; for root, or where sudo needs no password."""

    name = "powermetrics"

    def read(self) -> float | None:
        """A value inside the band of the present level, or None."""
        rights = [] if os.geteuid() == 0 else ["sudo", "-n"]  # -n: fail rather than ask
        # Its sampler `smc`, which has temperatures, does not exist on M-series machines.
        text = _output([*rights, "powermetrics", "--samplers", "thermal", "-n", "1", "-i", "200"])
        match = re.search(r"pressure level:\s*(\w+)", text)
        return self._values.get(match.group(1).lower()) if match else None


class PressureSensor(_Levels):
    """The thermal pressure that the system shows every user."""

    name = "macOS thermal pressure"

    def read(self) -> float | None:
        """A value inside the band of the present level, or None."""
        text = _output(["notifyutil", "-g", "com.apple.system.thermalpressurelevel"])
        match = re.search(r"(\d+)\s*$", text)
        if match and int(match.group(1)) < len(_LEVELS):
            return self._values[_LEVELS[int(match.group(1))]]
        return self._from_speed_limit(_output(["pmset", "-g", "therm"]))

    def _from_speed_limit(self, text: str) -> float | None:
        match = re.search(r"CPU_Speed_Limit\s*=\s*(\d+)", text)
        if not match:  # as on Apple Silicon, which has no such line: no information
            return None
        # A limit below 100 % means that the system has begun to throttle.
        return self._values["heavy" if int(match.group(1)) < 100 else "nominal"]


class FirstThatReads:
    """Several ways to the same temperature: the first that gives a reading counts.

    A way that gives none three times in a row is dropped, until none of them gives one.
    """

    def __init__(self, sensors: Sequence[Sensor]) -> None:
        self._failures = dict.fromkeys(range(len(sensors)), 0)
        self._sensors = list(sensors)
        self._current = self._sensors[0]

    @property
    def name(self) -> str:
        """Of the sensor that gave the last reading."""
        return self._current.name

    @property
    def degrees(self) -> bool:
        """Whether the last reading is a temperature."""
        return self._current.degrees

    def read(self) -> float | None:
        """Reading of the first sensor that gives one; a change to another is reported once."""
        for number, sensor in enumerate(self._sensors):
            if self._failures[number] >= _TRIES:
                continue
            value = sensor.read()
            if value is None:
                self._failures[number] += 1
                continue
            self._failures[number] = 0
            if sensor is not self._current:
                say_once(
                    f"{self._current.name} to {sensor.name}",
                    f"WARNING: {self._current.name} gives no reading; {sensor.name} is read instead.",
                )
            self._current = sensor
            return value
        self._failures = dict.fromkeys(self._failures, 0)
        return None


def apple_sensor(config: ThermalConfig) -> FirstThatReads | None:
    """The sensors that give a reading on this machine now, the best first; None if none does."""
    ways: list[Sensor] = []
    if shutil.which("macmon"):
        ways.append(MacmonSensor())
    if shutil.which("powermetrics"):
        ways.append(PowermetricsSensor(config))
    ways.append(PressureSensor(config))
    working = [way for way in ways if way.read() is not None]
    return FirstThatReads(working) if working else None


def _values(config: ThermalConfig) -> dict[str, float]:
    """For each level a value inside one of the guard's bands; in the middle, so that the guard acts on it."""
    moderate, heavy = (config.monitor + config.warn) / 2, (config.warn + config.stop) / 2
    values = (config.monitor - 1, moderate, heavy, config.stop + 1, config.stop + 1)
    return dict(zip(_LEVELS, values, strict=True))


def _output(command: list[str]) -> str:
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=5, check=False, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError):
        return ""
    return done.stdout if done.returncode == 0 else ""
