"""The machine before a study: disk, memory, power, accelerator, sensor, clock. Only queries the system.

PyTorch is imported only on request: that alone takes longer than all of these checks together.
"""

from __future__ import annotations

import contextlib
import os
import platform
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import psutil

from lib.config.training import Runtime, ThermalConfig
from lib.errors import StudyError
from lib.study.preflight.check import Check
from lib.study.preflight.needs import PROCESS, Needs
from lib.study.preview import gigabytes
from lib.training.sensors import find_sensors
from lib.tuning.hardware import free_memory

EXCHANGE = "America/New_York"
BF16_CAPABILITY = (8, 0)
"""NVIDIA cards from this compute capability on multiply in bf16 (Ampere, 2020)."""
BF16_FLAGS = frozenset({"avx512_bf16", "amx_tile"})
"""What Linux calls the processor instructions that make bf16 faster than fp32."""
AHEAD_SECONDS = 60.0
SPARE = 1.25
"""Free space below this multiple of the need is a warning."""


def disk(folder: Path, need: Needs) -> Check:
    """Free space where the study works, against what it has still to write."""
    free = shutil.disk_usage(folder).free
    found = f"{gigabytes(free)} free; to come: about {gigabytes(need.disk)}"
    parts = f"{gigabytes(need.results)} of models and predictions, {gigabytes(need.data)} of data"
    if need.checkpoints:
        parts += f", {gigabytes(need.checkpoints)} of checkpoints while a {need.budget} model trains"
    found += f" ({parts})" if need.disk else ""
    if free < need.disk:
        advice = "Make space (make disk says what may go), or work on another disk: snakemake --directory."
        return Check("disk", "fail", found, advice)
    if free < SPARE * need.disk:
        return Check("disk", "warn", found, "Little room is left: make disk says what may go.")
    return Check("disk", "pass", found)


def memory(need: Needs, runtime: Runtime) -> Check:
    """Memory of the machine (or of its control group), and of its card, against the largest model."""
    total, free = psutil.virtual_memory().total, free_memory()
    found = f"{gigabytes(free)} free of {gigabytes(total)}"
    if need.budget is None:
        return Check("memory", "pass", f"{found}; no model with a budget is left to train")
    cards = _cards() if runtime.device in ("auto", "cuda") else []
    wanted = need.beside_a_card if cards else need.memory
    found += f"; training {need.budget} takes about {gigabytes(wanted)}"
    advice = f"{need.budget} cannot be trained here: leave it out of `budgets:`, or use another machine."
    if cards:
        found += f", and {gigabytes(need.memory - PROCESS)} on the card ({gigabytes(cards[0].free)} free)"
        if cards[0].total < need.memory - PROCESS:
            return Check("memory", "fail", found, advice)
    if total < wanted:
        return Check("memory", "fail", found, advice)
    if free < wanted or (cards and cards[0].free < need.memory - PROCESS):
        return Check("memory", "warn", found, "Close other programs before the largest models train.")
    return Check("memory", "pass", found)


def power() -> Check:
    """Whether a battery is being emptied."""
    battery = psutil.sensors_battery() if hasattr(psutil, "sensors_battery") else None
    if battery is None:
        return Check("power", "pass", "no battery found", unchecked="whether the machine may fall asleep")
    found = f"battery at {battery.percent:.0f} %"
    if battery.power_plugged is False:
        return Check("power", "warn", f"{found}, not plugged in", "Plug it in; forbid sleep while it trains.")
    return Check("power", "pass", f"{found}, plugged in", unchecked="whether the machine may fall asleep")


def accelerator(runtime: Runtime, ask_torch: bool = False) -> Check:
    """What training would compute on, and whether it has bf16.

    Args:
        runtime: the configuration; `device: cuda` on a machine without a card fails.
        ask_torch: import PyTorch and let it choose, as training does. Takes seconds.
    """
    if ask_torch:
        from lib.training.devices import Device

        try:
            device = Device.choose(runtime)
        except StudyError as error:
            return Check("accelerator", "fail", "PyTorch refuses", str(error))
        words = [device.kind, device.name or "", device.precision, f"{device.threads} threads"]
        return Check("accelerator", "pass", ", ".join(word for word in words if word) + " (asked PyTorch)")
    kinds = {"cpu": _processor()} | _apple()
    if cards := _cards():
        kinds["cuda"] = "cuda, " + "; ".join(card.words() for card in cards)
    chosen = runtime.device if runtime.device != "auto" else list(kinds)[-1]
    unchecked = "whether PyTorch can use it (make preflight TORCH=1)"
    if chosen not in kinds:
        advice = f"training.device: {chosen} is asked for. Use `device: auto`, or fix the driver."
        return Check("accelerator", "fail", f"no {chosen} here: {kinds['cpu']}", advice, unchecked)
    return Check("accelerator", "pass", kinds[chosen], unchecked=unchecked)


def _processor() -> str:
    with contextlib.suppress(OSError):
        words = set(Path("/proc/cpuinfo").read_text(encoding="utf-8").split())
        fast = "bf16" if words & BF16_FLAGS else "fp32 (no fast bf16)"
        return f"cpu, {os.cpu_count()} cores, {fast}"
    return f"cpu, {os.cpu_count()} cores"


def _apple() -> dict[str, str]:
    if platform.system() == "Darwin" and platform.machine() == "arm64":
        return {"mps": "mps, Apple GPU, fp32 (shares the machine's memory)"}
    return {}


@dataclass(frozen=True)
class _Card:
    name: str
    bf16: bool
    free: int
    total: int

    def words(self) -> str:
        precision = "bf16" if self.bf16 else "fp32 (no bf16)"
        return f"{self.name}, {precision}, {gigabytes(self.free)} free of {gigabytes(self.total)}"


def _cards() -> list[_Card]:
    """NVIDIA cards that this process may use, the first of which PyTorch takes."""
    try:
        import pynvml

        from lib.training.nvidia import visible_cards

        return [_card(pynvml, card) for card in visible_cards()]
    except Exception:  # no library, driver or permission: no card that could be used
        return []


def _card(nvml: Any, handle: Any) -> _Card:
    name, room = nvml.nvmlDeviceGetName(handle), nvml.nvmlDeviceGetMemoryInfo(handle)
    able = tuple(nvml.nvmlDeviceGetCudaComputeCapability(handle)) >= BF16_CAPABILITY
    return _Card(name if isinstance(name, str) else name.decode(), able, int(room.free), int(room.total))


def sensor(config: ThermalConfig) -> Check:
    """Whether the thermal guard will see anything."""
    name = "temperature"
    if config.sensor == "off":
        return Check(name, "warn", "thermal.sensor: off", "Nothing protects this machine from overheating.")
    try:
        sensors = find_sensors(config)
    except StudyError as error:
        return Check(name, "fail", config.sensor, str(error))
    readings = [(found, value) for found in sensors if (value := found.read()) is not None]
    values = [value for _, value in readings]
    if not values:
        advice = "Training is NOT protected against overheating. Watch it, or name a file with a reading: "
        return Check(name, "warn", "no sensor gives a reading", advice + "thermal.sensor: file:PATH.")
    found = ", ".join(f"{s.name} {value:.0f} °C" if s.degrees else s.name for s, value in readings)
    if max(values) >= config.warn:
        return Check(name, "warn", found, "Hot before anything runs: training would begin with pauses.")
    return Check(name, "pass", found)


def clock(recorded: Iterable[Path], now: datetime | None = None) -> Check:
    """Whether the clock can be right: files from its future would re-run, or never run, what depends on them.

    Args:
        recorded: files or folders of the study.
        now: the moment; default the system's.
    """
    now = now or datetime.now(UTC)
    found = now.astimezone().strftime("%Y-%m-%d %H:%M %Z (UTC%z)")
    unchecked = "whether the clock is exact (that needs a network)"
    try:
        ZoneInfo(EXCHANGE)
    except ZoneInfoNotFoundError:
        advice = "Install the system's time zones (package tzdata): bars that are still running need them."
        return Check("clock", "fail", f"{found}; the zone {EXCHANGE} is not known", advice, unchecked)
    times = {path: path.stat().st_mtime for path in recorded if path.exists()}
    latest = max(times, key=lambda path: times[path], default=None)
    if latest is not None and times[latest] > now.timestamp() + AHEAD_SECONDS:
        moment = datetime.fromtimestamp(times[latest], UTC).astimezone().strftime("%Y-%m-%d %H:%M")
        advice = "Set the clock; Snakemake decides by times what is out of date."
        return Check("clock", "fail", f"{found}, but {latest} is of {moment}", advice, unchecked)
    return Check("clock", "pass", found, unchecked=unchecked)
