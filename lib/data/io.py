"""Atomic files, either whole or absent: every declared output is written by these functions.

A temporary file in the same folder, flushed to the disk, then renamed over the target: a reader, a kill or a
full disk never meets half a file. Later damage by a disk or a copy is noticed on reading: tables and JSON
carry a checksum. Does not know what a file means.
"""

from __future__ import annotations

import errno
import fcntl
import glob
import hashlib
import io
import json
import os
import platform
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

import polars as pl

from lib.errors import IntegrityError

_CHUNK = 1 << 20
_SEAL = b"crc32:"
_NOTES = "notes"
JSON_SEAL = "content_sha256"
"""Last key of a JSON file, or the only one of the last item of a list: SHA-256 of all the rest."""
_NO_FULL_FLUSH = (errno.ENOTSUP, errno.ENOTTY, errno.EINVAL)
"""What F_FULLFSYNC answers where the file system has no such thing."""
_HOST = platform.node() or "host"
_FOREIGN_SECONDS = 24 * 3600
"""After so long without a change, a temporary file of another host counts as left by a killed process."""
_AGAIN = (
    "Delete it and give the same command again: it is made anew. `make verify` lists whatever else differs "
    "from its record."
)


def flush_to_disk(descriptor: int) -> None:
    """Wait until what was written to an open file or folder would survive a power cut.

    On macOS fsync(2) ends when the disk has the data in its own cache; F_FULLFSYNC flushes that cache, too.
    File systems that do not know it (most network ones) refuse it, and then fsync is all there is.

    Raises:
        OSError: the data could not be written.
    """
    full = getattr(fcntl, "F_FULLFSYNC", None)
    if full is not None:
        try:
            fcntl.fcntl(descriptor, full)
            return
        except OSError as error:
            if error.errno not in _NO_FULL_FLUSH:
                raise
    os.fsync(descriptor)


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """A temporary path beside `path` that replaces it when the block succeeds, and is deleted otherwise.

    Remains of an earlier, killed write of the same file are deleted first.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    _delete_leftovers(path)
    temporary = path.with_name(f".{path.name}.{_HOST}.{os.getpid()}.tmp")
    try:
        yield temporary
        with temporary.open("rb+") as handle:
            flush_to_disk(handle.fileno())
        temporary.replace(path)
    except OSError as error:
        if error.filename is None and error.errno:  # a failed write to an open file does not name it
            raise OSError(error.errno, os.strerror(error.errno), str(path)) from error
        raise
    finally:
        temporary.unlink(missing_ok=True)


def _delete_leftovers(path: Path) -> None:
    """Temporary files of this one whose writers have ended.

    For writers on another host (a shared file system, an earlier container), age decides.
    """
    prefix = f".{path.name}."
    for left in path.parent.glob(f"{glob.escape(prefix)}*.tmp"):
        host, _, process = left.name.removeprefix(prefix).removesuffix(".tmp").rpartition(".")
        if not process.isdigit() or (host == _HOST and _is_alive(int(process))):
            continue
        with suppress(OSError):  # another process may delete it at the same time
            if host == _HOST or time.time() - left.stat().st_mtime > _FOREIGN_SECONDS:
                left.unlink()


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):  # another user's
        return True
    return True


def sync_folder(folder: Path) -> None:
    """Flush a folder and all files below it to the disk: a power cut after a rename finds it whole."""
    for path in (*folder.rglob("*"), folder):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            flush_to_disk(descriptor)
        finally:
            os.close(descriptor)


def write_parquet_atomic(frame: pl.DataFrame, path: Path, notes: Any = None) -> None:
    """Write a table as Parquet (zstd) with the checksum of the whole file in its metadata.

    `notes`, anything that JSON can hold, stand beside the checksum.

    Parquet itself has none here: of 400 flipped bits the reader missed 338.
    """
    content = io.BytesIO()  # into memory first: on a full disk Polars' writer raises no plain OSError
    seal = {"checksum": (_SEAL + b"0" * 8).decode()}
    metadata = ({_NOTES: json.dumps(notes).replace("crc32:", "crc32\\u003a")} if notes else {}) | seal
    frame.write_parquet(content, compression="zstd", metadata=metadata)
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
        return pl.read_parquet(Path(path), columns=columns, glob=False)


def read_notes(path: Path | str) -> Any:
    """The notes that a table was written with; None if there are none.

    Raises:
        IntegrityError: the table is torn.
    """
    with _damage(path):
        found = pl.read_parquet_metadata(Path(path)).get(_NOTES)
        return json.loads(found) if found else None


def read_schema(path: Path | str) -> pl.Schema:
    """Names and types of a table's columns.

    Raises:
        IntegrityError: it is torn.
    """
    with _damage(path):
        return pl.Schema(pl.read_parquet_schema(Path(path)))


@contextmanager
def _damage(path: Path | str) -> Iterator[None]:
    """The error for a damaged file, with the file's name and what to do."""
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


def read_json(path: Path | str, expected: type[dict[Any, Any]] | type[list[Any]] | None = None) -> Any:
    """Content of a JSON file; one that `write_json_atomic` wrote is compared with its checksum.

    Args:
        path: of the file.
        expected: `dict` or `list`, if it must be one.

    Raises:
        IntegrityError: it is torn or altered, or something else.
    """
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:  # UnicodeDecodeError is a ValueError
        raise IntegrityError(f"{path}: damaged, not whole JSON ({_first_line(error)}). {_AGAIN}") from None
    content, seal = _unsealed(content)
    if seal is not None and seal != (JSON_SEAL, _json_seal(content)):
        raise IntegrityError(
            f"{path}: damaged, its content differs from its checksum. {_AGAIN} If you have changed it "
            f"yourself and mean it, take the entry `{JSON_SEAL}` at its end out as well."
        )
    if expected is not None and not isinstance(content, expected):
        kind = "an object {…}" if expected is dict else "a list […]"
        raise IntegrityError(f"{path}: damaged, not {kind}. {_AGAIN}")
    return content


def _unsealed(content: Any) -> tuple[Any, tuple[str, Any] | None]:
    """The content without its checksum, and the name and value of that; None if there is none."""
    holder = content[-1] if isinstance(content, list) and content else content
    if not isinstance(holder, dict) or (isinstance(content, list) and len(holder) != 1):
        return content, None
    key = next((name for name in holder if _is_seal(name)), None)
    if key is None:  # written by hand, by another program, or before there were checksums
        return content, None
    if isinstance(content, list):
        return content[:-1], (key, holder[key])
    return {name: value for name, value in content.items() if name != key}, (key, holder[key])


def _is_seal(key: str) -> bool:
    """Matches with one damaged letter too, so that damage to its name cannot hide the checksum."""
    return len(key) == len(JSON_SEAL) and sum(a != b for a, b in zip(key, JSON_SEAL, strict=True)) <= 1


def _json_seal(content: Any) -> str:
    """SHA-256 of what the content means, whatever its layout."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


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
    """Write strict JSON with a checksum at its end: equal content gives equal bytes, NaN is refused.

    Args:
        path: of the file.
        content: an object or a list.
    """
    plain = json.loads(json.dumps(content, sort_keys=True, allow_nan=False))  # as it will be read
    seal = {JSON_SEAL: _json_seal(plain)}
    sealed = [*plain, seal] if isinstance(plain, list) else plain | seal
    write_text_atomic(path, json.dumps(sealed, indent=2, ensure_ascii=False) + "\n")


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's bytes, as hexadecimal text."""
    return _digest(path, "sha256")


def digest_of(frame: pl.DataFrame) -> str:
    """SHA-256 of a table's content, as hexadecimal text."""
    return hashlib.sha256(frame.write_ipc(None).getbuffer()).hexdigest()


def md5_of(path: Path) -> str:
    """MD5 of a file's bytes, as hexadecimal text (an identifier, not a protection)."""
    return _digest(path, "md5")


def _digest(path: Path, algorithm: str) -> str:
    digest = hashlib.new(algorithm, usedforsecurity=False)
    with path.open("rb") as handle:
        while chunk := handle.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
