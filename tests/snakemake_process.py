"""Snakemake in a process of its own that need not import it: most of what a short run costs is importing.

Each worker of pytest has one server that has imported Snakemake, and forks a process per run. Elsewhere than
on Linux, where system libraries do not survive a fork, each run is a new interpreter. No module of ours
is imported before the fork: a run finds those of its own folder.
"""

from __future__ import annotations

import atexit
import os
import runpy
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from multiprocessing import get_context
from pathlib import Path

_IMPORTED_ONCE = ["snakemake.cli", "snakemake_executor_plugin_slurm", "pandas", "pydantic", "scipy.special"]


def run_snakemake(
    command: Sequence[str], folder: Path, environment: Mapping[str, str], timeout: float
) -> subprocess.CompletedProcess[str]:
    """Run `python -m snakemake …` to its end; stdout and stderr are one text in `stdout`.

    Raises:
        subprocess.TimeoutExpired: it took longer than `timeout` seconds, and was killed.
    """
    if sys.platform != "linux":
        return subprocess.run(
            command,
            cwd=folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=timeout,
        )
    context = get_context("forkserver")
    context.set_forkserver_preload(_IMPORTED_ONCE)
    with tempfile.NamedTemporaryFile("r", encoding="utf-8", errors="replace") as output:
        arguments = (list(command[3:]), str(folder), dict(environment), output.name)
        process = context.Process(target=_run, args=arguments)
        process.start()
        process.join(timeout)
        if process.exitcode is None:
            process.kill()
            process.join()
            raise subprocess.TimeoutExpired(command, timeout, output.read())
        return subprocess.CompletedProcess(command, process.exitcode, output.read())


def _run(arguments: list[str], folder: str, environment: dict[str, str], output: str) -> None:
    """What `python -m snakemake` does, in this process."""
    with Path(output).open("wb") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    ours = {str(Path(__file__).parents[1]), ""}
    sys.path[:] = [folder, *(path for path in sys.path if path not in ours)]
    for name in [name for name in sys.modules if name.split(".")[0] in ("lib", "tests", "workflow_scripts")]:
        del sys.modules[name]
    sys.argv = ["snakemake", *arguments]
    try:
        runpy.run_module("snakemake", run_name="__main__", alter_sys=True)
    finally:
        atexit._run_exitfuncs()  # which a forked process leaves out
        sys.stdout.flush()
        sys.stderr.flush()
