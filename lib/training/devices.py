"""The machine under the training loop: device, precision, threads, randomness and memory.

Everything that differs between CPU, CUDA and Apple's MPS is decided here, so that the loop is the same for
all of them. Trains nothing and knows no model. The MPS branches follow PyTorch's documentation and have not
been run on such hardware.
"""

from __future__ import annotations

import ctypes
import os
import random
import resource
import sys
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cache
from typing import Any

# These are read when PyTorch, cuBLAS or CUDA start, so they must stand before the import. The first lets
# operators that MPS lacks run on the CPU instead of failing; the second makes cuBLAS repeatable; the third
# numbers cards as the driver's tools do, which name the card that a batch size was found on.
os.environ.setdefault("PYTORCH_ENABLE_MPS_FALLBACK", "1")
os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
os.environ.setdefault("CUDA_DEVICE_ORDER", "PCI_BUS_ID")

import numpy as np
import psutil
import torch

from lib.config.training import Runtime
from lib.errors import ConfigError
from lib.training.threads import first_threads

_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4
"""Parameters of glibc's mallopt(3)."""
RngState = dict[str, Any]
"""Tensors, numbers, lists and tuples only, so that it can be stored without pickled code."""


@dataclass(frozen=True)
class Device:
    """What a run computes on. Made by `Device.choose`."""

    handle: torch.device
    """As PyTorch wants it."""
    precision: str
    """``fp32`` or ``bf16`` (bf16 means autocast: weights and optimiser stay fp32)."""
    threads: int
    """CPU threads of PyTorch."""

    @classmethod
    def choose(cls, runtime: Runtime, precision: str | None = None, job_threads: int | None = None) -> Device:
        """Pick device and precision and set the process's threads.

        Args:
            runtime: the configuration.
            precision: already found for this run; None or ``auto`` leaves it to the configuration.
            job_threads: threads this job may use with `threads: auto`; None when it runs alone.

        Raises:
            ConfigError: the configured device or precision is not available.
        """
        kind = runtime.device if runtime.device != "auto" else _best_kind()
        if kind not in _available():
            raise ConfigError(
                f"training.device: {kind}: PyTorch finds no such device here (it finds "
                f"{', '.join(_available())}; the GPU of a virtual Mac does not count, it computes wrongly). "
                "Use `device: auto`."
            )
        wanted = precision if precision not in (None, "auto") else runtime.precision
        threads = first_threads(runtime, job_threads)
        torch.set_num_threads(threads)
        if kind == "cpu":
            _keep_freed_memory()
        if kind == "cuda":
            torch.backends.cudnn.benchmark = False
            torch.backends.cuda.matmul.allow_tf32 = True
        if kind == "mps":
            torch.mps.set_per_process_memory_fraction(runtime.memory_share)
        return cls(torch.device(kind), _precision(kind, wanted), threads)

    @property
    def kind(self) -> str:
        """``cpu``, ``cuda`` or ``mps``."""
        return self.handle.type

    @property
    def name(self) -> str | None:
        """Name of the accelerator, or None on CPU."""
        return {"cuda": _cuda_name, "mps": lambda: "Apple GPU (MPS)"}.get(self.kind, lambda: None)()

    @property
    def accumulator(self) -> torch.dtype:
        """Type for sums over many steps (MPS has no float64)."""
        return torch.float32 if self.kind == "mps" else torch.float64

    def autocast(self) -> AbstractContextManager[None]:
        """Context in which the network computes in this device's precision."""
        return torch.autocast(self.kind, torch.bfloat16, enabled=self.precision == "bf16")

    def synchronise(self) -> None:
        """Wait until the device has finished all its work."""
        if self.kind == "cuda":
            torch.cuda.synchronize(self.handle)
        elif self.kind == "mps":
            torch.mps.synchronize()

    def release(self) -> None:
        """Release cached memory where it is shared with the rest of the machine (MPS)."""
        if self.kind == "mps":
            torch.mps.empty_cache()

    def peak_memory(self) -> int:
        """Most memory used so far, in bytes: of the process on CPU, of PyTorch on an accelerator."""
        if self.kind == "cuda":
            return int(torch.cuda.max_memory_allocated(self.handle))
        if self.kind == "mps":
            return int(torch.mps.driver_allocated_memory())  # no peak is kept there
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return int(peak if sys.platform == "darwin" else peak * 1024)

    def memory_used(self) -> float:
        """Share of the device's memory in use, by anyone, between 0 and 1."""
        if self.kind == "cuda":
            free, total = torch.cuda.mem_get_info(self.handle)
            return 1.0 - free / total
        if self.kind == "mps":
            return torch.mps.driver_allocated_memory() / max(1, torch.mps.recommended_max_memory())
        return float(psutil.virtual_memory().percent) / 100


def seed_everything(seed: int) -> None:
    """Start all global random streams (PyTorch on every device, numpy, Python) from one seed."""
    torch.manual_seed(seed)
    np.random.seed(seed % 2**32)
    random.seed(seed)


def rng_state(device: Device) -> RngState:
    """The global random streams as they are now."""
    name, keys, position, has_gauss, cached = np.random.get_state(legacy=True)
    version, words, gauss = random.getstate()
    state: RngState = {
        "torch": torch.get_rng_state(),
        "numpy": [
            str(name),
            torch.from_numpy(np.asarray(keys, dtype=np.int64)),
            int(position),
            int(has_gauss),
        ],
        "numpy_gauss": float(cached),
        "python": [version, list(words), gauss],
    }
    if device.kind == "cuda":
        state["cuda"] = torch.cuda.get_rng_state(device.handle)
    if device.kind == "mps":
        state["mps"] = torch.mps.get_rng_state()
    return state


def set_rng_state(state: RngState, device: Device) -> None:
    """Continue the global random streams from where `rng_state` saw them.

    A stream of a device that the state does not know (a run that moved to another machine) is left alone.
    """
    torch.set_rng_state(state["torch"])
    name, keys, position, has_gauss = state["numpy"]
    np.random.set_state((name, keys.numpy().astype(np.uint32), position, has_gauss, state["numpy_gauss"]))
    version, words, gauss = state["python"]
    random.setstate((version, tuple(words), gauss))
    if device.kind == "cuda" and "cuda" in state:
        torch.cuda.set_rng_state(state["cuda"], device.handle)
    if device.kind == "mps" and "mps" in state:
        torch.mps.set_rng_state(state["mps"])


def _available() -> list[str]:
    found = ["cpu"]
    if torch.cuda.is_available():
        found.append("cuda")
    if torch.backends.mps.is_available() and not _is_virtual_gpu():
        found.append("mps")
    return found


def _is_virtual_gpu() -> bool:
    """Whether Metal's GPU is that of a virtual Mac, as hosted test machines are.

    It computes `linear` wrongly without an error (PyTorch's issues 188438 and 192934), so it is not used.
    """
    return "Paravirtual" in torch.backends.mps.get_name()


def _best_kind() -> str:
    return next(kind for kind in ("cuda", "mps", "cpu") if kind in _available())


def _cuda_name() -> str:
    return str(torch.cuda.get_device_name())


def _precision(kind: str, wanted: str) -> str:
    """fp32 or bf16; `auto` takes bf16 where the hardware multiplies it faster."""
    if wanted == "auto":
        # On MPS bf16 gains little and its operators are the least tested: fp32 there.
        return "bf16" if kind != "mps" and _has_fast_bf16(kind) else "fp32"
    if wanted not in ("fp32", "bf16"):
        raise ConfigError(f"training.precision: {wanted}: use auto, fp32 or bf16.")
    if wanted == "bf16" and kind == "cuda" and not _has_fast_bf16(kind):
        raise ConfigError(f"training.precision: bf16: {_cuda_name()} cannot compute in bf16. Use `auto`.")
    return wanted


def _has_fast_bf16(kind: str) -> bool:
    if kind == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    # PyTorch runs bf16 on every CPU, but without these instructions slower than fp32.
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


@cache
def _keep_freed_memory() -> None:
    """Let glibc keep large freed blocks instead of returning them to the system.

    Autocast makes and frees copies of all weights and gradients at every step; taking those pages from the
    system again each time cost a third of a 200M step. A no-op with another C library.
    """
    if not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_MAX, 0)
        mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)
