"""Where a temperature can be read: Linux sensors, NVIDIA cards, or a file for rehearsals.

Each sensor only reads; `lib.training.thermal` decides what a temperature means. Those of Apple Silicon are
in `lib.training.apple_sensors`.
"""

from __future__ import annotations

import contextlib
import platform
import sys
from pathlib import Path
from typing import Protocol

import psutil

from lib.config.training import ThermalConfig
from lib.errors import ConfigError
from lib.training.apple_sensors import apple_sensor

_CPU_CHIPS = ("coretemp", "k10temp", "zenpower", "cpu_thermal", "cpu-thermal", "soc_thermal", "x86_pkg_temp")
_GPU_CHIPS = ("amdgpu", "nouveau", "radeon", "xe", "i915")


class Sensor(Protocol):
    """One source of readings."""

    @property
    def name(self) -> str:
        """For people."""

    @property
    def degrees(self) -> bool:
        """False where the last reading only gives the band of the machine."""

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
    """The hottest CPU or GPU chip that the kernel shows (hwmon, or thermal zones where there is none)."""

    name = "Linux hardware monitor"
    degrees = True

    def read(self) -> float | None:
        """Maximum over the chips that matter: a hot SSD or wireless card says nothing about training."""
        found: dict[str, list[float]] = {}
        if sys.platform != "linux":
            return None
        for name, inputs in psutil.sensors_temperatures().items():
            labels = {each.label for each in inputs}
            # AMD's Tctl may carry an offset for fan control; Tdie, where it exists, is the true value.
            found[name] = [e.current for e in inputs if not (e.label == "Tctl" and "Tdie" in labels)]
        chips = [found[name] for name in (*_CPU_CHIPS, *_GPU_CHIPS) if name in found]
        return max((value for values in chips or found.values() for value in values), default=None)


class NvidiaSensor:
    """The hottest NVIDIA card that this process may use (NVML)."""

    name = "NVIDIA management library"
    degrees = True

    def __init__(self) -> None:
        from lib.training.nvidia import visible_cards

        self._cards = visible_cards()

    def read(self) -> float | None:
        """Maximum over the cards."""
        import pynvml

        values: list[float] = []
        for card in self._cards:
            with contextlib.suppress(pynvml.NVMLError):
                values.append(float(pynvml.nvmlDeviceGetTemperature(card, pynvml.NVML_TEMPERATURE_GPU)))
        return max(values, default=None)


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
    if platform.system() == "Darwin":
        found = apple_sensor(config)
        return [found] if found else []
    candidates: list[Sensor] = [LinuxSensor()]
    with contextlib.suppress(Exception):  # no driver, library or permission: all mean "no such sensor"
        candidates.append(NvidiaSensor())
    return [sensor for sensor in candidates if sensor.read() is not None]
