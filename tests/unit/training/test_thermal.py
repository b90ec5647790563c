"""The thermal guard, rehearsed with a file in place of a hot machine."""

from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import pytest

from lib.config.training import ThermalConfig
from lib.errors import ConfigError, TrainingStopped
from lib.training.apple_sensors import PressureSensor
from lib.training.sensors import NvidiaSensor
from lib.training.temperatures import TemperatureRecord
from lib.training.thermal import ThermalGuard
from lib.training.throttle import LOWEST_DUTY


class Machine:
    """A temperature file, and a clock whose pauses cool (or heat) the machine; a step takes a second."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "temperature"
        self.pauses: list[float] = []
        self.seconds = 0.0
        self.after_pause: dict[float, str] = {}

    def set(self, text: str | float) -> None:
        self.path.write_text(f"{text}\n", encoding="utf-8")

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.seconds += seconds
        for moment in [m for m in self.after_pause if self.seconds >= m]:
            self.set(self.after_pause.pop(moment))

    def guard(self, **changes: float) -> ThermalGuard:
        settings: dict = {"check_every_steps": 10} | changes
        config = ThermalConfig(sensor=f"file:{self.path}", **settings)
        every_reading = TemperatureRecord(every_seconds=0.0)
        return ThermalGuard.from_config(config, self.sleep, lambda: self.seconds, every_reading)


def seen(guard: ThermalGuard) -> list[tuple[int, float | None, str]]:
    """Step, degrees and band of each reading."""
    return [(reading.step, reading.celsius, reading.band) for reading in guard.record.readings]


def steps(guard: ThermalGuard, numbers: range, machine: Machine | None = None) -> None:
    """Steps that take no time, or a second each on a machine."""
    for step in numbers:
        if machine:
            machine.seconds += 1.0
        guard.check(step)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(tmp_path)


def test_a_cool_machine_is_left_alone(machine: Machine, capsys) -> None:
    machine.set(60)
    guard = machine.guard()
    steps(guard, range(1, 31))
    assert machine.pauses == []
    assert capsys.readouterr().err == ""
    assert seen(guard) == [(step, 60.0, "normal") for step in (1, 11, 21)]


def test_the_sensor_is_also_read_when_steps_are_slow(machine: Machine) -> None:
    machine.set(60)
    guard = machine.guard(check_every_steps=1000, check_every_seconds=30.0)
    for step in range(1, 5):
        guard.check(step)
        machine.seconds += 20.0
    assert [step for step, _, _ in seen(guard)] == [1, 3]


def test_a_warm_machine_is_noted_without_a_pause(machine: Machine, capsys) -> None:
    machine.set(70)
    guard = machine.guard()
    steps(guard, range(1, 31))
    assert machine.pauses == []
    assert capsys.readouterr().err.count("Warm: 70 °C") == 1


def test_a_sensor_that_is_slow_takes_a_small_share_of_the_time(machine: Machine) -> None:
    def read() -> float:
        machine.seconds += 0.5  # as a program does
        return temperature[0]

    temperature = [60.0]
    sensor = SimpleNamespace(name="slow", degrees=True, read=read)
    config = ThermalConfig(check_every_steps=1)
    every_reading = TemperatureRecord(every_seconds=0.0)
    guard = ThermalGuard(config, [sensor], machine.sleep, lambda: machine.seconds, every_reading)
    steps(guard, range(1, 101), machine)
    assert [step for step, _, _ in seen(guard)] == [1, 26, 51, 76]
    temperature[0] = 90.0
    steps(guard, range(101, 151), machine)  # more often where it matters
    assert [step for step, _, _ in seen(guard)][4] == 101
    moments = [step for step, _, _ in seen(guard)][4:]
    assert max(b - a for a, b in pairwise(moments)) <= 10


@pytest.mark.faults("Heat: through all bands", happens="logged, pauses between steps, cool-down pauses, then at full speed", user="nothing")  # fmt: skip  # noqa: E501
def test_a_machine_that_stays_hot_works_less_and_less_and_then_cools_down(machine: Machine, capsys) -> None:
    machine.set(90)
    guard = machine.guard(check_every_steps=1, cooldown_seconds=300.0)
    shares, step = [], 0
    while not guard.throttle.at_limit:
        begin = machine.seconds
        step += 1
        steps(guard, range(step, step + 1), machine)
        shares.append(1.0 / (machine.seconds - begin))
    assert shares[1] == pytest.approx(0.72, abs=0.01)  # 0.04 for each of the 7 °C above 83 °C
    assert shares[1:] == sorted(shares[1:], reverse=True)
    assert shares[-1] == pytest.approx(LOWEST_DUTY)
    assert "Cool-down" not in (said := capsys.readouterr().err)
    assert "Hot: 90 °C at step 1" in said
    at_limit = machine.seconds  # 300 s in vain, then pauses until 80 °C (still too warm) and 65 °C
    machine.after_pause = {at_limit + 500.0: "80", at_limit + 800.0: "65"}
    while guard.last != 65.0:
        step += 1
        steps(guard, range(step, step + 1), machine)
    assert capsys.readouterr().err.count("Cool-down pause") == 2
    steps(guard, range(step + 1, step + 200), machine)
    machine.pauses.clear()
    steps(guard, range(step + 200, step + 230), machine)
    assert machine.pauses == []
    assert "at full speed" in capsys.readouterr().err
    assert (guard.record.maximum, guard.last) == (90.0, 65.0)


def test_small_pauses_are_saved_up_and_large_ones_are_cool_down_pauses_at_most(machine: Machine) -> None:
    machine.set(86)
    guard = machine.guard(cooldown_seconds=20.0)
    guard.check(1)
    for step in range(2, 300):
        machine.seconds += 0.01
        guard.check(step)
    assert machine.pauses
    assert min(machine.pauses) >= 0.1
    guard.throttle.duty = LOWEST_DUTY
    machine.seconds += 4.0  # as a validation takes; nine times as long would be 36 s
    before = machine.seconds
    guard.throttle.update = lambda celsius, moment: None
    guard.check(300)
    assert machine.seconds - before == pytest.approx(20.0)


def test_pauses_are_kept_with_the_run_over_all_its_invocations(machine: Machine, tmp_path: Path) -> None:
    machine.set(90)
    guard = machine.guard()
    guard.record = TemperatureRecord(tmp_path, every_seconds=0.0)
    steps(guard, range(1, 22), machine)
    paused = guard.record.paused
    assert paused == pytest.approx(sum(machine.pauses))
    assert paused > 5.0
    later = TemperatureRecord(tmp_path)
    kept = later.readings[-1].paused
    assert 0.0 < kept <= paused
    later.add_pause(2.0)
    assert later.paused == pytest.approx(kept + 2.0)


@pytest.mark.faults("Heat above the limit", happens="checkpoint, stop with a message", user="the same command when it is cool")  # fmt: skip  # noqa: E501
def test_above_the_limit_training_stops_and_says_how_to_continue(machine: Machine) -> None:
    machine.set(95)
    guard = machine.guard()
    guard.check(1)  # the limit itself is still the hot band
    machine.set(95.5)
    with pytest.raises(TrainingStopped, match=r"96 °C is above the limit of 95 °C[\s\S]*--rerun-incomplete"):
        steps(guard, range(2, 20))


@pytest.mark.faults("Heat above the limit", happens="checkpoint, stop with a message", user="the same command when it is cool")  # fmt: skip  # noqa: E501
def test_heat_that_rises_during_a_cool_down_stops_training(machine: Machine) -> None:
    machine.set(90)
    guard = machine.guard()
    cooling: list[float] = []
    guard.alive = lambda doing, celsius: cooling.append(machine.seconds) if doing == "cooling down" else None
    machine.after_pause = {750.0: "99"}
    with pytest.raises(TrainingStopped, match="99 °C"):
        steps(guard, range(1, 100_000), machine)
    assert cooling[0] < 750.0 <= cooling[-1] + 1.0


def test_a_pressure_that_never_falls_stops_as_a_temperature_does(machine: Machine, monkeypatch) -> None:
    config = ThermalConfig(max_cooldowns=3)
    monkeypatch.setattr("lib.training.apple_sensors._output", lambda command: "com.apple.system.level 2\n")
    guard = ThermalGuard(config, [PressureSensor(config)], machine.sleep, lambda: machine.seconds)
    with pytest.raises(TrainingStopped, match="still the band of macOS thermal pressure after 15m00s"):
        steps(guard, range(1, 100_000), machine)


@pytest.mark.faults("Heat above the limit", happens="checkpoint, stop with a message", user="the same command when it is cool")  # fmt: skip  # noqa: E501
def test_a_machine_that_never_cools_down_stops_instead_of_waiting_for_ever(machine: Machine) -> None:
    machine.set(88)
    guard = machine.guard(max_cooldowns=3)
    with pytest.raises(TrainingStopped, match="still 88 °C after 15m00s"):
        steps(guard, range(1, 100_000), machine)


@pytest.mark.parametrize("pause", ["slowed by heat", "cooling down"])
def test_a_request_to_stop_ends_a_pause_within_a_second(machine: Machine, pause: str) -> None:
    machine.set(90)
    guard = machine.guard(check_every_steps=1)
    asked: list[float] = []

    def alive(doing: str, celsius: float | None) -> None:
        if doing == pause and not asked and machine.seconds > 300.0:  # long pauses by then
            asked.append(machine.seconds)

    guard.alive = alive
    guard.should_stop = lambda: bool(asked)
    step = 0
    while not asked:
        step += 1
        machine.seconds += 1.0
        guard.check(step)
    assert machine.seconds - asked[0] <= 1.0


@pytest.mark.parametrize("text", ["nan", "-40", "300", "900", "1e9", "inf"])
@pytest.mark.faults("A sensor that lies (NaN, −40, 300 and more)", happens="reported once and ignored", user="look at the sensor")  # fmt: skip  # noqa: E501
def test_an_implausible_reading_is_reported_once_and_ignored(machine: Machine, capsys, text: str) -> None:
    machine.set(text)
    guard = machine.guard()
    steps(guard, range(1, 50))
    assert capsys.readouterr().err.count("implausible temperature") == 1
    assert (guard.last, seen(guard), machine.pauses) == (None, [], [])


@pytest.mark.faults("A sensor that vanishes", happens="reported once; training goes on", user="look at the sensor")  # fmt: skip  # noqa: E501
def test_a_sensor_that_vanishes_is_reported_once_and_training_goes_on(machine: Machine, capsys) -> None:
    machine.set(90)
    guard = machine.guard()
    steps(guard, range(1, 11), machine)
    machine.path.unlink()
    assert machine.pauses
    steps(guard, range(11, 20), machine)  # until it is noticed
    machine.pauses.clear()
    steps(guard, range(20, 60), machine)
    assert capsys.readouterr().err.count("has vanished") == 1
    assert machine.pauses == []
    assert guard.record.maximum == 90.0


@pytest.mark.faults("No sensor at all", happens="reported once, loudly; training goes on", user="watch the machine, or set thermal.sensor")  # fmt: skip  # noqa: E501
def test_no_sensor_is_said_once_and_loudly(machine: Machine, monkeypatch, capsys) -> None:
    monkeypatch.setattr("lib.training.thermal.find_sensors", lambda config: [])
    for _ in range(3):
        ThermalGuard.from_config(ThermalConfig()).check(1)
    assert capsys.readouterr().err.count("NO TEMPERATURE SENSOR") == 1


def test_a_guard_that_is_switched_off_is_silent(machine: Machine, capsys) -> None:
    guard = ThermalGuard.from_config(ThermalConfig(sensor="off"))
    guard.check(1)
    assert capsys.readouterr().err == ""
    assert guard.sensor_name is None


def test_an_unknown_sensor_is_refused_with_the_valid_words() -> None:
    with pytest.raises(ConfigError, match="file:PATH"):
        ThermalGuard.from_config(ThermalConfig(sensor="cpu0"))


def test_those_who_watch_are_told_of_pauses_while_they_last(machine: Machine) -> None:
    machine.set(90)
    guard = machine.guard(check_every_steps=1)
    told: list[tuple[float, str, float | None]] = []
    guard.alive = lambda doing, celsius: told.append((machine.seconds, doing, celsius))
    step = 0
    while not told or told[-1][1] != "cooling down":
        step += 1
        steps(guard, range(step, step + 1), machine)
        machine.after_pause = {machine.seconds + 200.0: "60"}
    moments, doings, temperatures = zip(*told, strict=True)
    assert max(b - a for a, b in pairwise([*moments, machine.seconds])) <= 2.0  # a step and a second
    assert (doings[0], doings[-1]) == ("slowed by heat", "cooling down")
    assert set(temperatures) == {90.0}


def test_a_pressure_level_steers_the_guard_but_is_no_temperature(machine: Machine, monkeypatch) -> None:
    config = ThermalConfig()
    sensor = PressureSensor(config)
    monkeypatch.setattr("lib.training.apple_sensors._output", lambda command: "com.apple.system.level 2\n")
    guard = ThermalGuard(config, [sensor], clock=machine.sleep, now=lambda: machine.seconds)
    steps(guard, range(1, 4), machine)
    assert machine.pauses
    assert (guard.last, guard.record.maximum, seen(guard)) == (None, None, [(1, None, "warn")])
    monkeypatch.setattr("lib.training.apple_sensors._output", lambda command: "com.apple.system.level 4\n")
    with pytest.raises(TrainingStopped):
        steps(guard, range(2, 200))


def test_a_machine_without_an_nvidia_driver_has_no_nvidia_sensor() -> None:
    pynvml = pytest.importorskip("pynvml")
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        with pytest.raises(pynvml.NVMLError):
            NvidiaSensor()
        return
    value = NvidiaSensor().read()
    assert value is not None
    assert 0 < value < 120
