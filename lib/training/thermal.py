"""The thermal guard: slows training down on a hot machine and stops it on one that is too hot.

It reads a sensor now and then and pauses or raises; saving the state is the engine's part. The bands, in
degrees Celsius (`ThermalConfig`): below `monitor` nothing, up to `warn` a note, up to `stop` pauses, above
`stop` the end.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence

from lib.config.training import ThermalConfig
from lib.errors import TrainingStopped
from lib.training.progress import duration, say, say_once
from lib.training.sensors import Sensor, find_sensors
from lib.training.temperatures import TemperatureRecord

PLAUSIBLE = (-30.0, 150.0)
"""Degrees Celsius; anything else is a sensor's error."""
_SLICE_SECONDS = 1.0


class ThermalGuard:
    """Called at every step; cheap unless a reading is due.

    Args:
        config: bands and pauses.
        sensors: the hottest of them counts. Empty: the guard does nothing.
        clock: how to pause for a number of seconds.
        now: monotonic seconds.
        record: where readings are kept; default: in memory.

    Attributes:
        last: latest temperature in degrees Celsius, or None.
        record: readings of this and earlier invocations.
        should_stop: set by the engine; a long pause ends early when it becomes true, so that a signal that
            only sets a flag is honoured within a second.
        alive: told each second of a pause what is done (words) and the latest temperature, for those who
            watch.
    """

    def __init__(
        self,
        config: ThermalConfig,
        sensors: Sequence[Sensor],
        clock: Callable[[float], None] = time.sleep,
        now: Callable[[], float] = time.monotonic,
        record: TemperatureRecord | None = None,
    ) -> None:
        self.config = config
        self.sensors = list(sensors)
        self.last: float | None = None
        self.record = record or TemperatureRecord()
        self.should_stop: Callable[[], bool] = lambda: False
        self.alive: Callable[[str, float | None], None] = lambda doing, celsius: None
        self._sleep = clock
        self._now = now
        self._steps_since_reading = 0
        self._read_at: float | None = None
        self._slow = False
        self._monitoring = False
        self._had_reading: set[str] = set()

    @classmethod
    def from_config(
        cls,
        config: ThermalConfig,
        clock: Callable[[float], None] = time.sleep,
        now: Callable[[], float] = time.monotonic,
        record: TemperatureRecord | None = None,
    ) -> ThermalGuard:
        """A guard with the sensors of this machine. That there is none is said once, loudly.

        Raises:
            ConfigError: unknown `thermal.sensor`.
        """
        sensors = find_sensors(config)
        if not sensors and config.sensor != "off":
            say_once(
                "no sensor",
                "WARNING: NO TEMPERATURE SENSOR WAS FOUND. Training is NOT protected against overheating.\n"
                "         Watch the machine yourself, or give a sensor with `thermal.sensor: file:PATH`;\n"
                "         `thermal.sensor: off` silences this.",
            )
        return cls(config, sensors, clock, now, record)

    @property
    def sensor_name(self) -> str | None:
        """What is read, or None."""
        return ", ".join(sensor.name for sensor in self.sensors) or None

    @property
    def maximum(self) -> float | None:
        """Highest temperature of all invocations in degrees Celsius, or None."""
        return self.record.maximum

    def check(self, step: int) -> None:
        """Look after the machine between two steps: may pause, for minutes if it is hot.

        Args:
            step: number of the optimiser step, for the log.

        Raises:
            TrainingStopped: the temperature is above `stop`, or the machine does not cool down.
        """
        if not self.sensors:
            return
        if not self._is_due():
            if self._slow:
                self._pause(self.config.step_pause_seconds)
            return
        value = self._read(step)
        if value is None:
            self._slow = False
            return
        self._refuse_heat(value, step)
        if value >= self.config.warn:
            if self._slow:
                self._cool_down(step)
            else:
                self._slow = True
                say(
                    f"Hot: {self._text(value)} at step {step}. Training pauses "
                    f"{self.config.step_pause_seconds:g} s after each step until it is below "
                    f"{self.config.monitor:g} °C."
                )
        elif value < self.config.monitor:
            if self._slow:
                say(f"Cool again: {self._text(value)} at step {step}. Training goes on at full speed.")
            self._slow = False
        elif not self._monitoring:
            say(f"Warm: {self._text(value)} at step {step}; pauses begin at {self.config.warn:g} °C.")
        self._monitoring = value >= self.config.monitor
        if self._slow:
            self._pause(self.config.step_pause_seconds)

    def _is_due(self) -> bool:
        """The first step, then every `check_every_steps` or `check_every_seconds`, whichever is sooner."""
        moment = self._now()
        self._steps_since_reading += 1
        if (
            self._read_at is None
            or self._steps_since_reading >= self.config.check_every_steps
            or moment - self._read_at >= self.config.check_every_seconds
        ):
            self._read_at, self._steps_since_reading = moment, 0
            return True
        return False

    def _cool_down(self, step: int) -> None:
        for number in range(1, self.config.max_cooldowns + 1):
            say(
                f"Still hot: {self._text(self.last)}. Cool-down pause {number} of "
                f"{duration(self.config.cooldown_seconds)}; training waits until below "
                f"{self.config.monitor:g} °C."
            )
            self._pause(self.config.cooldown_seconds, "cooling down")
            if self.should_stop():
                return
            value = self._read(step)
            self._read_at = self._now()
            if value is None or value < self.config.monitor:
                self._slow = False
                say(f"Cool again: {self._text(value)}. Training goes on.")
                return
            self._refuse_heat(value, step)
        if self.last is not None and self.last >= self.config.warn:
            total = duration(self.config.max_cooldowns * self.config.cooldown_seconds)
            raise TrainingStopped(
                f"Training stopped at step {step}: still {self._text(self.last)} after {total} of cool-down "
                f"pauses. Something else heats this machine. {_HOW_TO_CONTINUE}"
            )
        say(f"This machine rests at {self._text(self.last)}. Training goes on with pauses between steps.")

    def _refuse_heat(self, value: float, step: int) -> None:
        if value > self.config.stop:
            raise TrainingStopped(
                f"Training stopped at step {step}: {self._text(value)} is above the limit of "
                f"{self.config.stop:g} °C (thermal.stop). {_HOW_TO_CONTINUE}"
            )

    def _read(self, step: int) -> float | None:
        """The hottest plausible reading; what is wrong with a sensor is said once and otherwise ignored."""
        hottest: tuple[float, bool] | None = None
        for sensor in self.sensors:
            try:
                value = sensor.read()
            except Exception as error:
                say_once(f"{sensor.name} failed", f"WARNING: {sensor.name} cannot be read ({error}).")
                continue
            if value is None:
                gone = "has vanished" if sensor.name in self._had_reading else "gives no reading"
                say_once(
                    f"{sensor.name} {gone}",
                    f"WARNING: the temperature sensor ({sensor.name}) {gone}. Training goes on without it.",
                )
            elif math.isnan(value) or not PLAUSIBLE[0] <= value <= PLAUSIBLE[1]:
                say_once(
                    f"{sensor.name} implausible",
                    f"WARNING: implausible temperature {value:g} °C from {sensor.name}; such readings are "
                    "ignored.",
                )
            else:
                self._had_reading.add(sensor.name)
                if hottest is None or value > hottest[0]:
                    hottest = (value, sensor.degrees)
        if hottest is None:
            return None
        value, in_degrees = hottest
        if in_degrees:  # a pressure level steers the guard but must not stand in a table as a temperature
            self.last = value
        self.record.add(step, value if in_degrees else None, self._band(value))
        return value

    def _band(self, value: float) -> str:
        if value > self.config.stop:
            return "stop"
        if value >= self.config.warn:
            return "warn"
        return "monitor" if value >= self.config.monitor else "normal"

    def _pause(self, seconds: float, doing: str = "slowed by heat") -> None:
        left = seconds
        while left > 0 and not self.should_stop():
            self.alive(doing, self.last)
            self._sleep(min(left, _SLICE_SECONDS))
            left -= _SLICE_SECONDS

    def _text(self, value: float | None) -> str:
        if self.last is None or value is None:
            return f"the band of {self.sensor_name}"
        return f"{value:.0f} °C"


_HOW_TO_CONTINUE = (
    "The work so far is saved. Let the machine cool, then continue with the same command and "
    "--rerun-incomplete, for example:\n  snakemake --cores 1 --rerun-incomplete results/report.html"
)
