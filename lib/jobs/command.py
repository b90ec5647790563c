"""The command line of the scripts that users start: options, the study's folder, errors as one message."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console

from lib.errors import ConfigError, StudyError


class Parser(argparse.ArgumentParser):
    """A parser with the description of its script, and no guesses at shortened options."""

    def __init__(self, description: str | None, *, study: bool = True, configfile: bool = False) -> None:
        super().__init__(
            description=description, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
        )
        if study:
            self.add_argument(
                "--directory",
                type=Path,
                metavar="FOLDER",
                help="where the study works, as given to Snakemake; default: the folder this is started in",
            )
        if configfile:
            self.add_argument(
                "--configfile",
                type=Path,
                metavar="FILE",
                help="configuration; default: that with which the study in the folder was last started, or "
                "the quickstart",
            )


def console(columns: int = 120, least: int = 0) -> Console:
    """What tables are printed to: as wide as COLUMNS says, else `columns`; never narrower than `least`."""
    return Console(width=max(least, int(os.environ.get("COLUMNS", columns))), highlight=False)


@contextlib.contextmanager
def command(given: argparse.Namespace) -> Iterator[None]:
    """Context for the body of a script, in the study's folder: an error that a user can act on ends it with
    one message.

    Exit codes: 1 for such an error, 2 for a wrong command line, 130 for Ctrl-C.
    """
    try:
        _go_to(given)
        yield
    except StudyError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.stderr.write("Interrupted.\n")
        sys.exit(130)
    except BrokenPipeError:  # its output went to `head`
        sys.exit(1)
    except OSError as error:
        where = f"{os.fsdecode(error.filename)}: " if error.filename else ""
        sys.exit(f"{where}{error.strerror or error}.")


def _go_to(given: argparse.Namespace) -> None:
    """Change to the study's folder; a file given from where the command was started stays the same one."""
    if getattr(given, "configfile", None) is not None:
        given.configfile = _configfile(given.configfile.expanduser(), getattr(given, "directory", None))
    folder = getattr(given, "directory", None)
    if folder is None:
        return
    folder = folder.expanduser()
    if not folder.is_dir():
        raise ConfigError(
            f"{folder}: no such folder. --directory (make: DIR=) names the one where a study works."
        )
    os.chdir(folder)


def _configfile(path: Path, folder: Path | None) -> Path:
    """A configuration file: from where the command was started, else from the study's folder."""
    inside = folder.expanduser() / path if folder else path
    return (inside if inside.is_file() and not path.is_file() else path).absolute()
