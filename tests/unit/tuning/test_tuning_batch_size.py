"""Batch-size discovery: real steps in a real child process, which may run out of memory or be killed."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from lib.config.model import Architecture
from lib.config.training import Recipe, Runtime
from lib.errors import ConfigError, ModelError
from lib.models.transformer.patchtst import NetworkFactory, PatchTSTSettings
from lib.training.devices import Device
from lib.tuning.batch_size import _climb, _result, _Table, discover, precision_begun
from lib.tuning.hardware import free_memory, hardware_fingerprint, matches_hardware, require_hardware
from lib.tuning.probe import Candidate, Setup, _free_memory, _Probe

ROOT = Path(__file__).parents[3]
LENGTH, CHANNELS = 8, 4
WIDTH = LENGTH * CHANNELS


class Linear(nn.Module):
    """One linear layer that can behave badly above a batch size."""

    def __init__(self, worst: str = "", above: int = 0) -> None:
        super().__init__()
        self.layer = nn.Linear(WIDTH, 1)
        self.worst, self.above = worst, above

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        size = len(inputs)
        time.sleep(0.1)  # the same for any size: larger batches are faster per sample
        if self.worst == "hungry":
            kept = torch.ones(size * 150_000_000 // 4)  # 150 MB for each sample
            inputs = inputs * kept[0]
        if size > self.above:
            if self.worst == "out of memory":
                raise torch.OutOfMemoryError("the card is full")
            if self.worst == "killed":
                os.kill(os.getpid(), signal.SIGKILL)
            if self.worst == "broken":
                raise ValueError("shapes do not fit")
        return self.layer(inputs.flatten(1)).squeeze(-1)


def run(worst: str = "", above: int = 0, batch: int = 16, precision: str = "fp32", **runtime) -> dict:
    return discover(
        partial(Linear, worst, above),
        context_length=LENGTH,
        channels=CHANNELS,
        effective_batch=batch,
        runtime=Runtime(device="cpu", precision=precision, threads=1, **runtime),
    )


def statuses(result: dict) -> list[tuple[int, str]]:
    return [(row["micro_batch"], row["status"]) for row in result["candidates"]]


def test_it_climbs_until_the_predicted_memory_is_above_the_limit_and_tells_what_it_found() -> None:
    result = run("hungry", batch=256, memory_share=1_000_000_000 / free_memory())
    sizes, words = zip(*statuses(result), strict=True)
    assert sizes == tuple(2**n for n in range(len(sizes)))
    assert set(words[:-1]) == {"ok"}
    # malloc keeps freed memory in pieces that need not fit again, so one step more or less is the machine's.
    assert words[-1] in ("not tried: predicted memory is above the limit", "above the memory limit")
    chosen = result["micro_batch"]
    assert chosen == result["largest_safe"] == sizes[-2]
    assert chosen in (1, 2, 4), "8 need 1.2 GB of their own, the limit is 1 GB more than at the start"
    assert chosen * 150_000_000 < result["memory"] <= result["memory_limit"]
    assert result["effective_batch"] == 256
    assert 0 < result["samples_per_second"] < chosen / 0.1
    assert (result["precision"], result["compile"], result["device"]) == ("fp32", False, "cpu")
    assert result["param_count"] == WIDTH + 1
    # forward, and backward to the weights (the inputs need no gradient), a multiply and an add each
    assert result["flops_per_sample"] == 2 * 2 * WIDTH
    assert matches_hardware(result)
    assert json.loads(json.dumps(result)) == result


@pytest.mark.parametrize(
    ("change", "refused"),
    [({"gpu": ["NVIDIA H200"]}, True), ({"memory_gb": 10_000.0}, True), ({"cores": 999}, False), ({}, None)],
)
def test_a_batch_size_of_another_machine_is_not_trusted(change, refused, capsys) -> None:
    result = {"hardware": hardware_fingerprint() | change}
    path = Path("results/batch_sizes/x.json") / str(change)  # the warning comes once a file
    if refused:
        with pytest.raises(ConfigError, match=r"may not fit here.*--force results/batch_sizes"):
            require_hardware(result, path)
        return
    require_hardware(result, path)
    assert ("another micro-batch may be faster here" in capsys.readouterr().err) == (refused is False)


def test_a_killed_candidate_costs_only_itself() -> None:
    result = run("killed", above=2)
    assert statuses(result) == [(1, "ok"), (2, "ok"), (4, "killed")]
    assert result["micro_batch"] == result["largest_safe"] == 2


@pytest.mark.slow
def test_a_candidate_without_memory_costs_only_itself() -> None:
    result = run("out of memory", above=2)
    assert statuses(result) == [(1, "ok"), (2, "ok"), (4, "out of memory")]
    assert result["micro_batch"] == result["largest_safe"] == 2


@pytest.mark.slow
def test_a_network_that_cannot_take_one_step_is_an_error_with_its_reason() -> None:
    with pytest.raises(ModelError, match="shapes do not fit"):
        run("broken")


@pytest.mark.slow
def test_not_even_one_window_in_memory_is_an_error_that_says_what_to_do() -> None:
    with pytest.raises(ModelError, match="not even one window fits"):
        run("out of memory")


class Machine:
    """Stands for the child process of a machine whose every measurement is a formula."""

    def __init__(self, seconds: Callable[[int], float], batch: int = 256) -> None:
        self.seconds = seconds
        runtime = Runtime(device="cpu")
        self.setup = Setup(Linear, LENGTH, CHANNELS, batch, "bce", Recipe(), runtime, None)
        self.facts = {
            "memory_limit": 1000,
            "static_memory": 100,
            "optimizer_seconds": 0.0,
            "param_count": 1,
            "device": "cpu",
            "device_name": None,
            "threads": 1,
        }

    def ask(self, candidate: Candidate) -> dict:
        assert candidate.precision == "bf16", "precision is the study's, not this cell's"
        seconds, memory = self.seconds(candidate.micro_batch), 100 + candidate.micro_batch
        return {"status": "ok", "seconds": seconds, "peak_memory": memory, "flops": None}

    def discover(self, deadline: float = float("inf")) -> dict:
        table = _Table("bf16")
        _climb(self, table, deadline)  # type: ignore[arg-type]
        return _result(self, table, None)  # type: ignore[arg-type]


def test_other_work_on_the_machine_does_not_end_the_climb() -> None:
    """Measured once on a machine with two other trainings: it stopped at 8 and trained ten times slower."""
    result = Machine(lambda size: 0.3 if size in (4, 8) else 0.01 * max(size / 32, 1)).discover()
    assert result["micro_batch"] == 32


def test_it_stops_when_twice_more_brought_no_more_speed() -> None:
    result = Machine(lambda size: 0.01 * max(size, 4)).discover()
    assert [row["micro_batch"] for row in result["candidates"]] == [1, 2, 4, 8, 16]
    assert result["micro_batch"] == 4  # the smallest of the fastest
    assert result["largest_safe"] == 256  # by its memory, though not worth trying


def test_the_optimiser_step_counts_in_the_speed() -> None:
    machine = Machine(lambda size: 0.01 * size, batch=4)
    machine.facts["optimizer_seconds"] = 0.06
    assert machine.discover()["samples_per_second"] == pytest.approx(4 / (0.04 + 0.06))


def test_no_further_candidate_is_begun_when_time_is_up() -> None:
    result = Machine(lambda size: 0.01).discover(deadline=0.0)
    assert statuses(result)[:2] == [(1, "ok"), (2, "not tried: out of time")]
    assert result["micro_batch"] == 1


@pytest.mark.parametrize("noise", [0.97, 1.0, 1.03])
def test_noise_does_not_choose_between_those_that_are_about_as_fast(noise: float) -> None:
    """Measured once: 16 in one study, 32 in the other, at 20.5 and 20.0 windows a second."""
    seconds = {1: 0.2, 2: 0.25, 4: 0.35, 8: 0.55, 16: 0.8 * noise, 32: 1.56}
    assert Machine(lambda size: seconds[size], batch=32).discover()["micro_batch"] == 16


def test_a_studys_precision_is_that_of_its_first_batch_size(tmp_path: Path) -> None:
    assert precision_begun(tmp_path) is None
    for age, precision in ((20, "fp32"), (90, "bf16"), (10, "fp32")):
        path = tmp_path / "Aa20" / "daily" / f"{age}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"precision": precision}), encoding="utf-8")
        os.utime(path, (1e9 - age, 1e9 - age))
    assert precision_begun(tmp_path) == "bf16"


def test_one_disturbed_measurement_does_not_decide() -> None:
    disturbed = {1: 0.01, 2: 0.9, 4: 0.02, 8: 0.03}
    result = Machine(lambda size: disturbed[size], batch=8).discover()
    assert result["micro_batch"] == 8
    by_size = {row["micro_batch"]: row["samples_per_second"] for row in result["candidates"][:4]}
    assert by_size[2] == pytest.approx(2 / 0.02)  # a smaller batch cannot take longer than a larger one


@pytest.mark.parametrize(("recommended", "free"), [(100, 30), (30, 100)])
def test_on_a_mac_neither_metal_nor_the_machine_gives_more_than_it_has(monkeypatch, recommended, free):
    monkeypatch.setattr(torch.mps, "recommended_max_memory", lambda: recommended)
    monkeypatch.setattr("lib.tuning.hardware.free_memory", lambda: free)
    assert _free_memory(Device(torch.device("mps"), "fp32", 1)) == 30


def test_operations_counted_from_shapes_are_those_of_a_real_pass():
    size = Architecture(d_model=64, n_heads=4, n_layers=2, d_ff=128)
    factory = NetworkFactory(PatchTSTSettings().model_dump(), size, 80, np.zeros(20), np.ones(20))
    runtime = Runtime(device="cpu", precision="fp32", threads=1)
    probe = _Probe(Setup(factory, 80, 20, 4, "bce", Recipe(), runtime, None))
    with FlopCounterMode(display=False) as real:
        factory().train()(torch.randn(2, 80, 20)).sum().backward()
    counted = probe.attempt(Candidate(2, "fp32", count_flops=True))["flops"]
    assert counted == pytest.approx(real.get_total_flops(), rel=0.05)


SCRIPT = """
from functools import partial
from lib.config.training import Runtime
from lib.tuning.batch_size import discover
from test_tuning_batch_size import Linear
print("body runs")
result = discover(partial(Linear), context_length=8, channels=4, effective_batch=1,
                  runtime=Runtime(device="cpu", precision="fp32", threads=1))
print(result["micro_batch"])
"""


@pytest.mark.slow
def test_a_script_without_a_main_guard_is_not_run_again_in_the_child(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT, encoding="utf-8")
    search_path = os.pathsep.join([str(ROOT), str(Path(__file__).parent)])
    done = subprocess.run(
        [sys.executable, str(script)],
        env=os.environ | {"PYTHONPATH": search_path},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split("\n") == ["body runs", "1", ""]


def test_a_result_of_another_machine_is_recognised() -> None:
    here = hardware_fingerprint()
    assert matches_hardware({"hardware": here})
    assert matches_hardware({"hardware": here | {"memory_gb": here["memory_gb"] * 1.02}})
    for change in ({"cpu": "other"}, {"cores": 999}, {"gpu": ["H999"]}, {"memory_gb": 2 * here["memory_gb"]}):
        assert not matches_hardware({"hardware": here | change})
    assert not matches_hardware({})
