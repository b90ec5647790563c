"""A second copy of everything that cannot be made again in a minute, compared hash by hash."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from lib.data.io import atomic_path, sha256_of
from lib.errors import DataError, IntegrityError

FOLDERS = ("data", "results", "config", "studies")
OUTSIDE = "from-elsewhere"
"""Folder of the copies of files that lie outside the study's folder."""


@dataclass(frozen=True)
class Backup:
    """What a backup did.

    Attributes:
        changing: files that a job wrote or removed while they were copied; the destination has an earlier,
            whole version of them, or nothing.
    """

    folder: Path
    copied: int
    unchanged: int
    bytes: int
    changing: tuple[Path, ...]


def backup(root: Path, destination: Path, more: Iterable[Path] = ()) -> Backup:
    """Copy a study's folders below `root`, and `more` files, to `destination`, and verify every copy.

    Identical files at the destination are not copied again; files that exist only there stay. Other files are
    replaced whole, never half. Copies keep their times: Snakemake decides by them, and would otherwise train
    everything again after a restore.

    Raises:
        DataError: nothing to copy, no space, or the destination lies inside what is copied.
        IntegrityError: a copy differs from its original.
    """
    destination = destination.resolve()
    sources = [root / name for name in FOLDERS if (root / name).is_dir()]
    if not sources:
        raise DataError(f"{root.resolve()}: there is no data/ or results/ to back up here.")
    if any(destination.is_relative_to(source.resolve()) for source in sources):
        raise DataError(f"{destination} lies inside what is to be copied; name a folder outside.")
    files = {
        Path(folder) / name: destination / (Path(folder) / name).relative_to(root)
        for source in sources
        for folder, folders, names in os.walk(source)
        for name in names
        if not name.endswith(".tmp")
    }
    files |= {path: destination / _place(path, root) for path in more if path.is_file()}
    _require_space(files, destination)
    copied = unchanged = size = 0
    changing = []
    for path, target in sorted(files.items()):
        try:
            if _is_there(path, target):
                unchanged += 1
                continue
            size += _copy(path, target)
            copied += 1
        except (FileNotFoundError, _Changing):
            changing.append(target.relative_to(destination))
    return Backup(destination, copied, unchanged, size, tuple(changing))


class _Changing(Exception):
    """The original is being written."""


def _is_there(path: Path, target: Path) -> bool:
    """Whether a copy with the same content exists; its times are brought in line."""
    same = (
        target.is_file()
        and target.stat().st_size == path.stat().st_size
        and sha256_of(target) == sha256_of(path)
    )
    if same:
        shutil.copystat(path, target)
    return same


def _copy(path: Path, target: Path) -> int:
    """Copy a file with its times, compare, and return its size."""
    original = sha256_of(path)
    try:
        with atomic_path(target) as temporary:
            shutil.copyfile(path, temporary)
            if sha256_of(temporary) != original:
                if sha256_of(path) != original:
                    raise _Changing
                raise IntegrityError(f"{target}: the copy differs from {path}. Is the disk sound?")
            shutil.copystat(path, temporary)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise DataError(f"{target}: cannot be written ({error.strerror}).") from None
    if sha256_of(target) != original:
        raise IntegrityError(f"{target}: the copy differs from {path}. Is the disk sound?")
    return target.stat().st_size


def _place(path: Path, root: Path) -> Path:
    """Where below the destination a single file goes."""
    below = path.resolve().is_relative_to(root.resolve())
    return path.resolve().relative_to(root.resolve()) if below else Path(OUTSIDE, path.name)


def _require_space(files: Mapping[Path, Path], destination: Path) -> None:
    missing = [path for path, target in files.items() if not target.is_file()]
    needed = sum(path.stat().st_size for path in missing if path.is_file())
    try:
        destination.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"{destination}: cannot be made ({error.strerror}).") from None
    free = shutil.disk_usage(destination).free
    if needed > free:
        raise DataError(f"{destination}: {needed / 1e9:.1f} GB are needed, {free / 1e9:.1f} GB are free.")
