"""The working folder of a study, and the folders in which its configuration's files are searched.

The workflow knows the contents of those folders.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lib.config.base import is_name
from lib.errors import ConfigError, nearest

STUDIES = "studies"
"""Folder of the studies that have a `name:`, below the one where the main study works."""
MAIN = "MAIN_STUDY_FOLDER"
"""Environment variable by which the jobs of a named study know the folder of the main one."""
CLONE = Path(__file__).resolve().parents[2]
"""The project's own folder."""


def study_folder(content: Mapping[str, Any], main: Path) -> Path:
    """Where a study works: a folder of its name below the main study's, which has none.

    Raises:
        ConfigError: the name cannot be that of a folder.
    """
    name = content.get("name") or ""
    if name and not (isinstance(name, str) and is_name(name)):
        raise ConfigError(
            f"configuration: `name: {name}` names a folder: letters, digits, dots, dashes and underscores."
        )
    there = not name or main.parts[-2:] == (STUDIES, name)
    return main if there else main / STUDIES / name


def with_whole_paths(content: dict[str, Any], start: Path) -> None:
    """Complete the folders of data in a configuration (in place) before a study goes to its own folder."""
    data = content.get("data")
    if not isinstance(data, dict):
        return  # validation reports it
    for key in ("folder", "trends_folder"):
        given = data.get(key)
        if isinstance(given, str) and not given.startswith(("$", "~")):
            data[key] = os.path.normpath(start / given)


def own_folders() -> tuple[Path, ...]:
    """Folders of the user's own files: the working directory, and for a named study the main one's."""
    here, main = Path.cwd(), os.environ.get(MAIN)
    return (here, Path(main)) if main and here.parent == Path(main) / STUDIES else (here,)


def whole_study(main: Path) -> list[Path]:
    """A working directory and those of the named studies below it."""
    return [main, *sorted(path for path in (main / STUDIES).glob("*") if path.is_dir())]


def find_own(path: Path) -> Path:
    """A user's own file: from the first of the working directory, the main study's and the project's that has
    it.

    A path that exists nowhere is returned unchanged.
    """
    found = (folder / path for folder in (*own_folders(), CLONE))
    return next((candidate for candidate in found if candidate.is_file()), path)


@dataclass(frozen=True)
class ConfigFolders:
    """The shipped folder `config/`, and the user's own of the same layout, which come first."""

    shipped: Path
    own: Sequence[Path] = ()

    def find(self, kind: str, name: str) -> Path:
        """The file NAME.yaml of a sub-folder, the user's own before the shipped one.

        Raises:
            ConfigError: it exists nowhere; names the nearest name.
        """
        folders = [folder / kind for folder in (*self.own, self.shipped)]
        for folder in folders:
            if (path := folder / f"{name}.yaml").is_file():
                return path
        known = sorted({path.name for folder in folders for path in folder.glob("*.yaml")})
        hint = nearest(f"{name}.yaml", known) or f" There: {', '.join(known) or 'nothing'}."
        raise ConfigError(f"{folders[-1] / name}.yaml: no such file.{hint}")
