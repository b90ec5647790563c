"""Energy from counters as Linux and NVML show them."""

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from lib.training.energy import EnergyMeter, find_counters


def rapl(root: Path, number: int, name: str, microjoules: int, most: int = 262_143_000_000) -> Path:
    folder = root / f"intel-rapl:{number}"
    folder.mkdir()
    (folder / "name").write_text(f"{name}\n")
    (folder / "energy_uj").write_text(f"{microjoules}\n")
    (folder / "max_energy_range_uj").write_text(f"{most}\n")
    return folder / "energy_uj"


@dataclass
class Played:
    """A counter that shows one value after another."""

    shows: list[float | None]
    range: float | None = None
    seen: int = field(default=0)

    def joules(self) -> float:
        value = self.shows[min(self.seen, len(self.shows) - 1)]
        self.seen += 1
        if value is None:
            raise OSError
        return value


def test_processors_are_added_up_and_what_holds_them_is_not_counted_twice(tmp_path):
    first, second = rapl(tmp_path, 0, "package-0", 5_000_000), rapl(tmp_path, 1, "package-1", 0)
    whole = rapl(tmp_path, 2, "psys", 0)
    with EnergyMeter(find_counters("cpu", tmp_path)) as meter:
        first.write_text("1805000000")
        second.write_text("1800000000")
        whole.write_text("9000000000")
    assert meter.kwh == pytest.approx(0.001)


def test_a_counter_that_ran_over_is_carried_on():
    with EnergyMeter([Played([900.0, 100.0], range=1000.0)]) as meter:
        pass
    assert meter.kwh == pytest.approx(200 / 3.6e6)


def test_a_card_whose_driver_was_loaded_anew_never_takes_energy_back():
    with EnergyMeter([Played([900.0, 100.0])]) as meter:
        pass
    assert meter.kwh == 0.0


def test_a_failed_look_loses_nothing():
    with EnergyMeter([Played([100.0, None, 400.0])]) as meter:
        meter.add()
    assert meter.kwh == pytest.approx(300 / 3.6e6)


def test_a_continued_run_counts_what_came_before(tmp_path):
    for _ in range(2):
        with EnergyMeter([Played([0.0, 1.8e6])], tmp_path) as meter:
            pass
    assert meter.kwh == pytest.approx(1.0)


def test_nothing_is_measured_where_no_counter_can_be_read(tmp_path):
    rapl(tmp_path, 0, "package-0", 0).unlink()  # root's alone
    with EnergyMeter(find_counters("mps", tmp_path), tmp_path) as meter:
        pass
    assert meter.kwh is None
