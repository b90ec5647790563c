"""The thermal guard: slows training down on a hot machine and stops it on one that is too hot.

It reads a sensor regularly and pauses or raises; the engine saves the state. The bands, in degrees Celsius
(`ThermalConfig`): below `monitor` nothing, up to `warn` a note, up to `stop` pauses, above `stop` the end.
The pauses between steps are those of `lib.training.throttle`, which settles just below `warn`; long cool-down
pauses are for a machine that stays hot although it hardly works.
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
from lib.training.throttle import MARGIN, Throttle

PLAUSIBLE = (-30.0, 150.0)
"""Degrees Celsius; anything else is a sensor's error."""
_SLICE_SECONDS = 1.0
_SHORTEST_PAUSE = 0.1
"""Seconds; less is saved up, because no system sleeps exactly for a millisecond."""
_READING_SHARE = {False: 0.02, True: 0.05}
"""Of the time at most, at full speed and slowed down: 100 small steps take no longer than a sensor that is a
program."""


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
        alive: called each second of a pause with the activity (text) and the latest temperature, for
            observers.
        throttle: sets the share of time that is worked while it is hot.
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
        self.throttle = Throttle(config.warn - MARGIN)
        self._steps_since_reading = 0
        self._read_at: float | None = None
        self._reading_seconds = 0.0
        self._resumed_at: float | None = None
        self._limit_since: float | None = None
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
        """A guard with the sensors of this machine. Their absence is reported once, clearly.

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

    def check(self, step: int) -> None:
        """Check the machine between two steps: may pause, for minutes if it is hot.

        Args:
            step: number of the optimiser step, for the log.

        Raises:
            TrainingStopped: the temperature is above `stop`, or the machine does not cool down.
        """
        if not self.sensors:
            return
        begin = self._now()
        if self._is_due(begin):
            value = self._read(step)
            self._reading_seconds = self._now() - begin
            if value is None:
                self._slow = False
            else:
                self._refuse_heat(value, step)
                self._steer(value, step)
        if self._slow and self._resumed_at is not None:
            self._slow_down(worked=begin - self._resumed_at, idle=self._now() - begin)
        self._resumed_at = self._now()

    def _is_due(self, moment: float) -> bool:
        """The first step, then every `check_every_steps` or `check_every_seconds`, whichever is sooner."""
        self._steps_since_reading += 1
        if self._read_at is not None:
            since = moment - self._read_at
            by_steps = self._steps_since_reading >= self.config.check_every_steps
            if not by_steps and since < self.config.check_every_seconds:
                return False
            if since < self._reading_seconds / _READING_SHARE[self._slow]:
                return False
        self._read_at, self._steps_since_reading = moment, 0
        return True

    def _steer(self, value: float, step: int) -> None:
        """Set the pace of the next steps from a temperature below the limit."""
        config = self.config
        if value >= config.warn and not self._slow:
            self._slow, self.throttle.owed = True, 0.0
            say(
                f"Hot: {self._text(value)} at step {step}. Training pauses between steps, as long as it "
                f"takes to stay below {config.warn:g} °C."
            )
        elif value >= config.monitor and not (self._monitoring or self._slow):
            say(f"Warm: {self._text(value)} at step {step}; pauses begin at {config.warn:g} °C.")
        self._monitoring = value >= config.monitor
        if not self._slow:
            return
        moment = self._now()
        self.throttle.update(value, moment)
        if value < config.monitor and self.throttle.is_off:
            self._slow = False
            say(f"Cool again: {self._text(value)} at step {step}. Training goes on at full speed.")
        elif not (self.throttle.at_limit and value >= config.warn):
            self._limit_since = None
        elif self._limit_since is None:
            self._limit_since = moment
        elif moment - self._limit_since >= config.cooldown_seconds:
            self._limit_since = None
            self._cool_down(value, step)

    def _slow_down(self, worked: float, idle: float) -> None:
        """Pause for as long as the work since the last check requires, but never longer than to cool down."""
        self.throttle.book(worked, idle)
        if self.throttle.owed >= _SHORTEST_PAUSE:
            self._pause(min(self.throttle.owed, self.config.cooldown_seconds))
            self.throttle.owed = 0.0

    def _cool_down(self, hot: float, step: int) -> None:
        value = hot
        for number in range(1, self.config.max_cooldowns + 1):
            say(
                f"Still hot: {self._text(value)}, though hardly working. Cool-down pause {number} of "
                f"{duration(self.config.cooldown_seconds)}; training waits until below "
                f"{self.config.monitor:g} °C."
            )
            self._pause(self.config.cooldown_seconds, "cooling down")
            if self.should_stop():
                return
            found = self._read(step)
            self._read_at = self._now()
            if found is None or found < self.config.monitor:
                say(f"Cool again: {self._text(found)}. Training goes on.")
                return
            value = found
            self._refuse_heat(value, step)
        if value >= self.config.warn:
            total = duration(self.config.max_cooldowns * self.config.cooldown_seconds)
            raise TrainingStopped(
                f"Training stopped at step {step}: still {self._text(value)} after {total} of cool-down "
                f"pauses. Something else heats this machine. {_HOW_TO_CONTINUE}"
            )
        say(f"This machine rests at {self._text(value)}. Training goes on with pauses between steps.")

    def _refuse_heat(self, value: float, step: int) -> None:
        if value > self.config.stop:
            raise TrainingStopped(
                f"Training stopped at step {step}: {self._text(value)} is above the limit of "
                f"{self.config.stop:g} °C (thermal.stop). {_HOW_TO_CONTINUE}"
            )

    def _read(self, step: int) -> float | None:
        """The hottest plausible reading; a sensor's fault is reported once and otherwise ignored."""
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
        begin, left = self._now(), seconds
        while left > 0 and not self.should_stop():
            self.alive(doing, self.last)
            self._sleep(min(left, _SLICE_SECONDS))
            left -= _SLICE_SECONDS
        self.record.add_pause(self._now() - begin)

    def _text(self, value: float | None) -> str:
        if self.last is None or value is None:
            return f"the band of {self.sensor_name}"
        return f"{value:.0f} °C"


_HOW_TO_CONTINUE = (
    "The work so far is saved. Let the machine cool, then continue with the same command and "
    "--rerun-incomplete, for example:\n  snakemake --cores 1 --rerun-incomplete results/report.html"
)
