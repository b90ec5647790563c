"""Before a study: an accelerator that computes something else than the CPU is found out.

A CPU against itself, in both precisions; every error is planted in a device, none in the check.
"""

from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
import yaml

from lib.config.model import Architecture
from lib.study.plan import plan_study
from lib.study.preflight import accelerator
from lib.study.preflight.accelerator import BATCHES, StepComparison, compare, compared
from lib.study.preflight.preflight import _steps
from lib.training.devices import Device
from lib.training.draws import Draws

CONFIG = Path(__file__).parents[3] / "config"
SMALL = Architecture(d_model=32, n_heads=4, n_layers=2, d_ff=64, dropout=0.5)
PRECISIONS = ["fp32", "bf16"]


def device(precision: str) -> Device:
    return Device(torch.device("cpu"), precision, torch.get_num_threads())


@dataclass
class Fault:
    """Something that a device does to the outputs of a network; the reference on the CPU comes first."""

    change: object
    armed: bool = False

    def plant(self, monkeypatch) -> None:
        sound, on_cpu = accelerator.forward, accelerator.StepComparison.on_cpu

        def reference(comparison):
            self.armed = False
            truth = on_cpu(comparison)
            self.armed = True
            return truth

        def forward(network, inputs, outputs=1):
            found = sound(network, inputs, outputs)
            return self.change(found) if self.armed else found

        monkeypatch.setattr(accelerator.StepComparison, "on_cpu", reference)
        monkeypatch.setattr(accelerator, "forward", forward)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_sound_device_passes(precision):
    check = compared("tiny", SMALL, device(precision))
    assert check.state == "pass", check.found
    assert precision in check.found


@pytest.mark.parametrize(("precision", "share"), [("fp32", 1e-2), ("bf16", 1e-1)])
def test_a_forward_pass_that_is_off_is_caught(precision, share, monkeypatch):
    Fault(lambda found: found * (1 + share)).plant(monkeypatch)
    check = compared("tiny", SMALL, device(precision))
    assert check.state == "fail"
    assert f"of {BATCHES[0]} windows" in check.found


@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_kernel_kept_for_the_first_batch_size_is_caught(precision, monkeypatch):
    kept: dict[int, torch.Tensor] = {}

    def first_again(found: torch.Tensor) -> torch.Tensor:
        first = kept.setdefault(0, found.detach().clone())
        return found if len(found) != BATCHES[1] else found - found.detach() + first[: len(found)]

    Fault(first_again).plant(monkeypatch)
    check = compared("tiny", SMALL, device(precision))
    assert check.state == "fail"
    assert f"of {BATCHES[1]} windows" in check.found
    assert f"of {BATCHES[0]} windows" not in check.found


@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_random_state_that_is_not_put_back_is_caught(precision, monkeypatch):
    monkeypatch.setattr(accelerator, "set_rng_state", lambda state, device: None)
    check = compared("tiny", SMALL, device(precision))
    assert check.state == "fail"
    assert "dropout does not repeat" in check.found


def test_random_numbers_that_are_not_the_cpus_are_caught(monkeypatch):
    sound, answers = Draws.bytes, []

    def spoilt(draws, shape):
        answers.append(sound(draws, shape))
        return answers[-1] if len(answers) == 1 else answers[-1] + 1

    with monkeypatch.context() as patched:
        patched.setattr(Draws, "bytes", spoilt)
        assert not StepComparison(SMALL, device("fp32")).draws_as_the_cpu()
    assert StepComparison(SMALL, device("fp32")).draws_as_the_cpu()


def test_an_optimizer_that_does_something_else_is_caught(monkeypatch):
    fault = Fault(lambda found: found)
    fault.plant(monkeypatch)
    sound = accelerator.build_optimizer

    def build(network, recipe):
        faster = recipe.model_copy(update={"learning_rate": 1.1 * recipe.learning_rate})
        return sound(network, faster if fault.armed else recipe)

    monkeypatch.setattr(accelerator, "build_optimizer", build)
    check = compared("tiny", SMALL, device("fp32"))
    assert check.state == "fail"
    assert "change of the weights" in check.found


def test_weights_that_are_lost_in_saving_are_caught(monkeypatch):
    load = accelerator.PatchTSTForecaster.load

    def spoilt(folder):
        model = load(folder)
        with torch.no_grad():
            model.network.readout.linear.bias += 1e-6
        return model

    monkeypatch.setattr(accelerator.PatchTSTForecaster, "load", spoilt)
    check = compared("tiny", SMALL, device("fp32"))
    assert check.state == "fail"
    assert "after saving and loading" in check.found


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (NotImplementedError("aten::this is missing.\nMore."), "NotImplementedError: aten::this is missing."),
        (TypeError("no float64 on MPS"), "TypeError: no float64 on MPS"),
        (MemoryError(), "MemoryError: "),
    ],
)
def test_what_a_device_raises_is_a_line_of_the_table(error, told, monkeypatch):
    def refuse(found):
        raise error

    Fault(refuse).plant(monkeypatch)
    check = compared("tiny", SMALL, device("fp32"))
    assert (check.state, check.found) == ("fail", told)


def test_a_forecast_that_is_no_number_fails(monkeypatch):
    Fault(lambda found: found * float("nan")).plant(monkeypatch)
    assert compared("tiny", SMALL, device("fp32")).state == "fail"


def test_without_an_accelerator_it_says_that_nothing_was_compared():
    (check,) = compare({"tiny": SMALL}, device("fp32"))
    assert check.state == "warn"
    assert "none was compared" in check.found


def test_preflight_compares_every_size_of_the_study_on_request(monkeypatch):
    content = yaml.safe_load((CONFIG / "config.yaml").read_text())
    plan = plan_study(content | {"training": content["training"] | {"device": "cpu"}}, CONFIG, {})
    asked = {}
    monkeypatch.setattr(accelerator, "compare", lambda sizes, device: asked.update(sizes) or [device.kind])
    assert _steps(plan) == ["cpu"]
    assert set(asked) == {"2M", "20M", "200M"}


def test_too_little_memory_is_said_and_nothing_is_built(monkeypatch):
    monkeypatch.setattr(accelerator, "free_memory", lambda: accelerator.PROCESS)
    monkeypatch.setattr(accelerator.StepComparison, "model", None)
    check = compared("tiny", SMALL, device("fp32"))
    assert check.state == "warn"
    assert "not compared" in check.found
