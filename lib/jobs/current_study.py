"""The current study: its configuration, its working folder, and how it was last started.

Shared by the workflow and the scripts that users start.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from lib.config.places import (
    CLONE,
    MAIN,
    ConfigFolders,
    find_own,
    own_folders,
    study_folder,
    with_whole_paths,
)
from lib.config.yaml_files import read_yaml
from lib.data.io import read_json, write_json_atomic
from lib.errors import ConfigError
from lib.jobs.paths import PATHS
from lib.study.plan import Plan, plan_study

QUICKSTART = CLONE / "config" / "config.yaml"
RECORD = Path("results/study.json")
"""How a study was last started: its configuration, and the environment variables that it uses."""


def enter(content: dict[str, Any], main: Path) -> None:
    """Go to the folder where a study works; it is made if need be.

    Args:
        content: its configuration; folders of data in it are completed.
        main: where the main study works.

    Raises:
        ConfigError: its name cannot be that of a folder, or Snakemake cannot work from the project's own.
    """
    if odd := set("{}") & set(str(CLONE)):
        raise ConfigError(
            f"{CLONE}: Snakemake takes the {' and '.join(sorted(odd))} in this project's path for a "
            "wildcard. Move the project to a folder without braces; a study's folder may have them."
        )
    with_whole_paths(content, main)
    folder = study_folder(content, main)
    folder.mkdir(parents=True, exist_ok=True)
    os.chdir(folder)
    os.environ[MAIN] = str(folder.parents[1] if content.get("name") else folder)


def planned(content: dict[str, Any]) -> Plan:
    """The study of a configuration, with the user's own files from the folder it works in.

    Raises:
        StudyError: it is invalid.
    """
    own = [folder / "config" for folder in own_folders()]
    return plan_study(content, ConfigFolders(CLONE / "config", own))


def is_imported(vintage: str, kind: str, name: str) -> bool:
    """Whether the raw prices, or series, of a vintage are here."""
    pattern = {"prices": PATHS.prices, "series": PATHS.series}[kind]
    return Path(f"{pattern.format(vintage=vintage, symbol=name, series=name)}.parquet").exists()


def record_start(plan: Plan, configfiles: Sequence[str | Path]) -> None:
    """Record how a study is started, for later commands."""
    files = [str(Path(file).resolve()) for file in configfiles]
    named = {name for file in files for name in variables(Path(file)) if name in os.environ}
    plugins = {file.plugin for file in plan.study.models.values() if file.plugin}
    content = {
        "folder": str(own_folders()[-1]),
        "configfiles": files,
        "environment": {name: os.environ[name] for name in sorted(named)},
        "plugins": sorted(str(find_own(Path(plugin)).resolve()) for plugin in plugins),
    }
    if not RECORD.is_file() or read_json(RECORD) != content:
        write_json_atomic(RECORD, content)


def variables(configfile: Path) -> list[str]:
    """Names of the environment variables that a configuration uses. Secrets are refused there."""
    text = configfile.read_text(encoding="utf-8") if configfile.is_file() else ""
    return sorted(set(re.findall(r"\$\{([A-Z_][A-Z0-9_]*)", text)))


class Start(NamedTuple):
    """How a study was last started."""

    folder: Path
    """Where the main study works: what Snakemake was given by `--directory`, or where it was started."""
    configfiles: list[Path]
    environment: dict[str, str]
    plugins: list[Path]

    def options(self) -> str:
        """Options of `snakemake` that start it again from the project's folder, with a blank before each."""
        directory = [] if self.folder == CLONE else ["--directory", shell_word(self.folder)]
        files = [shell_word(_short(file)) for file in self.configfiles if file != QUICKSTART]
        return "".join(f" {word}" for word in [*directory, *(["--configfile", *files] if files else [])])

    def variables(self) -> str:
        """The environment that its configuration uses, as it is written before a command."""
        return "".join(f"{name}={shell_word(value)} " for name, value in self.environment.items())


def last_start(folder: Path) -> Start:
    """How the study in a folder was last started; as the quickstart is, if nothing is known."""
    path = folder / RECORD
    found = read_json(path, dict) if path.is_file() else {}
    return Start(
        Path(found.get("folder", folder.resolve())),
        [Path(file) for file in found.get("configfiles", [])],
        found.get("environment", {}),
        [Path(plugin) for plugin in found.get("plugins", [])],
    )


def open_study(configfile: Path | None) -> tuple[Path, dict[str, Any]]:
    """Configuration of the study that is meant, having gone to where it works.

    Args:
        configfile: as given; without one, that of the study in the working directory, or the quickstart.

    Raises:
        ConfigError: it is missing or no configuration.
    """
    if configfile is None:
        known = [] if Path.cwd() == CLONE else last_start(Path.cwd()).configfiles
        configfile = known[0] if known else QUICKSTART
    content = read_yaml(configfile)
    enter(content, Path.cwd())
    return configfile.resolve(), content


def shell_word(value: str | Path) -> str:
    """A word quoted for a shell."""
    return shlex.quote(str(value))


def _short(path: Path) -> Path:
    """A path below the project's folder as it is typed there."""
    return path.relative_to(CLONE) if path.is_relative_to(CLONE) else path
