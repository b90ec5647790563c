"""The record of test-set access: one line per distinct test predictions ever read; nothing is removed.

The present files cannot show how often a run was retrained after its test results were seen; this record can.
Reading the same predictions twice adds nothing, so repeating a report is no new access.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from lib.data.io import flush_to_disk

_LENGTH = 64
"""Characters of a SHA-256; a line torn by a full disk has fewer and does not count."""


def read_test_access(path: Path) -> set[str]:
    """Digests of all recorded test predictions; none if there is no record yet."""
    if not path.is_file():
        return set()
    lines = path.read_text(encoding="utf-8").splitlines()
    return {line for line in lines if len(line) == _LENGTH}


def add_test_access(path: Path, digests: Iterable[str]) -> None:
    """Append digests, in one write: jobs of several phases may add to the record at the same time."""
    text = "".join(f"{digest}\n" for digest in sorted(digests))
    if not text:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_file() and not path.read_bytes().endswith(b"\n"):
        text = "\n" + text  # the last line was torn
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        os.write(descriptor, text.encode())
        flush_to_disk(descriptor)
    finally:
        os.close(descriptor)
