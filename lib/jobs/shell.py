"""Wraps every job: its log, and errors as one message instead of a traceback."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lib.errors import StudyError
from lib.training.memory import is_out_of_memory

_STORAGE = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO, errno.EMFILE}
"""Errors of the machine, not of the program."""
_MEMORY = (
    "MemoryError: this job needs more memory than there is. Nothing half-made is left; make memory free and "
    "give the same command again."
)


@contextlib.contextmanager
def job(snakemake: Any) -> Iterator[None]:
    """Run the body of a script.

    An error that a user can act on ends the job with its message; any other exception is a bug and leaves its
    traceback. The rule's log has both.
    """
    try:
        yield
    except StudyError as error:
        _end(snakemake, f"{type(error).__name__}: {error}")
    except KeyboardInterrupt:
        _end(snakemake, "Interrupted.")
    except OSError as error:
        advice = _MEMORY if is_out_of_memory(error) else _storage_message(error)
        _end(snakemake, advice or f"This is a bug, please report it:\n{traceback.format_exc()}")
    except Exception as error:
        if is_out_of_memory(error):
            _end(snakemake, _MEMORY)
        _end(snakemake, f"This is a bug, please report it:\n{traceback.format_exc()}")
    else:
        _write_log(snakemake, "done\n")


def _storage_message(error: OSError) -> str | None:
    """Advice about a full, read-only or broken disk; None for other errors."""
    if error.errno not in _STORAGE:
        return None
    path = Path(os.fsdecode(error.filename)) if error.filename else Path.cwd()
    there = next((folder for folder in (path, *path.absolute().parents) if folder.exists()), Path.cwd())
    free = shutil.disk_usage(there).free / 1e9
    return (
        f"StorageError: {path}: {os.strerror(error.errno)} ({free:.2f} GB are free there). Nothing half-made "
        "is left; fix the cause and give the same command again."
    )


def _end(snakemake: Any, message: str) -> None:
    _write_log(snakemake, message + "\n")
    sys.stderr.write(f"\n{message}\n")
    sys.stderr.flush()
    sys.exit(1)


def _write_log(snakemake: Any, text: str) -> None:
    path = Path(str(snakemake.log[0]))
    with contextlib.suppress(OSError):  # on a full disk the message on the terminal must still appear
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as log:
            log.write(text)
