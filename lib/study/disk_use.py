"""Disk use of a study, and what may be deleted. Deletes nothing."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Kind:
    """One kind of files.

    Attributes: name: of the kind. belongs: whether a file (its path below the working folder) is of this
        kind. may_go: what its deletion loses, and how to delete it.
    """

    name: str
    belongs: Callable[[Path], bool]
    may_go: str


@dataclass(frozen=True)
class Use:
    """Bytes and files of one kind."""

    kind: Kind
    size: int
    files: int


def disk_use(root: Path, folders: Iterable[str], kinds: Iterable[Kind]) -> list[Use]:
    """Disk use of each kind. A file belongs to the first kind that claims it; the last one should claim all.

    Args:
        root: the working folder.
        folders: those below it that are counted; missing ones are empty.
        kinds: in order.
    """
    ordered = list(kinds)
    sizes, files = dict.fromkeys(range(len(ordered)), 0), dict.fromkeys(range(len(ordered)), 0)
    for path, size in _files(root, folders):
        number = next((n for n, kind in enumerate(ordered) if kind.belongs(path)), None)
        if number is not None:
            sizes[number] += size
            files[number] += 1
    return [Use(kind, sizes[n], files[n]) for n, kind in enumerate(ordered) if files[n]]


def _files(root: Path, folders: Iterable[str]) -> Iterable[tuple[Path, int]]:
    for name in folders:
        for folder, _, names in os.walk(root / name):
            for file in names:
                path = Path(folder) / file
                try:  # a job may remove a file meanwhile
                    status = path.lstat()
                except OSError:
                    continue
                # Blocks on the disk, not the file's length: sparse and small files differ.
                yield path.relative_to(root), getattr(status, "st_blocks", 0) * 512 or status.st_size
