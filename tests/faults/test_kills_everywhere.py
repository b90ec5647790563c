"""Every rule of the workflow, ended by every signal at random moments: nothing is lost, nothing is half-made.

Searches and trainings of networks have their own tests (test_random_kills.py, test_interruption.py); here it
is the rules before and after them, from the import of raw data to the report.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import random
import shutil
import signal
import time
from collections import Counter
from pathlib import Path

import polars as pl
import psutil
import pytest
from hurt import LOGISTIC
from random_kills import log_of, next_job, workflow

from lib.data.io import read_json
from tests.conftest import PATIENCE_SECONDS, Project, make_project, with_hostile_words

TARGET = "results/report.html"
RULES = (
    "exchange_calendar", "import_prices", "check_quality", "record_vintage", "raw_manifest", "build_bars",
    "build_dataset", "check_samples", "processed_manifest", "write_samples", "tracking_store", "train",
    "collect_runs", "fit_scaling", "report",
)  # fmt: skip
SCRIPTS = frozenset(f".{rule}.py" for rule in RULES)
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL)
VICTIMS = ("job", "snakemake", "group")
SEED = 20261121
CLOCKS = {"timestamp", "begun", "started", "finished", "seconds", "samples_per_second", "train_seconds",
          "total_seconds", "peak_memory_mb", "history.parquet", "packages", "hardware", "temperature_max",
          "energy_kwh", "temperatures", "temperature_pause_seconds",
          "path"}  # fmt: skip
"""Names of what a clock or memory measures; of history.parquet, its hash in the provenance."""


def content_of(path: Path) -> object:
    """A file's content without its timings."""
    if path.suffix == ".json":
        return _without_clocks(read_json(path))
    if path.suffix == ".parquet":
        frame = pl.read_parquet(path, glob=False)
        return frame.drop([name for name in frame.columns if name in CLOCKS]).to_dicts()
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _without_clocks(content: object) -> object:
    if isinstance(content, dict):
        # The checksum of a manifest or of provenance holds clocks as well.
        return {k: _without_clocks(v) for k, v in content.items() if k not in CLOCKS}
    return [_without_clocks(v) for v in content] if isinstance(content, list) else content


def results(project: Project) -> dict[str, object]:
    """All of a finished study but what holds clocks (logs, timings, declarations) or its folder's name."""
    skipped = (
        "results/logs",
        "results/benchmarks",
        "results/state",
        "results/tracking",
        "results/figures",
        "results/declarations",
        "results/study.json",
    )
    found = {}
    for top in ("data", "results"):
        for path in sorted((project.folder / top).rglob("*")):
            name = path.relative_to(project.folder).as_posix()
            if path.is_file() and not name.startswith(skipped) and ".snakemake" not in name:
                found[name] = None if name.endswith((".html", ".md", "runs.csv")) else content_of(path)
    return found


def orphans_of(project: Project) -> list[psutil.Process]:
    """Jobs of a killed Snakemake that still run in the project's folder."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            words = process.cmdline()
            if process.cwd() == str(project.folder) and any(w.endswith(tuple(SCRIPTS)) for w in words):
                found.append(process)
    return found


def kill_once(
    project: Project, stream: random.Random, wanted: str | None
) -> tuple[str, str, str, float] | None:
    """One invocation that is hit by one signal; None if it came to its end before.

    The victim is hit at a random moment after a job of the wanted rule has begun; a job that was over by then
    is no hit.

    Returns:
        Signal, victim and script.
    """
    number, victim = stream.choice(SIGNALS), stream.choice(VICTIMS)
    with workflow(project, TARGET) as process:
        job = next_job(process, frozenset({f".{wanted}.py"}))
        if job is None:
            assert process.returncode == 0, log_of(project)
            return None
        with contextlib.suppress(psutil.TimeoutExpired):
            job[0].wait(timeout=stream.uniform(0.0, 0.6))
            assert process.wait(timeout=PATIENCE_SECONDS) == 0, log_of(project)
            return None
        try:
            if victim == "job":
                job[0].send_signal(number)
            elif victim == "snakemake":
                os.kill(process.pid, number)
            else:
                os.killpg(process.pid, number)
        except psutil.NoSuchProcess:  # over between the two lines above
            assert process.wait(timeout=PATIENCE_SECONDS) == 0, log_of(project)
            return None
        process.wait(timeout=PATIENCE_SECONDS)
        log = log_of(project)
        assert "This is a bug" not in log, log
        # A signal that comes between two steps of Snakemake itself may find nothing to end.
        if victim == "snakemake" and number in (signal.SIGKILL, signal.SIGHUP):
            deadline = time.monotonic() + PATIENCE_SECONDS
            while orphans_of(project) and time.monotonic() < deadline:
                time.sleep(0.05)  # it is told in the runbook: let an orphan finish, or end it
    locked = project.folder / ".snakemake" / "locks"
    if locked.is_dir() and any(locked.iterdir()):
        assert project.snakemake("--unlock").returncode == 0
    return signal.Signals(number).name, victim, job[1]


def recover_and_compare(project: Project, expected: dict[str, object]) -> None:
    done = project.snakemake(TARGET)
    assert done.returncode == 0, done.stdout
    found = results(project)
    assert found.keys() == expected.keys()
    assert [name for name in expected if found[name] != expected[name]] == []
    # What a kill left of a file is gone once the same file was written again, as all were by now.
    assert not [p for top in ("data", "results") for p in (project.folder / top).rglob("*.tmp")]
    assert "Nothing to be done" in project.snakemake("-n", TARGET).stdout


def again(project: Project) -> None:
    for name in ("data", "results", ".snakemake"):
        shutil.rmtree(project.folder / name, ignore_errors=True)


@pytest.fixture
def empty(tmp_path: Path, market: pl.DataFrame) -> Project:
    return with_hostile_words(make_project(tmp_path / "hurt", market))


def kill_many(project: Project, finished: Project, times: int, seed: int, rules: list[str]) -> Counter:
    stream, expected = random.Random(seed), results(finished)
    hits: Counter[tuple[str, str, str]] = Counter()
    while hits.total() < times:
        wanted = rules[hits.total() % len(rules)]
        hit = kill_once(project, stream, wanted)
        if hit is None:
            recover_and_compare(project, expected)
            again(project)
            continue
        hits[hit] += 1
    recover_and_compare(project, expected)
    print(f"seed {seed}: {dict(hits)}")
    return hits


def describe(hits: Counter, seed: int) -> str:
    def counted(position: int) -> str:
        by = Counter()
        for key, times in hits.items():
            by[key[position].removeprefix(".").removesuffix(".py")] += times
        return ", ".join(f"{name} {times}" for name, times in sorted(by.items()))

    return (
        f"continued each time; all files equal those of an undisturbed run, timings apart "
        f"(seed {seed}; signals: {counted(0)}; sent to: {counted(1)}; while running: {counted(2)})"
    )


FAULT = "SIGINT, SIGTERM, SIGHUP, SIGKILL to the job, to Snakemake, to the group, from import to report"
USER = "the same command; after SIGHUP or SIGKILL of Snakemake `snakemake --unlock` first"


@pytest.mark.slow
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("part", range(2))
@pytest.mark.faults(FAULT, happens="", user=USER)
def test_kills_of_every_rule_change_no_file(empty, finished, record_property, part: int) -> None:
    hits = kill_many(empty, finished, 24, SEED + 1 + part, list(RULES))
    record_property("times", hits.total())
    record_property("happened", describe(hits, SEED + 1 + part))
    assert len({rule for _, _, rule in hits}) >= 10
    assert {number for number, _, _ in hits} == {s.name for s in SIGNALS}
    assert {victim for _, victim, _ in hits} == set(VICTIMS)


@pytest.mark.slow
@pytest.mark.faults(
    "A run whose state another process holds for longer than `training.lock_timeout_seconds`",
    happens="refused with a message, nothing written; trained when the other one is gone",
    user="wait for the other process, or end it; then the same command",
)
def test_a_second_writer_is_refused_while_the_first_one_writes(empty: Project, finished: Project) -> None:
    from filelock import FileLock

    done = empty.snakemake("data/processed/test-1/Aa20/daily.samples.json")
    assert done.returncode == 0, done.stdout
    lock = empty.folder / LOGISTIC.replace("results/runs", "results/state/runs")
    lock.parent.mkdir(parents=True)
    with FileLock(lock.with_name(lock.name + ".lock")):  # as an orphan that still trains
        empty.study(training={"lock_timeout_seconds": 2})
        refused = empty.snakemake(f"{LOGISTIC}/metrics.json")
        assert refused.returncode != 0
        assert "another process still trains this run" in refused.stdout
        assert not (empty.folder / LOGISTIC / "predictions" / "test.parquet").exists()
    assert empty.snakemake(f"{LOGISTIC}/metrics.json").returncode == 0
    name = f"{LOGISTIC}/predictions/test.parquet"
    assert (empty.folder / name).read_bytes() == (finished.folder / name).read_bytes()
