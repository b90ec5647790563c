"""The guard on simulated machines: it settles just below `warn` and keeps most of the speed."""

from __future__ import annotations

import pytest

from lib.config.training import ThermalConfig
from lib.training.throttle import LOWEST_DUTY, MARGIN, Throttle
from tests.benchmarks.heat import MACHINES, Body, Heat, Machine, Outcome, PausesOnly, guarded, train

CONFIG = ThermalConfig()
HOURS = 2.0


def throttled(heat: Heat, step_seconds: float = 0.5, **machine: float) -> tuple[Machine, Outcome]:
    simulated = Machine(heat, **machine)
    return simulated, train(simulated, guarded(simulated), step_seconds, HOURS)


def machine_named(words: str) -> Heat:
    return next(heat for name, heat in MACHINES.items() if words in name)


@pytest.mark.parametrize("step_seconds", [0.05, 1.0, 8.0])
def test_a_machine_that_would_get_too_warm_settles_just_below_the_hot_band(step_seconds: float) -> None:
    heat = machine_named("92 °C")
    _, outcome = throttled(heat, step_seconds)
    late = [celsius for moment, celsius in outcome.curve if moment > HOURS * 1800]
    assert CONFIG.warn - MARGIN - 1.0 < min(late) <= max(late) < CONFIG.warn
    assert outcome.highest < CONFIG.warn + 2.0
    possible = (CONFIG.warn - MARGIN - heat.idle) / heat.bodies[0].rise  # the duty that holds the target
    assert outcome.throughput == pytest.approx(possible, abs=0.02)


def test_without_a_throttle_the_same_machine_mostly_pauses() -> None:
    machine = Machine(machine_named("92 °C"))
    baseline = train(machine, PausesOnly(machine, CONFIG), 5.0, HOURS)
    assert baseline.throughput < 0.5
    assert throttled(machine_named("92 °C"), 5.0)[1].throughput > 1.5 * baseline.throughput


def test_a_cool_machine_is_never_paused(capsys) -> None:
    machine, outcome = throttled(machine_named("75 °C"))
    assert machine.worked == pytest.approx(machine.seconds)
    assert outcome.highest < CONFIG.warn
    assert "Hot" not in capsys.readouterr().err


def test_a_badly_cooled_machine_goes_on_at_the_speed_it_can_bear() -> None:
    heat = machine_named("120 °C")
    _, outcome = throttled(heat)
    assert outcome.stopped is None
    assert outcome.highest < CONFIG.stop
    assert outcome.throughput == pytest.approx((83.0 - 45.0) / 75.0, abs=0.02)


def test_a_hopeless_machine_is_throttled_to_the_limit_then_cooled_then_stopped(capsys) -> None:
    machine, outcome = throttled(machine_named("92 °C idle"))
    assert outcome.stopped
    assert "of cool-down pauses" in outcome.stopped
    said = capsys.readouterr().err
    assert said.index("pauses between steps") < said.index("Cool-down pause 1")
    first_cooldown = next(
        b for a, b in zip(machine.curve, machine.curve[1:], strict=False) if b[0] - a[0] > 299
    )
    assert first_cooldown[0] > 2 * CONFIG.cooldown_seconds  # not before it was at its limit for as long


def test_no_machine_makes_the_throttle_swing() -> None:
    """Chips that follow their load at once, heavy cases, slow sensors, long steps."""
    for bodies in [(Body(20.0, 2.0), Body(27.0, 300.0)), (Body(47.0, 20.0),), (Body(60.0, 300.0),)]:
        for step_seconds in (0.2, 10.0):
            for reading in (0.0, 0.5):
                case = f"{bodies}, {step_seconds}, {reading}"
                _, outcome = throttled(Heat(45.0, bodies), step_seconds, reading_seconds=reading)
                late = [celsius for moment, celsius in outcome.curve if moment > HOURS * 1800]
                assert max(late) - min(late) < 4.0, case
                assert outcome.highest < CONFIG.warn + 5.0, case
                assert outcome.stopped is None, case


def test_a_machine_that_cools_for_good_is_released() -> None:
    throttle = Throttle(83.0)
    for second in range(0, 100, 5):
        throttle.update(90.0, float(second))
    assert throttle.at_limit or throttle.duty < 0.6
    throttle.update(60.0, 100.0)
    assert not throttle.is_off  # one cool reading, as after a validation, is not enough
    for second in range(105, 500, 5):
        throttle.update(75.0, float(second))
    assert (throttle.is_off, throttle.duty) == (True, 1.0)


def test_a_long_silence_moves_it_no_further_than_half_a_minute() -> None:
    short, long = Throttle(83.0), Throttle(83.0)
    for throttle, seconds in ((short, 30.0), (long, 3000.0)):
        throttle.update(84.0, 0.0)
        throttle.update(84.0, seconds)
    assert long.duty == short.duty > LOWEST_DUTY
