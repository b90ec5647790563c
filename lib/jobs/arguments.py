"""Refuses a command line of Snakemake that Snakemake itself would meet with a traceback.

profiles/default/config.yaml runs it, the only place that Snakemake reads before it opens the files given by
`--configfile`. Refused are a missing file, broken YAML, an impossible date, a file that would run code, a
target taken for a configuration file, and a folder that cannot be written to.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from snakemake.cli import get_argument_parser

from lib.config.yaml_files import read_yaml
from lib.errors import ConfigError, StudyError

_SUFFIXES = (".yaml", ".yml", ".json")


def command_line() -> argparse.Namespace:
    """The command line as Snakemake reads it, without what a profile adds."""
    return get_argument_parser().parse_known_args(sys.argv[1:])[0]


def refusal() -> str | None:
    """The fault of the command line; None if there is none."""
    given = command_line()
    try:
        for number, file in enumerate(given.configfile or ()):
            check_configfile(Path(file), first=number == 0)
        _check_folder(Path(given.directory or "."))
    except StudyError as error:
        return str(error)
    return None


def check_configfile(path: Path, first: bool = True) -> None:
    """Refuse what cannot be a configuration.

    Raises:
        ConfigError: no such file, no YAML, or it would run code.
    """
    if not path.is_file() and path.suffix not in _SUFFIXES and not first:
        raise ConfigError(
            f"{path}: no such configuration file. Snakemake takes every word after --configfile for another "
            f"one: put the target before it, as in `snakemake --cores 1 {path} --configfile FILE`."
        )
    if "__use_yte__" in read_yaml(path):
        raise ConfigError(f"{path}: `__use_yte__` lets a file run code; write the values out instead.")


def _check_folder(folder: Path) -> None:
    """Refuse a working directory in which nothing can be written."""
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not os.access(there, os.W_OK | os.X_OK):
        raise ConfigError(
            f"{there.absolute()}: this folder cannot be written to. Work in another one: "
            "`snakemake --directory FOLDER …`, or `make … DIR=FOLDER`."
        )
