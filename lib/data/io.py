"""Files that are either whole or absent: every declared output is written through this door.

A temporary file in the same folder, flushed to the disk, then renamed over the target: a reader, a kill or a
full disk never meets half a file. Nothing here knows what a file means.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polars as pl

_CHUNK = 1 << 20


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """A temporary path beside `path` that replaces it when the block ends well, and vanishes otherwise."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        with temporary.open("rb+") as handle:
            os.fsync(handle.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_parquet_atomic(frame: pl.DataFrame, path: Path) -> None:
    """Write a table as Parquet (zstd)."""
    with atomic_path(path) as temporary:
        frame.write_parquet(temporary, compression="zstd")


def write_text_atomic(path: Path, text: str) -> None:
    """Write a text file (UTF-8)."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json_atomic(path: Path, content: Any) -> None:
    """Write strict JSON: equal content gives equal bytes, NaN is refused."""
    text = json.dumps(content, indent=2, sort_keys=True, allow_nan=False, ensure_ascii=False)
    write_text_atomic(path, text + "\n")


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's bytes, as hexadecimal text."""
    return _digest(path, "sha256")


def md5_of(path: Path) -> str:
    """MD5 of a file's bytes, as hexadecimal text (an identifier, not a protection)."""
    return _digest(path, "md5")


def _digest(path: Path, algorithm: str) -> str:
    digest = hashlib.new(algorithm, usedforsecurity=False)
    with path.open("rb") as handle:
        while chunk := handle.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
