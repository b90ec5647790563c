"""Does the accelerator compute what a CPU computes? Real steps of PatchTST on both, before a study trusts it.

For each size: two optimiser steps with batches of two sizes (a kernel that was kept for one shape may be
wrong for another: pytorch#177116), the same dropout after the random state is put back, and the same forecast
after saving and loading. It says nothing about speed, heat or a whole training. Imports torch.
"""

from __future__ import annotations

import gc
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from lib.config.model import Architecture
from lib.config.training import Recipe, Runtime
from lib.datasets.windows import Samples
from lib.errors import StudyError
from lib.models.contract import Problem
from lib.models.transformer.patchtst import PatchTSTForecaster
from lib.study.preflight.check import Check
from lib.study.preview import gigabytes
from lib.training.batches import Windows
from lib.training.context import TrainingContext
from lib.training.devices import Device, rng_state, seed_everything, set_rng_state
from lib.training.draws import Draws
from lib.training.forward import forward, summed_loss
from lib.training.optim import build_optimizer, clip_gradients
from lib.tuning.hardware import free_memory

BATCHES = (8, 5)
"""Windows of the two steps."""
CHANNELS, CONTEXT, SEED = 20, 60, 0
RECIPE = Recipe(learning_rate=3e-4)
KEPT = 26
"""Bytes per parameter at most: weights, gradients and two moments of the device that steps, the weights that
the CPU came to, and those before. 200M was measured at 5.8 GB in all."""
PROCESS = 1_000_000_000
ADVICE = "Do not train on it: `training.device: cpu`. Update PyTorch and the system, then run this again."


@dataclass(frozen=True)
class Tolerance:
    """Largest difference from fp32 on the CPU that passes, as a share of the CPU's number."""

    loss: float
    """And of forecasts."""
    gradient: float
    """Of its norm."""
    update: float
    """Norm of the difference between both changes of the weights. Adam takes the sign of a small gradient, so
    elements that are rounding alone move the other way: this is far above the error of a gradient."""


# Measured on a CPU against another library of matrix products, in the order below: fp32 (2M, 20M, 200M) 2e-6,
# 2e-7, 5e-5; bf16 (2M, 20M) 5e-3, 9e-4, 6e-2. Limits are four times that or more; tf32 was never measured.
TOLERANCES = {
    "fp32": Tolerance(loss=1e-4, gradient=1e-3, update=1e-2),
    "tf32": Tolerance(loss=5e-3, gradient=1e-2, update=1e-1),
    "bf16": Tolerance(loss=2e-2, gradient=2e-2, update=3e-1),
}


@dataclass(frozen=True)
class Steps:
    """What one device computed: per step its mean loss and gradient norm; then the weights."""

    losses: list[float]
    norms: list[float]
    weights: dict[str, torch.Tensor]
    """On the CPU."""


def arithmetic(device: Device) -> str:
    """How a device multiplies: one of `TOLERANCES`."""
    return "tf32" if device.kind == "cuda" and device.precision == "fp32" else device.precision


def made_samples(n: int) -> Samples:
    """Random windows. Targets grow from the first to the last, so that no batch passes for another."""
    stream = np.random.default_rng(SEED)
    matrix = stream.normal(size=(n + CONTEXT - 1, CHANNELS)).astype(np.float32)
    return Samples(
        matrix=matrix,
        ends=np.arange(CONTEXT - 1, len(matrix)),
        target=(stream.normal(size=n) + np.linspace(1, 4, n)).astype(np.float32),
        dates=np.datetime64("2001-01-01") + np.arange(n),
        symbols=np.full(n, "X", dtype=object),
        context_length=CONTEXT,
        horizon=1,
        task="regression",
        channel_names=tuple(f"c{number}" for number in range(CHANNELS)),
    )


class StepComparison:
    """One size of PatchTST on a device, against fp32 on the CPU.

    Args:
        architecture: of the size.
        device: the one to check.
    """

    def __init__(self, architecture: Architecture, device: Device) -> None:
        self.architecture, self.device = architecture, device
        self.samples = made_samples(sum(BATCHES))

    def untrained(self) -> PatchTSTForecaster:
        """The model without its network."""
        names, zeros = self.samples.channel_names, np.zeros(CHANNELS)
        problem = Problem("regression", 1, CHANNELS, CONTEXT, names, zeros, zeros + 1)
        return PatchTSTForecaster(PatchTSTForecaster.Settings(), problem, self.architecture, RECIPE, SEED)

    def model(self) -> PatchTSTForecaster:
        """With its untrained network, always of the same weights."""
        model = self.untrained()
        model.network = model.factory()()
        return model

    def steps(self, network: nn.Module, device: Device) -> Steps:
        """One optimiser step per batch, without dropout: what is wrong is then a kernel and not a draw."""
        network.to(device.handle).eval()
        optimizer = build_optimizer(network, RECIPE)
        windows = Windows(self.samples, device.handle)
        losses, norms = [], []
        for numbers in torch.arange(sum(BATCHES), device=device.handle).split(list(BATCHES)):
            with device.autocast():
                inputs, target = windows.gather(numbers)
                loss = summed_loss(forward(network, inputs), target, "mse") / len(numbers)
                loss.backward()
            norms.append(float(clip_gradients(network, RECIPE.gradient_clip)))
            losses.append(float(loss.detach()))
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        weights = {name: weight.detach().cpu() for name, weight in network.named_parameters()}
        return Steps(losses, norms, weights)

    def repeats(self, network: nn.Module) -> bool:
        """Whether dropout draws new numbers, and the same again once the random state is restored."""
        windows = Windows(self.samples, self.device.handle)
        inputs, _ = windows.gather(torch.arange(len(windows), device=self.device.handle))
        network.train()
        seed_everything(SEED)
        state = rng_state(self.device)
        with self.device.autocast():  # with a graph, as in training: without one MPS takes another kernel
            first, other = forward(network, inputs), forward(network, inputs)
            set_rng_state(state, self.device)
            again = forward(network, inputs)
        return torch.equal(first, again) and not torch.equal(first, other)

    def draws_as_the_cpu(self) -> bool:
        """Whether dropout takes the same random numbers as there."""
        drawn = []
        for device in (torch.device("cpu"), self.device.handle):
            draws = Draws(device)
            draws.begin(SEED, 1, 3, 5)
            drawn.append(draws.bytes(torch.Size((5, 1001))).cpu())
        return torch.equal(*drawn)

    def survives(self, model: PatchTSTForecaster) -> bool:
        """Whether the model forecasts the same, in every bit, after it was saved and loaded."""
        before, context = model.forecast(self.samples), model.context
        with tempfile.TemporaryDirectory() as folder:
            model.save(Path(folder))
            model.network = None  # its memory is needed
            loaded = PatchTSTForecaster.load(Path(folder))
        loaded.context = context
        return np.array_equal(before, loaded.forecast(self.samples))

    def on_cpu(self) -> tuple[np.ndarray, Steps]:
        """The truth: forecasts of the untrained model, and two steps, in fp32."""
        return self._computed(self.model(), Device(torch.device("cpu"), "fp32", torch.get_num_threads()))

    def _computed(self, model: PatchTSTForecaster, device: Device) -> tuple[np.ndarray, Steps]:
        runtime = Runtime.model_validate({"device": device.kind, "threads": device.threads})
        model.context = TrainingContext(SEED, Path(), runtime, precision=device.precision)
        return model.forecast(self.samples), self.steps(model.network, device)

    def differences(self) -> tuple[dict[str, tuple[float, float]], list[str]]:
        """What differs, by how much and by how much at most; and what went wrong otherwise."""
        limit = TOLERANCES[arithmetic(self.device)]
        true_forecast, true = self.on_cpu()
        gc.collect()
        model = self.model()
        forecast, steps = self._computed(model, self.device)
        holds = {
            "dropout does not repeat when the random state is put back": self.repeats(model.network),
            "dropout draws other numbers than on the CPU": self.draws_as_the_cpu(),
            "the forecast is another after saving and loading": self.survives(model),
        }
        faults = [words for words, held in holds.items() if not held]
        found = {"forecast": (_distance(forecast, true_forecast), limit.loss)}
        for number, size in enumerate(BATCHES):
            loss = abs(steps.losses[number] / true.losses[number] - 1)
            norm = abs(steps.norms[number] / true.norms[number] - 1)
            found[f"loss of {size} windows"] = (loss, limit.loss)
            found[f"gradient norm of {size} windows"] = (norm, limit.gradient)
        found["change of the weights"] = (self._update_error(steps, true), limit.update)
        return found, faults

    def _update_error(self, steps: Steps, true: Steps) -> float:
        wrong = moved = 0.0
        for name, start in self.model().network.named_parameters():
            wrong += float((steps.weights[name] - true.weights[name]).norm()) ** 2
            moved += float((true.weights[name] - start.detach()).norm()) ** 2
        return float((wrong / moved) ** 0.5)


def _distance(found: np.ndarray, true: np.ndarray) -> float:
    """Norm of the difference, as a share of the true norm."""
    return float(np.linalg.norm(found - true) / np.linalg.norm(true))


def compare(sizes: Mapping[str, Architecture], device: Device) -> list[Check]:
    """One line per size: does the device compute what fp32 on the CPU computes?

    Args:
        sizes: architectures by the name of their budget.
        device: with the precision it would train in.
    """
    if device.kind == "cpu":
        advice = "Nothing, if this machine is to train on its CPU."
        return [Check("steps", "warn", "no accelerator is used: none was compared with the CPU", advice)]
    return [compared(name, architecture, device) for name, architecture in sizes.items()]


def compared(name: str, architecture: Architecture, device: Device) -> Check:
    """The same for one size, on any device."""
    subject, comparison = f"{name} on {device.kind}", StepComparison(architecture, device)
    need, free = PROCESS + KEPT * comparison.untrained().parameter_counts()["total"], free_memory()
    if free < need:
        found = f"not compared: it takes about {gigabytes(need)}, {gigabytes(free)} are free"
        return Check(subject, "warn", found, "Close other programs, then run this again.")
    began = time.monotonic()
    try:
        found_differences, faults = comparison.differences()
    # Also a missing operator or a lack of memory; MPS calls float64 a wrong type.
    except (RuntimeError, TypeError, MemoryError, StudyError) as error:
        words = "".join(str(error).splitlines()[:1])
        return Check(subject, "fail", f"{type(error).__name__}: {words}", ADVICE)
    finally:
        gc.collect()
        device.release()
    seconds = f"{time.monotonic() - began:.0f} s"
    for what, (off, limit) in found_differences.items():
        if not off <= limit:  # NaN neither
            faults.append(f"{what} off by {off:.1e} (at most {limit:.0e})")
    if faults:
        return Check(subject, "fail", f"{arithmetic(device)}: {'; '.join(faults)}; {seconds}", ADVICE)
    words = ", ".join(f"{what} {off:.0e} of {limit:.0e}" for what, (off, limit) in found_differences.items())
    return Check(subject, "pass", f"{arithmetic(device)}, off the CPU by: {words}; {seconds}")
