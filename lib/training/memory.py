"""Recognises out-of-memory errors of every library and reports them in one form."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from lib.errors import ModelError, StudyError

_SIGNS = (
    "out of memory",  # CUDA; MPS, which raises a plain RuntimeError
    "outofmemory",
    "not enough memory",
    "allocate memory",  # PyTorch on a CPU: "can't …"; the system: "Cannot …"
    "alloc_failed",  # cuBLAS, cuDNN
    "bad_alloc",  # C++, as XGBoost and CatBoost pass it on
    "bad allocation",
    "invalid buffer size",  # MPS: a tensor larger than any buffer that Metal gives
)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error means that memory ran out; errors already worded for the user do not count."""
    if isinstance(error, MemoryError):
        return True
    if isinstance(error, StudyError) or not isinstance(error, Exception):
        return False
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    text = f"{type(error).__name__}: {error}".lower()
    return any(sign in text for sign in _SIGNS)


@contextmanager
def memory_told(micro_batch: int) -> Iterator[None]:
    """Context that turns an out-of-memory error into one the user can act on.

    Args:
        micro_batch: windows per forward pass.

    Raises:
        ModelError: memory ran out.
    """
    try:
        yield
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise ModelError(
            f"out of memory with {micro_batch} windows per forward pass. Discover the batch size on this "
            f"machine, or use a smaller model. ({reason})"
        ) from error
