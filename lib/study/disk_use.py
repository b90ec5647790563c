"""What a study takes on the disk, and what of it may go. Deletes nothing."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Kind:
    """One kind of files.

    Attributes:
        name: of the kind.
        belongs: whether a file (its path below the working folder) is of this kind.
        may_go: what is lost with it, and how to be rid of it.
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
    """What each kind takes. A file belongs to the first kind that claims it; the last one should claim all.

    Args:
        root: the working folder.
        folders: those below it that are looked through; missing ones are empty.
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
                # What the disk gives up, not what the file says: sparse files and small ones differ.
                yield path.relative_to(root), getattr(status, "st_blocks", 0) * 512 or status.st_size
