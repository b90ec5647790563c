"""The thin shell around every job: its log, and errors as one message instead of a traceback."""

from __future__ import annotations

import contextlib
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lib.errors import StudyError


@contextlib.contextmanager
def job(snakemake: Any) -> Iterator[None]:
    """Run the body of a script.

    An error that a user can act on ends the job with its message; any other exception is a bug and leaves
    its traceback. Both stand in the rule's log.
    """
    try:
        yield
    except StudyError as error:
        _end(snakemake, f"{type(error).__name__}: {error}")
    except KeyboardInterrupt:
        _end(snakemake, "Interrupted.")
    except Exception:
        _end(snakemake, f"This is a bug, please report it:\n{traceback.format_exc()}")
    else:
        _write_log(snakemake, "done\n")


def _end(snakemake: Any, message: str) -> None:
    _write_log(snakemake, message + "\n")
    sys.stderr.write(f"\n{message}\n")
    sys.stderr.flush()
    sys.exit(1)


def _write_log(snakemake: Any, text: str) -> None:
    path = Path(str(snakemake.log[0]))
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as log:
        log.write(text)
