"""The process in which candidate batch sizes are tried with real training steps.

It is started by `lib.tuning.batch_size`, builds one network with its optimiser state and answers requests
until its pipe is closed. It may run out of memory or be killed; the requesting process continues.
"""

from __future__ import annotations

import contextlib
import copy
import ctypes
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lib.config.training import Recipe, Runtime
from lib.training.memory import is_out_of_memory

if TYPE_CHECKING:
    import torch
    from torch import nn

    from lib.training.devices import Device


_TIMED_SECONDS = 0.2
_MOST_PASSES = 10
_AGREEMENT = 1.2


@dataclass(frozen=True)
class Setup:
    """What is probed. Travels through a pipe, so the factory must be importable by the child."""

    factory: Callable[[], nn.Module]
    """Builds the network, (batch, context_length, channels) to (batch,)."""
    context_length: int
    channels: int
    effective_batch: int
    loss: str
    recipe: Recipe
    runtime: Runtime
    job_threads: int | None


@dataclass(frozen=True)
class Candidate:
    """One way to do a training step."""

    micro_batch: int
    precision: str
    compile: bool = False
    count_flops: bool = False


class _Probe:
    """Network, optimiser and memory of the machine they are on."""

    def __init__(self, setup: Setup) -> None:
        import torch

        from lib.training.devices import Device
        from lib.training.optim import build_optimizer

        self.setup = setup
        self.device = Device.choose(setup.runtime, job_threads=setup.job_threads)
        self.memory_limit = int(self._memory_now() + setup.runtime.memory_share * _free_memory(self.device))
        self.network = setup.factory().to(self.device.handle).train()
        self.optimizer = build_optimizer(self.network, setup.recipe)
        self.compiled: Any = None
        for parameter in self.network.parameters():
            if parameter.requires_grad:
                parameter.grad = torch.zeros_like(parameter)
        self.optimizer.step()  # creates the optimiser state
        self.optimizer_seconds = min(self._times(self._optimizer_step))
        # What training keeps in the computer's memory; a card has its own.
        self.kept = self._checkpoint_copies() if self.device.kind == "cpu" else None
        self.static_memory = self._memory_now()

    def _checkpoint_copies(self) -> Any:
        """As training has them from its first checkpoint on: of its whole state, and of the best weights."""
        from lib.training.writer import host_copy

        weights = self.network.state_dict()
        return host_copy([weights, weights, self.optimizer.state_dict()])

    def facts(self) -> dict[str, Any]:
        trainable = [p.numel() for p in self.network.parameters() if p.requires_grad]
        return {
            "status": "ok",
            "device": self.device.kind,
            "device_name": self.device.name,
            "precision": self.device.precision,
            "threads": self.device.threads,
            "param_count": sum(trainable),
            "memory_limit": self.memory_limit,
            "static_memory": self.static_memory,
            "optimizer_seconds": self.optimizer_seconds,
        }

    def attempt(self, candidate: Candidate) -> dict[str, Any]:
        """Seconds of one forward and backward pass, and the peak memory in bytes."""
        import torch

        device = replace(self.device, precision=candidate.precision)
        network = self._network(candidate)
        shape = (candidate.micro_batch, self.setup.context_length, self.setup.channels)
        inputs = torch.randn(shape, device=device.handle)
        target = torch.randint(0, 2, shape[:1], device=device.handle).float()
        self._reset_peak()

        def step() -> None:
            if candidate.micro_batch >= self.setup.effective_batch:  # else gradients are accumulated
                self.optimizer.zero_grad(set_to_none=True)
            with device.autocast():
                output = network(inputs)
            loss = self._loss(output.float(), target)
            loss.backward()

        flops: int | None = None
        if candidate.count_flops:
            flops = self._count_flops(shape)
        step()
        return {
            "status": "ok",
            "seconds": min(self._times(step)),  # of several, the least disturbed by other work
            "peak_memory": self._peak(),
            "flops": flops,
        }

    def _network(self, candidate: Candidate) -> nn.Module:
        import torch

        if not candidate.compile:
            return self.network
        if self.compiled is None:
            self.compiled = torch.compile(self.network)
        compiled: nn.Module = self.compiled
        return compiled

    def _loss(self, output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        from torch.nn import functional

        if output.shape != target.shape:
            raise ValueError(f"the network gives {tuple(output.shape)}, expected {tuple(target.shape)}")
        if self.setup.loss == "bce":
            return functional.binary_cross_entropy_with_logits(output, target)
        return functional.mse_loss(output, target)

    def _optimizer_step(self) -> None:
        from lib.training.optim import clip_gradients

        clip_gradients(self.network, self.setup.recipe.gradient_clip)
        self.optimizer.step()

    def _times(self, action: Callable[[], None]) -> list[float]:
        times: list[float] = []
        while not _settled(times):
            times.append(self._timed(action))
        return times

    def _timed(self, action: Callable[[], None]) -> float:
        self.device.synchronise()
        begin = time.perf_counter()
        action()
        self.device.synchronise()
        return time.perf_counter() - begin

    def _count_flops(self, shape: tuple[int, int, int]) -> int | None:
        """Floating-point operations of a forward and backward pass, from shapes alone.

        On PyTorch's device without memory, so the same everywhere: MPS computes gradients of linear layers
        by an operator that PyTorch's counter has no formula for. None if a network needs real numbers.
        """
        import torch
        from torch.utils.flop_counter import FlopCounterMode

        try:
            network = copy.deepcopy(self.network).to("meta")
            with FlopCounterMode(display=False) as counter:
                network(torch.empty(shape, device="meta")).sum().backward()
        except (RuntimeError, NotImplementedError):
            return None
        return int(counter.get_total_flops()) or None

    def _memory_now(self) -> int:
        import psutil
        import torch

        if self.device.kind == "cuda":
            return int(torch.cuda.memory_reserved(self.device.handle))
        if self.device.kind == "mps":
            return int(torch.mps.driver_allocated_memory())
        return int(psutil.Process().memory_info().rss)

    def _reset_peak(self) -> None:
        import torch

        if self.device.kind == "cuda":
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats(self.device.handle)
        elif self.device.kind == "cpu":
            # Memory that malloc keeps for reuse would count for the next candidate: glibc gives it back.
            with contextlib.suppress(OSError, AttributeError):
                ctypes.CDLL(None).malloc_trim(0)
            # Resets VmHWM (proc(5)); without it, the peak of an earlier candidate would count.
            with contextlib.suppress(OSError):
                Path("/proc/self/clear_refs").write_text("5", encoding="ascii")

    def _peak(self) -> int:
        import torch

        if self.device.kind == "cuda":
            return int(torch.cuda.max_memory_reserved(self.device.handle))
        if self.device.kind == "cpu":
            with contextlib.suppress(OSError, StopIteration):
                lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
                return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) * 1024
        return self.device.peak_memory()


def _free_memory(device: Device) -> int:
    """Bytes that are free where a training computes."""
    import torch

    from lib.tuning.hardware import free_memory

    if device.kind == "cuda":
        return int(torch.cuda.mem_get_info(device.handle)[0])
    if device.kind == "mps":  # what Metal is good for; others share that memory and may leave less of it
        return min(int(torch.mps.recommended_max_memory()), free_memory())
    return free_memory()


def _settled(times: list[float]) -> bool:
    """Two passes, more if they were very short or if other work on the machine disturbed them."""
    if len(times) < 2 or (sum(times) < _TIMED_SECONDS and len(times) < _MOST_PASSES):
        return False
    fastest, second = sorted(times)[:2]
    return second <= _AGREEMENT * fastest or len(times) >= _MOST_PASSES // 2


def _guarded(action: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """The answer, or why there is none."""
    try:
        return action()
    except Exception as error:
        if is_out_of_memory(error):
            return {"status": "out of memory"}
        return {"status": "error", "reason": f"{type(error).__name__}: {error}"}


def serve(file_descriptor: int) -> None:
    """Answer requests until the other side closes: first a `Setup`, then any number of `Candidate`."""
    connection = Connection(file_descriptor)
    # Should memory run out after all, the system is to end this process and no other.
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")
    probes: list[_Probe] = []
    while True:
        try:
            request = connection.recv()
        except EOFError:
            return
        except Exception as error:  # the factory could not be unpickled here
            connection.send({"status": "error", "reason": f"{type(error).__name__}: {error}"})
            continue
        if isinstance(request, Setup):

            def build(setup: Setup = request) -> dict[str, Any]:
                probes.append(_Probe(setup))
                return probes[-1].facts()

            answer = _guarded(build)
        else:

            def attempt(candidate: Candidate = request) -> dict[str, Any]:
                return probes[-1].attempt(candidate)

            answer = _guarded(attempt)
        connection.send(answer)
