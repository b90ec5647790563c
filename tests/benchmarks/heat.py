"""The thermal guard on machines of paper: temperature, duty cycle and throughput (`make bench-heat`).

A machine warms towards ambient + load x rise with a time constant of its own, and cools in pauses. The guard
is the real one; clock and sensor are the model's, so hours take seconds and every run is the same. Beside
it stands a guard without a throttle: half a second of pause after each step in the hot band, and cool-down
pauses if that did not help by the next reading, until it is below `monitor`. A model is no measurement: it
shows what the guard does with such a machine, not how warm any machine gets.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from lib.config.training import ThermalConfig
from lib.errors import TrainingStopped
from lib.training.thermal import ThermalGuard

ROOT = Path(__file__).resolve().parents[2]
TARGET = ROOT / "results" / "benchmarks" / "heat.json"


@dataclass(frozen=True)
class Body:
    """One part of a machine that warms at its own pace."""

    rise: float
    """Degrees Celsius between idle and full load, once settled."""
    seconds: float
    """Time constant: after this long 63 % of the way is gone."""


@dataclass(frozen=True)
class Heat:
    """How warm a machine gets: `idle` degrees Celsius without load, each body's rise on top."""

    idle: float
    bodies: tuple[Body, ...]


MACHINES = {
    "cool: settles at 75 °C": Heat(45.0, (Body(30.0, 90.0),)),
    "M4 Max: settles at 92 °C": Heat(45.0, (Body(47.0, 90.0),)),
    "the same, its chip ahead of its case": Heat(45.0, (Body(17.0, 2.0), Body(30.0, 240.0))),
    "badly cooled: settles at 120 °C": Heat(45.0, (Body(75.0, 90.0),)),
    "heated by something else: 92 °C idle": Heat(92.0, (Body(10.0, 90.0),)),
}


@dataclass
class Machine:
    """A simulated machine; it is the guard's clock and its only sensor."""

    heat: Heat
    name: str = "a model"
    degrees: bool = True
    reading_seconds: float = 0.0
    """What a reading takes; the machine is idle meanwhile."""
    seconds: float = 0.0
    worked: float = 0.0
    above: list[float] = field(default_factory=list)
    """Degrees of each body above idle; at first it is cold."""
    curve: list[tuple[float, float]] = field(default_factory=list)
    """Seconds and degrees Celsius of each reading."""

    def __post_init__(self) -> None:
        self.above = self.above or [0.0] * len(self.heat.bodies)

    @property
    def celsius(self) -> float:
        """Temperature now."""
        return self.heat.idle + sum(self.above)

    def work(self, seconds: float) -> None:
        """A step of training."""
        self.worked += seconds
        self._pass(seconds, 1.0)

    def sleep(self, seconds: float) -> None:
        """A pause."""
        self._pass(seconds, 0.0)

    def now(self) -> float:
        """Monotonic seconds."""
        return self.seconds

    def read(self) -> float:
        """What the sensor says."""
        self._pass(self.reading_seconds, 0.0)
        self.curve.append((self.seconds, self.celsius))
        return self.celsius

    def _pass(self, seconds: float, load: float) -> None:
        self.seconds += seconds
        for number, body in enumerate(self.heat.bodies):
            end = load * body.rise
            self.above[number] = end + (self.above[number] - end) * math.exp(-seconds / body.seconds)


class Guard(Protocol):
    """What stands between two steps."""

    def check(self, step: int) -> None:
        """Called after each step."""


class PausesOnly:
    """The baseline: no throttle. Half a second after each step while hot, then cool-down pauses."""

    def __init__(self, machine: Machine, config: ThermalConfig, every_seconds: float = 30.0) -> None:
        self.machine, self.config, self.every = machine, config, every_seconds
        self.slow, self.read_at, self.steps = False, -math.inf, 0

    def check(self, step: int) -> None:
        """A reading if one is due, and what follows from it."""
        self.steps += 1
        if self.steps >= self.config.check_every_steps or self.machine.now() - self.read_at >= self.every:
            self.read_at, self.steps = self.machine.now(), 0
            self._act(self.machine.read())
        if self.slow:
            self.machine.sleep(0.5)

    def _act(self, value: float) -> None:
        config, pauses = self.config, 0
        self._refuse(value)
        while self.slow and value >= (config.monitor if pauses else config.warn):
            if pauses == config.max_cooldowns:
                raise TrainingStopped("it does not cool down")
            self.machine.sleep(config.cooldown_seconds)
            value, pauses = self.machine.read(), pauses + 1
            self.read_at = self.machine.now()
            self._refuse(value)
        self.slow = value >= config.warn or (self.slow and value >= config.monitor)

    def _refuse(self, value: float) -> None:
        if value > self.config.stop:
            raise TrainingStopped(f"{value:.0f} °C is above the limit")


@dataclass(frozen=True)
class Outcome:
    """What became of some hours of training."""

    throughput: float
    """Share of the time that was worked in the second half, or until it was stopped."""
    settled: float
    """Mean temperature of the readings in that time, in degrees Celsius."""
    highest: float
    curve: list[tuple[float, float]]
    stopped: str | None


def train(machine: Machine, guard: Guard, step_seconds: float, hours: float) -> Outcome:
    """Train on a machine for some hours, or until the guard stops it."""
    stopped, end, step = None, hours * 3600.0, 0
    half = (0.0, 0.0)
    try:
        while machine.seconds < end:
            if half == (0.0, 0.0) and machine.seconds >= end / 2:
                half = machine.seconds, machine.worked
            step += 1
            machine.work(step_seconds)
            guard.check(step)
    except TrainingStopped as stop:
        stopped = str(stop).split(". ")[0]
    late = [celsius for moment, celsius in machine.curve if moment >= half[0]]
    return Outcome(
        (machine.worked - half[1]) / (machine.seconds - half[0]),
        sum(late) / len(late),
        max(celsius for _, celsius in machine.curve),
        machine.curve,
        stopped,
    )


def guarded(machine: Machine, config: ThermalConfig | None = None) -> ThermalGuard:
    """The real guard on a machine of paper."""
    return ThermalGuard(config or ThermalConfig(), [machine], machine.sleep, machine.now)


def _drawn(curve: list[tuple[float, float]], every: float = 60.0, minutes: int = 30) -> str:
    """The first half hour, a point a minute."""
    points = []
    for minute in range(minutes):
        found = [celsius for moment, celsius in curve if minute * every <= moment < (minute + 1) * every]
        points.append(f"{max(found):.0f}" if found else "·")
    return " ".join(points)


def main() -> None:
    """Every machine with either guard; write and print what became of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hours", type=float, default=4.0)
    parser.add_argument("--reading", type=float, default=0.0, help="seconds that a reading takes")
    arguments = parser.parse_args()
    rows = []
    for name, heat in MACHINES.items():
        for step_seconds in (0.02, 5.0):
            for words in ("throttle", "pauses only"):
                machine = Machine(heat, reading_seconds=arguments.reading)
                guard: Guard = (
                    guarded(machine) if words == "throttle" else PausesOnly(machine, ThermalConfig())
                )
                outcome = train(machine, guard, step_seconds, arguments.hours)
                rows.append(
                    {
                        "machine": name,
                        "step_seconds": step_seconds,
                        "guard": words,
                        "throughput": round(outcome.throughput, 3),
                        "settled": round(outcome.settled, 1),
                        "highest": round(outcome.highest, 1),
                        "stopped": outcome.stopped,
                    }
                )
                sys.stdout.write(
                    f"{name}, steps of {step_seconds:g} s, {words}: throughput {outcome.throughput:.0%}, "
                    f"mean {outcome.settled:.1f} °C, highest {outcome.highest:.1f} °C"
                    f"{f', {outcome.stopped}' if outcome.stopped else ''}\n"
                    f"    °C, highest of each minute: {_drawn(outcome.curve)}\n"
                )
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    TARGET.write_text(json.dumps(rows, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
