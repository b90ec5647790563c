"""Files that are either whole or absent: every declared output is written through this door.

A temporary file in the same folder, flushed to the disk, then renamed over the target: a reader, a kill or a
full disk never meets half a file. What a disk or a copy damages afterwards is noticed when it is read: tables
carry a checksum. Nothing here knows what a file means.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import polars as pl

from lib.errors import IntegrityError

_CHUNK = 1 << 20
_SEAL = b"crc32:"
_AGAIN = (
    "Delete it and give the same command again: it is made anew. `make verify` lists whatever else differs "
    "from its record."
)


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
    except OSError as error:
        if error.filename is None and error.errno:  # a write to an open file does not say which one
            raise OSError(error.errno, os.strerror(error.errno), str(path)) from error
        raise
    finally:
        temporary.unlink(missing_ok=True)


def write_parquet_atomic(frame: pl.DataFrame, path: Path) -> None:
    """Write a table as Parquet (zstd) with the checksum of the whole file in its metadata.

    Parquet itself has none here: of 400 flipped bits the reader met 338 without a word.
    """
    content = io.BytesIO()  # into memory first: about a full disk Polars' writer says no plain OSError
    frame.write_parquet(content, compression="zstd", metadata={"checksum": (_SEAL + b"0" * 8).decode()})
    at = _seal_of(content)
    assert at is not None  # just written
    checksum = _checksum(content, at)
    content.seek(at)
    content.write(checksum)
    with atomic_path(path) as temporary:
        temporary.write_bytes(content.getvalue())


def read_parquet(path: Path | str, columns: list[str] | None = None) -> pl.DataFrame:
    """A table, or some of its columns; one that `write_parquet_atomic` wrote is compared with its checksum.

    Raises:
        IntegrityError: it is torn or altered.
    """
    with _damage(path):
        _check_seal(Path(path))
        return pl.read_parquet(Path(path), columns=columns)


def read_schema(path: Path | str) -> pl.Schema:
    """Names and types of a table's columns.

    Raises:
        IntegrityError: it is torn.
    """
    with _damage(path):
        return pl.Schema(pl.read_parquet_schema(Path(path)))


@contextmanager
def _damage(path: Path | str) -> Iterator[None]:
    """What a reader raises about a damaged file, with the file's name and what to do."""
    try:
        yield
    except FileNotFoundError:
        raise
    except (OSError, ValueError, KeyError, pl.exceptions.PolarsError) as error:
        if isinstance(error, OSError) and error.errno:  # no permission, a broken disk: not the file's fault
            raise
        raise IntegrityError(f"{path}: damaged, not a whole table ({_first_line(error)}). {_AGAIN}") from None


def _check_seal(path: Path) -> None:
    with path.open("rb") as handle:
        at = _seal_of(handle)
        if at is None:  # written by another program, or before there were checksums
            return
        expected = _checksum(handle, at)
        handle.seek(at)
        if handle.read(len(expected)) != expected:
            raise ValueError("its content differs from its checksum")


def _seal_of(handle: BinaryIO) -> int | None:
    """Where the checksum stands in a Parquet file; None if it has none."""
    size = handle.seek(0, os.SEEK_END)
    handle.seek(max(0, size - 8))
    tail = handle.read(8)
    length = int.from_bytes(tail[:4], "little")
    if tail[4:] != b"PAR1" or length > size - 12:
        raise ValueError("its end is missing")
    handle.seek(size - 8 - length)
    found = handle.read(length).rfind(_SEAL)
    return None if found < 0 else size - 8 - length + found + len(_SEAL)


def _checksum(handle: BinaryIO, at: int) -> bytes:
    """CRC-32 of a file but for the eight bytes at `at`, as eight hexadecimal digits."""
    value = 0
    for begin, end in ((0, at), (at + 8, handle.seek(0, os.SEEK_END))):
        handle.seek(begin)
        for position in range(begin, end, _CHUNK):
            value = zlib.crc32(handle.read(min(_CHUNK, end - position)), value)
    return f"{value:08x}".encode()


def read_json(path: Path | str) -> Any:
    """Content of a JSON file.

    Raises:
        IntegrityError: it is torn.
    """
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except ValueError as error:  # UnicodeDecodeError is one
        raise IntegrityError(f"{path}: damaged, not whole JSON ({_first_line(error)}). {_AGAIN}") from None


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0][:200]


def write_text_atomic(path: Path, text: str) -> None:
    """Write a text file (UTF-8)."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_csv_atomic(frame: pl.DataFrame, path: Path) -> None:
    """Write a table as CSV that is safe to open in a spreadsheet."""
    write_text_atomic(path, spreadsheet_safe(frame).write_csv())


def spreadsheet_safe(frame: pl.DataFrame) -> pl.DataFrame:
    """Texts that a spreadsheet would run as a formula get a leading apostrophe."""
    return frame.with_columns(pl.selectors.string().str.replace(r"^([=+@\t\r-])", "'$1"))


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
