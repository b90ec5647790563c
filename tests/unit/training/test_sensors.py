"""Where temperatures are read: the kernel's chips, and programs with Apple's output."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from lib.config.training import ThermalConfig
from lib.training.apple_sensors import FirstThatReads, MacmonSensor, PowermetricsSensor, PressureSensor
from lib.training.sensors import LinuxSensor, find_sensors

CONFIG = ThermalConfig()


# --- Linux -----------------------------------------------------------------------------------------


Kernel = Callable[..., LinuxSensor]


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> Kernel:
    """A sensor on chips of the kernel, each with pairs of label and degrees."""

    def show(**chips: list[tuple[str, float]]) -> LinuxSensor:
        shown = {
            name: [SimpleNamespace(label=label, current=c) for label, c in pairs]
            for name, pairs in chips.items()
        }
        monkeypatch.setattr(psutil, "sensors_temperatures", lambda: shown, raising=False)
        return LinuxSensor()

    return show


def test_the_hottest_core_counts_and_a_hot_disk_does_not(kernel: Kernel) -> None:
    cores = [("Package id 0", 71.0), ("Core 0", 73.5)]
    sensor = kernel(nvme=[("Composite", 88.85)], coretemp=cores, amdgpu=[("edge", 64.0)], acpitz=[("", 27.8)])
    assert sensor.read() == 73.5


def test_of_amds_two_readings_the_one_without_an_offset_counts(kernel: Kernel) -> None:
    assert kernel(k10temp=[("Tctl", 95.0), ("Tdie", 68.0), ("Tccd1", 66.0)]).read() == 68.0
    assert kernel(k10temp=[("Tctl", 81.125)]).read() == 81.125  # newer ones have no other


def test_where_no_chip_is_known_by_name_all_count(kernel: Kernel) -> None:
    assert kernel(acpitz=[("", 61.0)], thinkpad=[("CPU", 66.0), ("", 0.0)]).read() == 66.0
    assert kernel().read() is None


# --- Apple Silicon ---------------------------------------------------------------------------------

Install = Callable[[str, str], Path]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Puts a shell script on a PATH that holds nothing else, on what says it is a Mac."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setattr("platform.system", lambda: "Darwin")
    monkeypatch.setattr("os.geteuid", lambda: 501)

    def program(name: str, script: str) -> Path:
        path = folder / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        return path

    return program


def macmon(cpu: float, gpu: float) -> str:
    """A sample as `macmon pipe` writes it."""
    sample = {"cpu_power": 4.2, "memory": {}, "temp": {"cpu_temp_avg": cpu, "gpu_temp_avg": gpu}}
    return f"echo '{json.dumps(sample)}'"


SUDO = '[ "$1" = -n ] || exit 9; shift; exec "$@"'  # of a user whom it asks for no password
POWERMETRICS = """[ "$1 $2" = "--samplers thermal" ] || exit 64
echo 'Machine model: Mac15,9'
echo
echo '**** Thermal pressure ****'
echo
echo 'Current pressure level: {}'"""
NOTIFYUTIL = '[ "$1" = -g ] && echo "$2 {}"'


def test_macmon_gives_the_warmer_of_cpu_and_gpu(install: Install) -> None:
    install("macmon", macmon(61.5, 72.25))
    assert MacmonSensor().read() == 72.25


@pytest.mark.parametrize(
    "script",
    ["exit 1", "echo", "echo '{'", "echo '{\"temp\": 1}'", "echo '[]'", macmon(0.0, 2.37), "kill -9 $$"],
)
def test_what_macmon_cannot_say_is_no_temperature(install: Install, script: str) -> None:
    install("macmon", script)
    assert MacmonSensor().read() is None


def test_a_gpu_that_sleeps_is_not_taken_for_a_cold_chip(install: Install) -> None:
    install("macmon", macmon(66.0, 2.37))
    assert MacmonSensor().read() == 66.0


@pytest.mark.parametrize(
    ("level", "value"),
    [("Nominal", 69.0), ("Moderate", 77.5), ("Heavy", 90.0), ("Trapping", 96.0), ("Sleeping", 96.0)],
)
def test_powermetrics_is_read_with_sudo_that_asks_nothing(install: Install, level: str, value: float) -> None:
    install("powermetrics", POWERMETRICS.format(level))
    assert PowermetricsSensor(CONFIG).read() is None  # no sudo here
    install("sudo", SUDO)
    assert PowermetricsSensor(CONFIG).read() == value


def test_powermetrics_needs_no_sudo_for_root(install: Install, monkeypatch: pytest.MonkeyPatch) -> None:
    install("powermetrics", POWERMETRICS.format("Heavy"))
    monkeypatch.setattr("os.geteuid", lambda: 0)
    assert PowermetricsSensor(CONFIG).read() == 90.0


def test_a_sudo_that_wants_a_password_is_not_asked_for_one(install: Install) -> None:
    install("powermetrics", POWERMETRICS.format("Heavy"))
    install("sudo", "echo 'sudo: a password is required' >&2; exit 1")
    install("notifyutil", NOTIFYUTIL.format(0))
    [sensor] = find_sensors(CONFIG)
    assert (sensor.name, sensor.read(), sensor.degrees) == ("macOS thermal pressure", 69.0, False)


def test_the_pressure_comes_from_the_speed_limit_where_there_is_no_level(install: Install) -> None:
    install("pmset", "echo ' CPU_Speed_Limit \t= 100'")
    assert PressureSensor(CONFIG).read() == 69.0
    install("pmset", "echo ' CPU_Speed_Limit \t= 70'")
    assert PressureSensor(CONFIG).read() == 90.0
    install("notifyutil", NOTIFYUTIL.format(1))
    assert PressureSensor(CONFIG).read() == 77.5


def test_without_a_speed_limit_there_is_no_reading_and_not_a_cool_machine(install: Install) -> None:
    install(
        "pmset",
        "echo 'Note: No thermal warning level has been recorded'\n"
        "echo 'Note: No performance warning level has been recorded'\n"
        "echo 'Note: No CPU power status has been recorded'",
    )
    assert PressureSensor(CONFIG).read() is None
    assert find_sensors(CONFIG) == []


def test_a_mac_without_any_of_them_has_no_sensor(install: Install) -> None:
    assert find_sensors(CONFIG) == []


def test_when_one_dies_the_next_is_read_and_that_is_said_once(install: Install, capsys) -> None:
    paths = {"macmon": install("macmon", macmon(77.0, 60.0))}
    paths["powermetrics"] = install("powermetrics", POWERMETRICS.format("Moderate"))
    install("sudo", SUDO)
    paths["notifyutil"] = install("notifyutil", NOTIFYUTIL.format(2))
    [sensor] = find_sensors(CONFIG)
    assert (sensor.read(), sensor.name, sensor.degrees) == (77.0, "macmon", True)
    paths["macmon"].unlink()
    assert [sensor.read() for _ in range(5)] == [77.5] * 5
    assert (sensor.name, sensor.degrees) == ("powermetrics", False)
    paths["powermetrics"].unlink()
    assert [sensor.read() for _ in range(2)] == [90.0] * 2
    assert sensor.name == "macOS thermal pressure"
    paths["notifyutil"].unlink()
    assert sensor.read() is None
    said = capsys.readouterr().err
    assert said.count("macmon gives no reading; powermetrics is read instead") == 1
    assert said.count("powermetrics gives no reading; macOS thermal pressure is read instead") == 1


class Told:
    """Gives what it is told to, and counts how often it was asked."""

    degrees = True

    def __init__(self, name: str, *values: float | None) -> None:
        self.name, self.values, self.asked = name, list(values), 0

    def read(self) -> float | None:
        self.asked += 1
        return self.values.pop(0) if self.values else None


def test_one_missed_reading_is_forgiven_and_a_dead_sensor_is_given_up() -> None:
    flaky, steady = Told("flaky", 50.0, None, 51.0), Told("steady", *[40.0] * 20)
    sensor = FirstThatReads([flaky, steady])
    assert [sensor.read() for _ in range(3)] == [50.0, 40.0, 51.0]
    assert [sensor.read() for _ in range(10)] == [40.0] * 10
    assert flaky.asked == 3 + 3
    steady.values = []
    flaky.values = [90.0]
    assert [sensor.read() for _ in range(2)] == [None, 90.0]  # all are asked again before none is
