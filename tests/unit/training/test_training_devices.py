"""Device, precision, threads and random streams; and the warnings on a training's health."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch

from lib.config.training import Runtime
from lib.errors import ConfigError
from lib.training.devices import Device, rng_state, seed_everything, set_rng_state
from lib.training.health import worries
from lib.training.threads import available_cores


@pytest.fixture(autouse=True)
def _same_threads_afterwards():
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


def runtime(**changes) -> Runtime:
    return Runtime(**({"device": "cpu", "threads": 1} | changes))


@pytest.mark.parametrize(
    ("threads", "job_threads", "expected"),
    [("auto", None, available_cores()), ("auto", 1, 1), (3, None, 3), (3, 1, 3)],
)
def test_threads_are_set_whatever_the_environment_says(threads, job_threads, expected):
    assert Device.choose(runtime(threads=threads), job_threads=job_threads).threads == expected
    assert torch.get_num_threads() == expected


def test_a_found_precision_goes_before_the_configuration():
    assert Device.choose(runtime(precision="fp32"), "bf16").precision == "bf16"
    assert Device.choose(runtime(precision="fp32")).precision == "fp32"
    assert Device.choose(runtime(precision="auto")).precision in ("fp32", "bf16")


def test_bf16_means_autocast_with_fp32_weights():
    layer, x = torch.nn.Linear(4, 4), torch.ones(1, 4)
    for precision, dtype in (("bf16", torch.bfloat16), ("fp32", torch.float32)):
        with Device.choose(runtime(precision=precision)).autocast():
            assert layer(x).dtype == dtype


def test_a_device_that_is_not_there_is_refused_with_those_that_are():
    missing = "mps" if not torch.backends.mps.is_available() else "cuda"
    with pytest.raises(ConfigError, match=f"training.device: {missing}.*finds.*cpu"):
        Device.choose(runtime(device=missing))


@pytest.mark.parametrize(("gpu", "chosen"), [("Apple M4 Max", "mps"), ("Apple Paravirtual device", "cpu")])
def test_the_gpu_of_a_virtual_mac_is_left_alone(monkeypatch, gpu, chosen):
    """It computes `linear` wrongly, and says nothing."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    monkeypatch.setattr(torch.backends.mps, "get_name", lambda: gpu)
    monkeypatch.setattr(torch.mps, "set_per_process_memory_fraction", lambda share: None)
    assert Device.choose(runtime(device="auto")).kind == chosen


def test_an_unknown_precision_is_refused():
    with pytest.raises(ConfigError, match="fp8"):
        Device.choose(runtime(), "fp8")


def test_all_random_streams_continue_from_a_stored_state():
    device = Device.choose(runtime())
    seed_everything(3)
    np.random.normal()  # leaves a cached second value behind
    state = rng_state(device)

    def draw():
        return [torch.rand(3).tolist(), np.random.normal(size=3).tolist(), random.random()]

    first = draw()
    assert draw() != first
    set_rng_state(state, device)
    assert draw() == first


def test_memory_is_told_in_bytes_and_shares():
    device = Device.choose(runtime())
    assert 10_000_000 < device.peak_memory() < 10**12
    assert 0 < device.memory_used() < 1


def history(train: list[float], validation: list[float]) -> list[dict]:
    return [
        {"step": 10 * number, "train_loss": t, "validation_loss": v}
        for number, (t, v) in enumerate(zip(train, validation, strict=True), start=1)
    ]


@pytest.mark.parametrize(
    ("train", "validation", "expected"),
    [
        ([1.0] + [1.1] * 10, [1.0] * 11, "training loss has not fallen since step 10"),
        ([9, 8, 7, 6, 5, 4], [1, 2, 3, 4, 5, 6], "validation loss has risen since step 10"),
        ([9, 8, 7, 6, 5], [1, 2, 3, 4, 5], None),
        ([1.0] + [1.1] * 9, [1.0] * 10, None),
    ],
)
def test_bad_stretches_are_warned_of_when_they_reach_their_length(train, validation, expected):
    found = [w for w in worries(history(train, validation), Device.choose(runtime())) if "memory" not in w]
    assert (found == []) if expected is None else (len(found) == 1 and expected in found[0])
