"""A device that says it is MPS and computes on the CPU, and a record of every operator it was asked for.

Who asks a tensor for its device hears `mps:0`, so all Python code, PyTorch's and ours, takes the branches it
would take on an Apple GPU. PyTorch's C++ code is not deceived: the kernels that it calls there in place of
others are named in `INSIDE_PYTORCH`. Numbers are those of a CPU: nothing here says what Apple's would be.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
import torchgen
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torchgen.gen import parse_native_yaml
from torchgen.model import BackendIndex, DispatchKey, NativeFunction

MPS, CPU = torch.device("mps:0"), torch.device("cpu")
UNKNOWN_TYPES = {torch.float64, torch.complex128}
"""MPS has no tensors of these types."""
INSIDE_PYTORCH = (
    *(
        "linear",
        "linear_backward",
        "native_dropout",
        "native_dropout_backward",
        "_lstm_mps",
        "lstm_mps_backward",
    ),
    *("_scaled_dot_product_attention_math_for_mps", "max_pool2d", "max_pool2d_backward"),
)
"""What PyTorch's own MPS branches call where a CPU takes another way (seen in its source, ATen/native)."""
_ANSWERS: dict[Any, Any] = {
    torch.Tensor.device.__get__: MPS,
    torch.Tensor.is_mps.__get__: True,
    torch.Tensor.is_cpu.__get__: False,
}


class _Pretence(TorchFunctionMode):
    """Tensors say that they are on MPS; a function that is to put something there is told `cpu`."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        if func in _ANSWERS:
            return _ANSWERS[func]
        if func is torch.device:
            return func(*args, **(kwargs or {}))
        named = {name: _real(value) for name, value in (kwargs or {}).items()}
        return func(*map(_real, args), **named)


def _real(argument: Any) -> Any:
    there = isinstance(argument, torch.device | str) and str(argument).startswith("mps")
    return CPU if there else argument


class Record(TorchDispatchMode):
    """Every operator that was called, and those that saw a type which MPS does not have."""

    def __init__(self) -> None:
        super().__init__()
        self.operators: set[str] = set()
        self.unknown_types: set[str] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        name = func._schema.name.removeprefix("aten::")
        name += f".{func._schema.overload_name}" if func._schema.overload_name else ""
        if not name.startswith("profiler::"):  # marks in a profile compute nothing
            self.operators.add(name)
        if any(value.dtype in UNKNOWN_TYPES for value in _tensors((*args, *(kwargs or {}).values(), result))):
            self.unknown_types.add(name)
        return result


def _tensors(values: Iterable[Any]) -> Iterator[torch.Tensor]:
    for value in values:
        if isinstance(value, torch.Tensor):
            yield value
        elif isinstance(value, list | tuple):
            yield from _tensors(value)


@contextmanager
def pretended_mps() -> Iterator[Record]:
    """Within it `device: mps` can be chosen; the kernels that only CPUs have are switched off."""
    with ExitStack() as stack:
        for name, answer in {
            "get_rng_state": torch.get_rng_state,
            "set_rng_state": lambda state: None,
            "synchronize": lambda: None,
            "empty_cache": lambda: None,
            "driver_allocated_memory": lambda: 0,
            "recommended_max_memory": lambda: 2**34,
            "set_per_process_memory_fraction": lambda share: None,
        }.items():
            stack.enter_context(patch.object(torch.mps, name, answer))
        stack.enter_context(patch.object(torch.backends.mps, "is_available", lambda: True))
        stack.enter_context(patch.object(torch.backends.mps, "get_name", lambda: "Apple M4 Max"))
        stack.callback(torch._C._set_mkldnn_enabled, torch._C._get_mkldnn_enabled())
        torch._C._set_mkldnn_enabled(False)
        stack.enter_context(torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH))
        record = stack.enter_context(Record())
        stack.enter_context(_Pretence())
        yield record


@cache
def _declared() -> tuple[dict[str, NativeFunction], BackendIndex]:
    folder = Path(torchgen.__file__).parent / "packaged" / "ATen" / "native"
    parsed = parse_native_yaml(str(folder / "native_functions.yaml"), str(folder / "tags.yaml"))
    functions = {str(function.func.name): function for function in parsed.native_functions}
    return functions, parsed.backend_indices[DispatchKey.MPS]


def runs_on_mps(name: str) -> bool:
    """Whether PyTorch declares a kernel for MPS, or one made of other operators, for `add.Tensor` etc."""
    functions, kernels = _declared()
    function = functions.get(name)
    if function is None:
        return False
    if function.structured_delegate is not None:
        function = functions[str(function.structured_delegate)]
    return bool(kernels.has_kernel(function) or function.has_composite_kernel)
