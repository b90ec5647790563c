"""Benchmarks of jobs on a system that counts no bytes per process."""

import os

import psutil
import pytest
from snakemake.benchmark import BenchmarkRecord, BenchmarkTimer

from lib.jobs.io_counters import measure_without_bytes, say_what_is_not_measured


def measured() -> BenchmarkRecord:
    record = BenchmarkRecord()
    BenchmarkTimer(os.getpid(), record).work()
    return record


@pytest.fixture
def mac(monkeypatch):
    """Psutil as on macOS."""
    monkeypatch.delattr(psutil.Process, "io_counters", raising=False)
    yield
    if hasattr(psutil.Process, "io_counters"):
        del psutil.Process.io_counters  # before the fixture puts the real one back


def test_memory_is_measured_where_bytes_are_not_counted(mac):
    assert not measured().data_collected, "Snakemake does it itself now: the mending can go"
    assert measure_without_bytes()
    record = measured()
    assert record.data_collected
    assert record.max_rss > 1
    assert (record.io_in, record.io_out) == (None, None)


def test_what_is_not_measured_is_said_once(mac, capsys):
    say_what_is_not_measured()
    assert capsys.readouterr().err.count("does not count bytes") == 1


@pytest.mark.skipif(not hasattr(psutil.Process, "io_counters"), reason="this system counts no bytes")
def test_nothing_is_mended_or_said_where_bytes_are_counted(capsys):
    original = psutil.Process.io_counters
    say_what_is_not_measured()
    assert psutil.Process.io_counters is original
    assert capsys.readouterr().err == ""
