"""Where a temperature can be read: Linux sensors, NVIDIA cards, Apple Silicon, or a file for rehearsals.

Each sensor only reads; `lib.training.thermal` decides what a temperature means. The Apple sensors follow
their tools' documentation and could not be run on such hardware (unverified).
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any, Protocol

from lib.config.training import ThermalConfig
from lib.errors import ConfigError

_CPU_CHIPS = ("coretemp", "k10temp", "zenpower", "cpu_thermal", "cpu-thermal", "soc_thermal", "x86_pkg_temp")
_GPU_CHIPS = ("amdgpu", "nouveau", "radeon", "xe", "i915")


class Sensor(Protocol):
    """One source of readings."""

    name: str
    degrees: bool
    """False where the reading only says which band the machine is in."""

    def read(self) -> float | None:
        """Degrees Celsius now, or None if there is no reading."""


class FileSensor:
    """A text file that holds one number, for rehearsing a hot machine."""

    degrees = True

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = f"file {path}"

    def read(self) -> float | None:
        """The number in the file, or None if there is no file or no number."""
        try:
            return float(self.path.read_text(encoding="utf-8").split()[0])
        except (OSError, ValueError, IndexError):
            return None


class LinuxSensor:
    """The hottest CPU or GPU chip among /sys/class/hwmon and the thermal zones (through psutil)."""

    name = "Linux hardware monitor"
    degrees = True

    def read(self) -> float | None:
        """Maximum over the chips that matter: a hot SSD or wireless card says nothing about training."""
        import psutil

        readings: dict[str, list[Any]] = getattr(psutil, "sensors_temperatures", dict)()
        chips = {name: entries for name, entries in readings.items() if name in (*_CPU_CHIPS, *_GPU_CHIPS)}
        values: list[float] = []
        for entries in (chips or readings).values():
            labels = {entry.label for entry in entries}
            # AMD's Tctl may carry an offset for fan control; Tdie, where it exists, is the true value.
            kept = [entry for entry in entries if not (entry.label == "Tctl" and "Tdie" in labels)]
            values += [entry.current for entry in kept if entry.current is not None]
        return max(values, default=None)


class NvidiaSensor:
    """The hottest NVIDIA card that this process may use (NVML)."""

    name = "NVIDIA management library"
    degrees = True

    def __init__(self) -> None:
        import pynvml

        pynvml.nvmlInit()
        self._nvml: Any = pynvml
        self._cards = self._visible()

    def _visible(self) -> list[Any]:
        named = os.environ.get("CUDA_VISIBLE_DEVICES", "").strip()
        try:
            words = [word.strip() for word in named.split(",") if word.strip()]
            cards = [
                self._nvml.nvmlDeviceGetHandleByIndex(int(word))
                if word.isdigit()
                else self._nvml.nvmlDeviceGetHandleByUUID(word)
                for word in words
            ]
            if cards:
                return cards
        except self._nvml.NVMLError:
            pass
        return [
            self._nvml.nvmlDeviceGetHandleByIndex(index) for index in range(self._nvml.nvmlDeviceGetCount())
        ]

    def read(self) -> float | None:
        """Maximum over the cards."""
        values: list[float] = []
        for card in self._cards:
            try:
                kind = self._nvml.NVML_TEMPERATURE_GPU
                values.append(float(self._nvml.nvmlDeviceGetTemperature(card, kind)))
            except self._nvml.NVMLError:
                continue
        return max(values, default=None)


class MacmonSensor:
    """Apple Silicon through `macmon` (no sudo): the warmer of CPU and GPU. Unverified."""

    name = "macmon"
    degrees = True

    def read(self) -> float | None:
        """One sample of `macmon pipe`."""
        text = _output(["macmon", "pipe", "-s", "1", "-i", "200"])
        try:
            temperatures = json.loads(text.splitlines()[0])["temp"]
            return max(float(temperatures["cpu_temp_avg"]), float(temperatures["gpu_temp_avg"]))
        except (ValueError, KeyError, IndexError, TypeError):
            return None


class PressureSensor:
    """macOS thermal pressure (no sudo): levels, put into the bands; they are not degrees. Unverified."""

    name = "macOS thermal pressure"
    degrees = False

    def __init__(self, config: ThermalConfig) -> None:
        self._levels = (config.monitor - 1, config.monitor, config.warn, config.stop + 1, config.stop + 1)

    def read(self) -> float | None:
        """A value inside the band of the present level: nominal, moderate, heavy, trapping, sleeping."""
        match = re.search(
            r"(\d+)\s*$", _output(["notifyutil", "-g", "com.apple.system.thermalpressurelevel"])
        )
        if match and int(match.group(1)) < len(self._levels):
            return self._levels[int(match.group(1))]
        return self._from_speed_limit(_output(["pmset", "-g", "therm"]))

    def _from_speed_limit(self, text: str) -> float | None:
        if not text:
            return None
        match = re.search(r"CPU_Speed_Limit\s*=\s*(\d+)", text)
        # A limit below 100 % means that the system has begun to throttle.
        return self._levels[2] if match and int(match.group(1)) < 100 else self._levels[0]


def find_sensors(config: ThermalConfig) -> list[Sensor]:
    """The sensors that give a reading on this machine now; for a file, that file whether or not it exists.

    Raises:
        ConfigError: `thermal.sensor` is none of `auto`, `off`, `file:PATH`.
    """
    if config.sensor == "off":
        return []
    if config.sensor.startswith("file:"):
        return [FileSensor(Path(config.sensor.removeprefix("file:")).expanduser())]
    if config.sensor != "auto":
        raise ConfigError(
            f"thermal.sensor: {config.sensor} is not known. Use `auto`, `off` or `file:PATH`, for example\n"
            "  sensor: auto"
        )
    candidates: list[Sensor] = []
    if platform.system() == "Darwin":
        if shutil.which("macmon"):
            candidates.append(MacmonSensor())
        candidates.append(PressureSensor(config))
        return [sensor for sensor in candidates if sensor.read() is not None][:1]
    candidates.append(LinuxSensor())
    with contextlib.suppress(Exception):  # no driver, library or permission: all mean "no such sensor"
        candidates.append(NvidiaSensor())
    return [sensor for sensor in candidates if sensor.read() is not None]


def _output(command: list[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=5, check=False)
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout if done.returncode == 0 else ""
