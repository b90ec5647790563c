"""Random streams of several networks in one process: each takes the place of the global one in its turn.

PyTorch's kernels for dropout know no stream but the global one of their device.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


def copies_of_global(device: torch.device) -> list[torch.Generator]:
    """The global streams as they are now: the CPU's, then that of the device if it is another."""
    kinds = [torch.device("cpu")] if device.type == "cpu" else [torch.device("cpu"), device]
    copies = []
    for kind in kinds:
        copy = torch.Generator(kind)
        copy.set_state(_global_state(kind))
        copies.append(copy)
    return copies


@contextmanager
def as_global(stream: torch.Generator) -> Iterator[None]:
    """Within it the global stream of that device is this one, which afterwards stands where it was left."""
    _set_global_state(stream.get_state(), stream.device)
    try:
        yield
    finally:
        stream.set_state(_global_state(stream.device))


def _global_state(device: torch.device) -> torch.Tensor:
    if device.type == "cuda":
        return torch.cuda.get_rng_state(device)
    if device.type == "mps":
        return torch.mps.get_rng_state()
    return torch.get_rng_state()


def _set_global_state(state: torch.Tensor, device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.set_rng_state(state, device)
    elif device.type == "mps":
        torch.mps.set_rng_state(state)
    else:
        torch.set_rng_state(state)
