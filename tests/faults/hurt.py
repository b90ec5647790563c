"""Ways to hurt a file, and where the small study keeps its runs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.conftest import Project

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


HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>"
FORMULA = '=HYPERLINK("http://evil")'


def with_hostile_words(project: Project) -> Project:
    """The small study with a title, a note and a question that are HTML and a spreadsheet's formula."""
    project.study(title=HOSTILE, note=HOSTILE)
    project.experiment(question=FORMULA + HOSTILE)
    return project
