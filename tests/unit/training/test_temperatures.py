"""The record of temperatures: whole over all invocations, small, and never in training's way."""

from __future__ import annotations

from pathlib import Path

import pytest

from lib.config.training import ThermalConfig
from lib.errors import TrainingStopped
from lib.training.engine import train
from lib.training.temperatures import FILE, PUBLISHED, TemperatureRecord
from lib.training.thermal import ThermalGuard
from tests.unit.training_samples import TinyNetwork, context, make_samples, recipe


class Clock:
    now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def kept(record: TemperatureRecord) -> list[tuple[int, float | None, str]]:
    return [(reading.step, reading.celsius, reading.band) for reading in record.readings]


def test_the_next_invocation_finds_what_this_one_has_seen(tmp_path: Path, clock: Clock) -> None:
    first = TemperatureRecord(tmp_path, clock=clock)
    first.add(1, 60.0, "normal")
    first.add(2, 97.25, "stop")
    second = TemperatureRecord(tmp_path, clock=clock)
    assert second.maximum == 97.2
    second.add(2, 61.0, "normal")
    assert kept(TemperatureRecord(tmp_path)) == [(1, 60.0, "normal"), (2, 97.2, "stop"), (2, 61.0, "normal")]
    assert (TemperatureRecord().maximum, TemperatureRecord(tmp_path / "new").readings) == (None, [])


def test_a_level_without_degrees_keeps_its_band_and_makes_no_maximum(tmp_path: Path) -> None:
    TemperatureRecord(tmp_path).add(1, None, "warn")
    again = TemperatureRecord(tmp_path)
    assert (kept(again), again.maximum) == ([(1, None, "warn")], None)


def test_a_line_cut_off_at_any_length_is_passed_over_and_the_next_one_is_whole(tmp_path: Path) -> None:
    record = TemperatureRecord(tmp_path)
    record.add(1, 60.0, "normal")
    record.add(2, 97.0, "stop")
    whole = (tmp_path / FILE).read_bytes()
    first_line = whole.index(b"\n") + 1
    for length in range(first_line, len(whole) - 1):
        (tmp_path / FILE).write_bytes(whole[:length])
        TemperatureRecord(tmp_path).add(3, 88.0, "warn")
        assert kept(TemperatureRecord(tmp_path)) == [(1, 60.0, "normal"), (3, 88.0, "warn")], length


def test_only_what_tells_something_new_is_kept(clock: Clock) -> None:
    record = TemperatureRecord(every_seconds=10.0, clock=clock)
    for step, (later, celsius, band) in enumerate(
        [
            (0, 60.0, "normal"),
            (1, 59.0, "normal"),  # nothing new
            (1, 61.0, "normal"),  # a maximum
            (1, 71.0, "monitor"),  # a band
            (9, 70.5, "monitor"),  # nothing new
            (1, 70.5, "monitor"),  # ten seconds
            (-3600, 70.2, "monitor"),  # a clock set back
        ]
    ):
        clock.now += later
        record.add(step, celsius, band)
    assert [step for step, _, _ in kept(record)] == [0, 2, 3, 5, 6]


def test_what_is_published_is_short_and_holds_the_peak(clock: Clock) -> None:
    record = TemperatureRecord(every_seconds=0.0, clock=clock)
    assert record.published() == []
    record.add(1, 60.0, "normal")
    assert record.published() == [
        {"moment": "1970-01-12T13:46:40+00:00", "step": 1, "celsius": 60.0, "paused": 0.0, "band": "normal"}
    ]
    for step in range(2, 1000):
        clock.now += 30
        record.add(step, *((96.0, "stop") if step == 777 else (60.0 + step % 7, "normal")))
    published = record.published()
    assert len(published) == PUBLISHED
    assert [row for row in published if row["celsius"] == record.maximum == 96.0]
    assert [row["step"] for row in published] == sorted(row["step"] for row in published)


def test_a_disk_that_refuses_never_stops_training(tmp_path: Path, monkeypatch, capsys) -> None:
    record = TemperatureRecord(tmp_path / "gone")
    record.add(1, 60.0, "normal")
    record.add(2, 90.0, "warn")
    assert record.maximum == 90.0
    assert capsys.readouterr().err.count("temperatures are not written down") == 1


def test_a_run_that_heat_stopped_and_that_went_on_knows_its_peak_and_all_its_seconds(tmp_path: Path) -> None:
    sensor = tmp_path / "sensor"
    sensor.write_text("60")

    def fit(network: TinyNetwork):
        config = ThermalConfig(sensor=f"file:{sensor}", check_every_steps=1)
        record = TemperatureRecord(tmp_path / "state")
        guard = ThermalGuard.from_config(config, now=lambda: 0.0, record=record)  # a reading takes no time
        own = context(tmp_path, thermal=guard)
        return guard, train(network, make_samples(), make_samples(40, 1), "bce", recipe(), own)

    network, steps = TinyNetwork(), 0

    def heat(broken: TinyNetwork) -> None:
        nonlocal steps
        steps += broken.training
        if steps > 28:  # before the third of four validations
            sensor.write_text("97")

    network.fault = heat
    with pytest.raises(TrainingStopped, match="97 °C is above the limit"):
        fit(network)
    sensor.write_text("61")
    guard, result = fit(TinyNetwork())
    assert result.resumed
    assert (guard.last, guard.record.maximum) == (61.0, 97.0)
    assert {row["band"] for row in guard.record.published()} == {"normal", "stop"}
    seconds = [row["seconds"] for row in result.history]
    assert len(seconds) == 4
    assert result.seconds == pytest.approx(sum(seconds))
    assert min(seconds) > 0
