"""What a machine is called: its processor, and the one card that a job uses of those the driver knows."""

from __future__ import annotations

from pathlib import Path

import pytest

pynvml = pytest.importorskip("pynvml")

from lib.training import nvidia  # noqa: E402
from lib.training.provenance import hardware  # noqa: E402
from lib.training.sensors import NvidiaSensor  # noqa: E402
from lib.tuning.hardware import hardware_fingerprint, matches_hardware  # noqa: E402

CARDS = {
    "GPU-11aa": ("NVIDIA H100", 51.0),
    "GPU-22bb": ("NVIDIA H100", 83.0),
    "GPU-33cc": ("NVIDIA L4", 64.0),
}
UUIDS = list(CARDS)


@pytest.fixture
def driver(monkeypatch: pytest.MonkeyPatch) -> None:
    """NVML as on a machine with three cards, whatever CUDA shows of them. A handle is the card's UUID."""

    def part(uuid: str) -> str:
        if uuid != "MIG-77":
            raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_FOUND)
        return uuid

    answers = {
        "nvmlInit": lambda: None,
        "nvmlDeviceGetCount": lambda: len(CARDS),
        "nvmlDeviceGetHandleByIndex": UUIDS.__getitem__,
        "nvmlDeviceGetHandleByUUID": part,
        "nvmlDeviceGetUUID": lambda card: card,
        "nvmlDeviceGetName": lambda card: CARDS[card][0].encode(),
        "nvmlDeviceGetTemperature": lambda card, kind: CARDS[card][1],
    }
    for name, answer in answers.items():
        monkeypatch.setattr(pynvml, name, answer)


@pytest.mark.parametrize(
    ("visible", "cards"),
    [
        (None, UUIDS),
        ("2,0", ["GPU-33cc", "GPU-11aa"]),
        ("GPU-22bb", ["GPU-22bb"]),
        ("GPU-3", ["GPU-33cc"]),
        (" 1 , 2 ", ["GPU-22bb", "GPU-33cc"]),
        ("MIG-77", ["MIG-77"]),
        ("0,7,1", ["GPU-11aa"]),
        ("1,MIG-00,0", ["GPU-22bb"]),
        ("", []),
        ("-1", []),
        ("NoDevFiles", []),
    ],
)
def test_the_cards_are_those_that_cuda_shows(driver, monkeypatch, visible, cards) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert nvidia.visible_cards() == cards


def test_a_fingerprint_names_the_card_that_the_job_uses(driver, monkeypatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    found = {"hardware": hardware_fingerprint()}
    assert found["hardware"]["gpu"] == ["NVIDIA H100"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")  # another of the same kind, as a scheduler gives out
    assert matches_hardware(found)
    for other in ("2", ""):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", other)
        assert not matches_hardware(found)


def test_only_the_jobs_own_cards_are_watched(driver, monkeypatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,2")
    assert NvidiaSensor().read() == 64.0
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert NvidiaSensor().read() is None


def test_a_mac_says_which_chip_it_has(tmp_path: Path, monkeypatch) -> None:
    sysctl = tmp_path / "sysctl"
    sysctl.write_text('#!/bin/sh\n[ "$1 $2" = "-n machdep.cpu.brand_string" ] && echo "Apple M3 Max"\n')
    sysctl.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("platform.system", lambda: "Darwin")
    monkeypatch.setattr("platform.machine", lambda: "arm64")
    assert hardware()["cpu"] == "Apple M3 Max"
    sysctl.unlink()
    assert hardware()["cpu"] == "arm64"


def test_cards_have_the_same_numbers_for_cuda_as_for_the_driver() -> None:
    import os

    import lib.training.devices  # noqa: F401

    assert os.environ["CUDA_DEVICE_ORDER"] == "PCI_BUS_ID"
