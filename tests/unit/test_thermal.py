"""The thermal guard, rehearsed with a file in place of a hot machine."""

from itertools import pairwise
from pathlib import Path

import pytest

from lib.config.training import ThermalConfig
from lib.errors import ConfigError, TrainingStopped
from lib.training import progress
from lib.training.apple_sensors import PressureSensor
from lib.training.sensors import NvidiaSensor
from lib.training.temperatures import TemperatureRecord
from lib.training.thermal import ThermalGuard


class Machine:
    """A temperature file, and a clock whose pauses cool (or heat) the machine."""

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
    return [reading[1:] for reading in guard.record.readings]


def steps(guard: ThermalGuard, numbers: range) -> None:
    for step in numbers:
        guard.check(step)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    monkeypatch.setattr(progress, "_said", set())
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


@pytest.mark.faults("Heat: through all bands", happens="logged, pauses between steps, cool-down pauses, then at full speed", user="nothing")  # fmt: skip  # noqa: E501
def test_a_hot_machine_first_pauses_between_steps_then_cools_down(machine: Machine, capsys) -> None:
    machine.set(90)
    guard = machine.guard(step_pause_seconds=0.5, cooldown_seconds=300.0)
    steps(guard, range(1, 11))
    assert machine.pauses == [0.5] * 10
    machine.after_pause = {400.0: "80", 700.0: "65"}
    guard.check(11)
    slept = sum(machine.pauses) - 5.0
    assert slept == pytest.approx(900.0)  # 90, then 80 (still too warm), then 65
    machine.pauses.clear()
    steps(guard, range(12, 30))
    assert machine.pauses == []
    said = capsys.readouterr().err
    assert "Hot: 90 °C at step 1" in said
    assert said.count("Cool-down pause") == 3
    assert (guard.maximum, guard.last) == (90.0, 65.0)
    assert [band for _, _, band in seen(guard)][:4] == ["warn", "warn", "warn", "monitor"]


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
    machine.after_pause = {100.0: "99"}
    with pytest.raises(TrainingStopped, match="99 °C"):
        steps(guard, range(1, 20))


@pytest.mark.faults("Heat above the limit", happens="checkpoint, stop with a message", user="the same command when it is cool")  # fmt: skip  # noqa: E501
def test_a_machine_that_never_cools_down_stops_instead_of_waiting_for_ever(machine: Machine) -> None:
    machine.set(88)
    guard = machine.guard(max_cooldowns=3)
    with pytest.raises(TrainingStopped, match="still 88 °C after 15m00s"):
        steps(guard, range(1, 20))


def test_a_request_to_stop_ends_a_cool_down_within_a_second(machine: Machine) -> None:
    machine.set(90)
    guard = machine.guard()
    steps(guard, range(1, 11))
    begin = machine.seconds
    guard.should_stop = lambda: machine.seconds >= begin + 5.0
    guard.check(11)
    assert machine.seconds - begin <= 6.0


@pytest.mark.parametrize("text", ["nan", "-40", "300", "900", "1e9", "inf"])
@pytest.mark.faults("A sensor that lies (NaN, −40, 300 and more)", happens="told once and ignored", user="look at the sensor")  # fmt: skip  # noqa: E501
def test_an_implausible_reading_is_reported_once_and_ignored(machine: Machine, capsys, text: str) -> None:
    machine.set(text)
    guard = machine.guard()
    steps(guard, range(1, 50))
    assert capsys.readouterr().err.count("implausible temperature") == 1
    assert (guard.last, seen(guard), machine.pauses) == (None, [], [])


@pytest.mark.faults("A sensor that vanishes", happens="told once; training goes on", user="look at the sensor")  # fmt: skip  # noqa: E501
def test_a_sensor_that_vanishes_is_reported_once_and_training_goes_on(machine: Machine, capsys) -> None:
    machine.set(90)
    guard = machine.guard()
    steps(guard, range(1, 11))
    machine.path.unlink()
    machine.pauses.clear()
    steps(guard, range(11, 60))
    assert capsys.readouterr().err.count("has vanished") == 1
    assert machine.pauses == []
    assert guard.maximum == 90.0


@pytest.mark.faults("No sensor at all", happens="told once, loudly; training goes on", user="watch the machine, or set thermal.sensor")  # fmt: skip  # noqa: E501
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


def test_those_who_watch_are_told_of_a_cool_down_while_it_lasts(machine: Machine) -> None:
    machine.set(90)
    guard = machine.guard(check_every_steps=1)
    told: list[tuple[float, str, float | None]] = []
    guard.alive = lambda doing, celsius: told.append((machine.seconds, doing, celsius))
    guard.check(1)
    machine.after_pause = {200.0: "60"}
    guard.check(2)
    moments, doings, temperatures = zip(*told, strict=True)
    assert max(b - a for a, b in pairwise([*moments, machine.seconds])) <= 1.0
    assert (doings[0], set(doings[1:])) == ("slowed by heat", {"cooling down"})
    assert set(temperatures) == {90.0}


def test_a_pressure_level_steers_the_guard_but_is_no_temperature(machine: Machine, monkeypatch) -> None:
    config = ThermalConfig()
    sensor = PressureSensor(config)
    monkeypatch.setattr("lib.training.apple_sensors._output", lambda command: "com.apple.system.level 2\n")
    guard = ThermalGuard(config, [sensor], clock=machine.sleep, now=lambda: machine.seconds)
    guard.check(1)
    assert machine.pauses == [config.step_pause_seconds]
    assert (guard.last, guard.maximum, seen(guard)) == (None, None, [(1, None, "warn")])
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
