"""Jobs that Snakemake plans for a target: from the events of a dry run, not from what it prints.

`planned_jobs` starts this module as a process of its own, because a workflow changes the folder it works in.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from lib.config.places import CLONE
from lib.data.io import read_json, write_json_atomic
from lib.errors import StudyError
from lib.study.jobs import Job


def planned_jobs(configfile: Path, target: str, main: Path) -> list[Job]:
    """Jobs of a dry run, in Snakemake's order.

    Args:
        configfile: of the study.
        target: of Snakemake.
        main: the folder in which Snakemake is started; paths of the configuration count from there.

    Raises:
        StudyError: Snakemake refuses, with its message.
    """
    with tempfile.TemporaryDirectory(prefix="planned-") as folder:
        record = Path(folder) / "jobs.json"
        words = [target, "--snakefile", str(CLONE / "Snakefile"), "--configfile", str(configfile)]
        code = f"from {__name__} import dry_run; dry_run({str(record)!r})"
        done = subprocess.run(
            [sys.executable, "-c", code, "-n", *words],
            cwd=main,
            env=os.environ | {"PYTHONPATH": str(CLONE)},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0 or not record.is_file():
            lines = (done.stdout + done.stderr).splitlines()
            profile = "Using workflow specific profile"
            raise StudyError("\n".join(line for line in lines if not line.startswith(profile)).strip())
        return [(rule, made) for rule, made in read_json(record, list)]


class JobEvents(logging.Handler):
    """Keeps rule and outputs of every job that Snakemake announces."""

    def __init__(self) -> None:
        super().__init__()
        self.jobs: list[Job] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Called by logging."""
        from snakemake_interface_logger_plugins.common import LogEvent

        if getattr(record, "event", None) is LogEvent.JOB_INFO:
            self.jobs.append((str(vars(record)["rule_name"]), [str(path) for path in vars(record)["output"]]))


def dry_run(record: str) -> None:
    """A dry run by the arguments of this process; its jobs go to a file."""
    from snakemake.cli import args_to_api, parse_args

    events = JobEvents()
    logging.getLogger().addHandler(events)  # Snakemake clears the handlers of its own logger
    parser, arguments = parse_args(sys.argv[1:])
    if not args_to_api(arguments, parser):
        sys.exit(1)
    write_json_atomic(Path(record), events.jobs)
