"""Files that are either whole or absent: every declared output is written through this door.

A temporary file in the same folder, flushed to the disk, then renamed over the target: a reader, a kill or a
full disk never meets half a file. What a disk or a copy damages afterwards is noticed when it is read: tables
carry a checksum per page. Nothing here knows what a file means.
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

from lib.errors import IntegrityError

_CHUNK = 1 << 20
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
        if error.filename is None and error.errno:  # Parquet's writer does not say which file it was
            raise OSError(error.errno, os.strerror(error.errno), str(path)) from error
        raise
    finally:
        temporary.unlink(missing_ok=True)


def write_parquet_atomic(frame: pl.DataFrame, path: Path) -> None:
    """Write a table as Parquet (zstd) with a checksum per page.

    Polars' own writer has no checksums: of 400 flipped bits its reader met 338 without a word.
    """
    options = {"write_page_checksum": True, "use_dictionary": False, "write_statistics": False}
    with atomic_path(path) as temporary:
        frame.write_parquet(temporary, compression="zstd", use_pyarrow=True, pyarrow_options=options)


def read_parquet(path: Path | str, columns: list[str] | None = None) -> pl.DataFrame:
    """A table that `write_parquet_atomic` wrote, or some of its columns, its checksums compared.

    Raises:
        IntegrityError: it is torn or altered.
    """
    options = {"page_checksum_verification": True}
    try:
        return pl.read_parquet(Path(path), columns=columns, use_pyarrow=True, pyarrow_options=options)
    except FileNotFoundError:
        raise
    except (OSError, ValueError, KeyError, pl.exceptions.PolarsError) as error:
        raise IntegrityError(f"{path}: damaged, not a whole table ({_first_line(error)}). {_AGAIN}") from None


def read_schema(path: Path | str) -> pl.Schema:
    """Names and types of a table's columns.

    Raises:
        IntegrityError: it is torn.
    """
    try:
        return pl.scan_parquet(Path(path)).collect_schema()
    except FileNotFoundError:
        raise
    except (OSError, pl.exceptions.PolarsError) as error:
        raise IntegrityError(f"{path}: damaged, not a whole table ({_first_line(error)}). {_AGAIN}") from None


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
