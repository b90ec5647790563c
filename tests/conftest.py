"""A copy of the project with a small market of its own, and real Snakemake runs on it."""

from __future__ import annotations

import compileall
import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import polars as pl
import pytest
import yaml
from filelock import FileLock
from hypothesis import settings

from lib.training.threads import spin_briefly
from tests.declared_files import RECORDS as RECORDS_OF_JOBS
from tests.declared_files import undeclared
from tests.snakemake_process import run_snakemake


def pytest_configure() -> None:
    """Signals as in a terminal, and a core of its own for each of several workers."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as shells start what runs in the background
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:  # as nohup does
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
    spin_briefly()
    # Copies of the project take along what is compiled here: thousands of short jobs do not compile it again.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    worker = os.environ.get("PYTEST_XDIST_WORKER")
    if not worker:
        compileall.compile_dir(ROOT / "lib", quiet=1)
    if worker and hasattr(os, "sched_setaffinity"):
        # Numeric libraries start as many threads as there are cores; workers that do so hinder each other.
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {cores[int(worker.removeprefix("gw")) % len(cores)]})
    # The same examples in each run, so that no change is blamed for what chance found; `make faults` draws
    # new ones.
    settings.register_profile("same", derandomize=True)
    settings.register_profile("new", print_blob=True)
    settings.load_profile("new" if RECORDS in os.environ else "same")


ROOT = Path(__file__).parents[1]
PATIENCE_SECONDS = 1500
"""Against what hangs. Never about speed: on a machine that others use, too, all takes ten times as long."""
TREE = ("Snakefile", "rules", "workflow_scripts", "lib", "config", "envs", "profiles")

STUDY: dict[str, Any] = {
    "data": {
        "source": "files",
        "vintage": "test-1",
        "folder": "market",
        "splits": {
            "train_end": "2005-12-31",
            "validation_start": "2006-01-01",
            "validation_end": "2007-06-30",
            "test_start": "2007-07-01",
        },
    },
    "experiments": ["small"],
    "training": {
        "device": "cpu",
        "max_steps": 6,
        "validate_every_steps": 3,
        "decay_steps": 2,
        "effective_batch": 16,
        "validation_stride": 20,
    },
    "evaluation": {"bootstrap_draws": 100},
}
SMALL: dict[str, Any] = {
    "question": "Does anything beat the base rate here?",
    "datasets": ["Aa20"],
    "timescales": ["daily"],
    "tasks": ["direction"],
    "horizons": [5],
    "models": ["base_rate", "logistic"],
    "seeds": [1],
}
HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>"
FORMULA = '=HYPERLINK("http://evil")'
WORDS = {"title": HOSTILE, "note": HOSTILE}
"""What the study of `finished` says of itself: HTML; its question is a spreadsheet's formula as well."""


RECORDS = "FAULT_RECORDS"
"""Environment variable: the file to which tests with the marker `faults` add what they have seen."""


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
    """One line per test with `@pytest.mark.faults(fault, happens=…, user=…)`, for docs/reliability.md.

    A test may say with `record_property` how often it tried (`times`) and what it measured (`happened`).
    """
    report = cast(Any, (yield)).get_result()
    marker, path = item.get_closest_marker("faults"), os.environ.get(RECORDS)
    ended = report.when == "call" or not report.passed  # what fails in a fixture has failed, too
    if not (path and marker and marker.args and ended):
        return
    said = dict(report.user_properties)
    row = {
        "fault": marker.args[0],
        "times": int(said.get("times", 1)),
        "happened": said.get("happened", marker.kwargs["happens"]),
        "user": marker.kwargs["user"],
        "outcome": report.outcome,
        "reason": str(report.longrepr[2]) if report.skipped else "",
        "test": item.nodeid,
    }
    with Path(path).open("a", encoding="utf-8") as records:
        records.write(json.dumps(row) + "\n")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files whose tests run whole studies come first, so that no worker waits for another's at the end."""
    items.sort(key=lambda item: "unit" in item.path.parts)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Names of the tests that are to leave a record, so that a missing one is noticed."""
    if path := os.environ.get(RECORDS):
        marked = [(item.nodeid, item.get_closest_marker("faults")) for item in session.items]
        expected = {node: mark.args[0] for node, mark in marked if mark and mark.args}
        temporary = Path(f"{path}.{os.getpid()}")
        temporary.write_text(json.dumps(expected), encoding="utf-8")
        temporary.replace(f"{path}.expected")


@dataclass
class Project:
    """One copy of the project in a folder of its own."""

    folder: Path

    def study(self, **changes: Any) -> None:
        """Write study.yaml: the small study with top-level sections replaced or merged one level deep."""
        content = yaml.safe_load(yaml.safe_dump(STUDY))
        for key, value in changes.items():
            content[key] = {**content[key], **value} if isinstance(value, dict) and key in content else value
        (self.folder / "study.yaml").write_text(yaml.safe_dump(content))

    def experiment(self, name: str = "small", **changes: Any) -> None:
        """Write an experiment: the small one with some keys replaced."""
        path = self.folder / "config" / "experiments" / f"{name}.yaml"
        path.write_text(yaml.safe_dump(SMALL | changes))

    def command(self, *arguments: str, configfile: str | None = "study.yaml") -> list[str]:
        """The command line of a Snakemake run."""
        given = ["--configfile", configfile] if configfile else []
        # Last, because Snakemake takes every word after --configfile for another configuration file.
        return [sys.executable, "-m", "snakemake", "--cores", "1", *arguments, *given]

    @property
    def environment(self) -> dict[str, str]:
        """As a user's shell with the environment active."""
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        watched = {
            "PYTHONPATH": str(ROOT / "tests" / "audit"),
            "OPENED_FILES": str(self.folder / RECORDS_OF_JOBS),
        }
        return {**os.environ, "PATH": path, "PYTHONWARNINGS": "ignore", **watched}

    def snakemake(
        self, *arguments: str, configfile: str | None = "study.yaml"
    ) -> subprocess.CompletedProcess[str]:
        """Run Snakemake to its end; stdout and stderr are one text in `stdout`.

        Every job of it is held to the files that its rule declares.
        """
        command = self.command(*arguments, configfile=configfile)
        done = run_snakemake(command, self.folder, self.environment, PATIENCE_SECONDS)
        assert not (found := undeclared(self.folder)), "opened, but not declared:\n" + "\n".join(found)
        return done

    def csv(self, symbol: str = "SPY") -> Path:
        """The file of a symbol's prices."""
        return self.folder / "market" / "ohlcv" / f"{symbol}.csv"


@pytest.fixture(scope="session")
def market() -> pl.DataFrame:
    """Ten years of one symbol, made by the synthetic source."""
    from datetime import date

    from lib.config.data import DataConfig
    from lib.data.sources import open_source

    data = DataConfig.model_validate(
        STUDY["data"]
        | {"source": "synthetic", "synthetic": {"first": date(1999, 1, 4), "last": date(2008, 12, 31)}}
    )
    source = open_source(data)
    return source.prices("PLANTED").drop("symbol")


def make_project(folder: Path, market: pl.DataFrame) -> Project:
    """A copy of the project in an empty folder, with the small study on the market."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in TREE:
        source = ROOT / name
        if source.is_dir():
            # With what is compiled already, but for what another worker is just writing.
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("*.pyc.*"))
        else:
            shutil.copy(source, folder / name)
    made = Project(folder)
    made.csv().parent.mkdir(parents=True)
    market.write_csv(made.csv())
    made.study()
    made.experiment()
    return made


@pytest.fixture
def project(tmp_path: Path, market: pl.DataFrame) -> Project:
    return make_project(tmp_path, market)


def with_hostile_words(project: Project) -> Project:
    """The small study with a title, a note and a question that are HTML and a spreadsheet's formula."""
    project.study(**WORDS)
    project.experiment(question=FORMULA + HOSTILE)
    return project


def copy_of(project: Project, folder: Path, results: bool = True) -> Project:
    """A copy of a project with its times, so that Snakemake finds nothing to do; or with its data alone."""
    gone = shutil.ignore_patterns(*(() if results else ("results",)))
    shutil.copytree(project.folder, folder, symlinks=True, ignore=gone)
    return Project(folder)


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory, market: pl.DataFrame) -> Project:
    """The small study (base rate, logistic regression) run to its report. Not to be changed.

    One worker makes it for all of them, in a folder with blanks, umlauts and brackets in its path.
    """
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    project = Project(shared / "One Drive - Größe [neu]" / "finished")
    with FileLock(shared / "finished.lock"):
        if not (shared / "finished.ready").exists():
            with_hostile_words(make_project(project.folder, market))
            done = project.snakemake("results/report.html")
            assert done.returncode == 0, done.stdout
            (shared / "finished.ready").touch()
    return project


@pytest.fixture
def copied(finished: Project, tmp_path: Path) -> Project:
    """The finished study, to be changed."""
    return copy_of(finished, tmp_path / "study")


def make_prepared(finished: Project, folder: Path) -> Project:
    """The small study with its data and nothing else made: its dataset is checked, no run has begun."""
    prepared = copy_of(finished, folder, results=False)
    prepared.study()
    prepared.experiment()
    return prepared


@pytest.fixture
def prepared(finished: Project, tmp_path: Path) -> Project:
    return make_prepared(finished, tmp_path / "study")
