"""Cores that Snakemake was given for all jobs together.

A job knows only its own threads, and with one thread cannot know whether it runs alone; so the workflow sets
an environment variable, which local jobs inherit.
"""

from __future__ import annotations

import os

VARIABLE = "WORKFLOW_CORES"


def tell_jobs(cores: int | None) -> None:
    """For the workflow, before any job starts."""
    os.environ[VARIABLE] = str(cores or 1)


def cores_of_all_jobs() -> int:
    """For a job; 1 if the variable is not set."""
    return int(os.environ.get(VARIABLE, "1"))
