"""A job that runs alone takes all cores; jobs beside each other keep to their own."""

from types import SimpleNamespace

import pytest

from lib.jobs.cores import VARIABLE
from lib.jobs.training_context import job_threads


@pytest.mark.parametrize(
    ("setting", "own", "cores", "expected"),
    [
        ("auto", 1, "1", None),  # --cores 1: one job at a time
        ("auto", 1, "8", 1),  # --cores 8 and a rule of one thread: up to eight jobs at once
        ("auto", 4, "8", 4),
        ("auto", 4, "4", 4),
        (2, 1, "1", 2),
    ],
)
def test_threads_follow_the_setting_the_rule_and_how_many_jobs_may_run(
    monkeypatch, setting, own, cores, expected
):
    monkeypatch.setenv(VARIABLE, cores)
    config = SimpleNamespace(training=SimpleNamespace(threads=setting))
    assert job_threads(SimpleNamespace(threads=own), config) == expected


def test_without_a_word_from_the_workflow_a_job_runs_alone(monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    config = SimpleNamespace(training=SimpleNamespace(threads="auto"))
    assert job_threads(SimpleNamespace(threads=1), config) is None
