"""How much of the time a warm machine may work: a PI controller of the duty cycle.

From temperatures it computes pauses; reads no sensor, knows no clock and never sleeps.
"""

from __future__ import annotations

LOWEST_DUTY = 0.1
"""Share of the time that is worked when throttled to the limit."""
MARGIN = 2.0
"""Degrees Celsius below `warn` at which the temperature is held."""
_PROPORTIONAL = 0.04
"""Duty per degree. A chip whose temperature follows its load at once stays stable up to 25 °C between idle
and full load (one reading's delay); a slower one far beyond."""
_INTEGRAL = _PROPORTIONAL / 60.0
"""Duty per degree and second."""
_LONGEST_INTERVAL = 30.0
"""Seconds. After a validation of minutes one reading does not speak for all of them."""


class Throttle:
    """Holds a temperature by the share of the time in which the machine works.

    Args:
        target: degrees Celsius to settle at.

    Attributes:
        duty: that share now, from `LOWEST_DUTY` to 1.
        owed: seconds of pause that the work so far still requires.
    """

    def __init__(self, target: float) -> None:
        self.target = target
        self.duty = 1.0
        self.owed = 0.0
        self._settled = 1.0  # the integral part: the duty at which the target would be held
        self._updated_at: float | None = None

    @property
    def at_limit(self) -> bool:
        """Whether it cannot slow down further."""
        return self.duty <= LOWEST_DUTY

    @property
    def is_off(self) -> bool:
        """Whether the target is held at full speed."""
        return self._settled >= 1.0 and self.duty >= 1.0

    def update(self, celsius: float, moment: float) -> None:
        """Take a reading into account.

        Args:
            celsius: the temperature, read after work and not in a pause.
            moment: monotonic seconds.
        """
        error = celsius - self.target
        if self._updated_at is not None:
            interval = min(moment - self._updated_at, _LONGEST_INTERVAL)
            self._settled = _within(self._settled - _INTEGRAL * error * interval)
        self._updated_at = moment
        self.duty = _within(self._settled - _PROPORTIONAL * error)

    def book(self, worked: float, idle: float) -> None:
        """Count seconds of work, and seconds since in which the machine was idle anyway."""
        self.owed = max(0.0, self.owed + worked * (1.0 / self.duty - 1.0) - idle)


def _within(duty: float) -> float:
    return min(1.0, max(LOWEST_DUTY, duty))
