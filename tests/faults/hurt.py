"""Ways to hurt a file, and where the small study keeps its runs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

CELL = "base/Aa20/daily/direction/h5"
LOGISTIC = f"results/runs/{CELL}/logistic/none/seed1"


def flip(path: Path) -> None:
    """One bit in the middle."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def tear(path: Path) -> None:
    """Only the first half is left."""
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


DAMAGES: dict[str, Callable[[Path], None]] = {"torn": tear, "one bit flipped": flip}
