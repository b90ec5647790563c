"""Searches and trainings of the real workflow, killed at random moments until they are done."""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl
import psutil

from lib.data.io import read_json
from lib.tuning.hardware import hardware_fingerprint
from tests.conftest import PATIENCE_SECONDS, Project, make_project

STAGES = {".search_hyperparameters.py": "search", ".train.py": "train"}
TIMINGS = ("seconds", "samples_per_second", "temperature")
EQUAL_BYTES = (
    "metrics.json",
    "daily.parquet",
    "params.yaml",
    "importance.parquet",
    "predictions/val.parquet",
    "predictions/test.parquet",
    "model/weights.safetensors",
)


@dataclass(frozen=True)
class Case:
    """One way to train: a search of three trials, then the run with what it found."""

    model: str
    precision: str
    micro_batch: int
    effective_batch: int = 64
    max_steps: int = 32
    validate_every_steps: int = 4

    @property
    def cell(self) -> str:
        return f"base/Aa20/daily/direction/h5/{self.model}/2M"

    @property
    def run(self) -> str:
        return f"results/runs/{self.cell}/seed1"

    @property
    def target(self) -> str:
        return f"{self.run}/metrics.json"

    def project(self, folder: Path, market: pl.DataFrame) -> Project:
        """A copy of the project whose batch size is known, so that accumulation is certain."""
        project = make_project(folder, market)
        project.experiment(models=[self.model], budgets=["2M"], tuning="quickstart", searches=1, n_trials=3)
        project.study(
            training={
                "max_steps": self.max_steps,
                "patience_steps": self.max_steps,
                "validate_every_steps": self.validate_every_steps,
                "checkpoint_every_steps": self.validate_every_steps,
                "effective_batch": self.effective_batch,
            },
            thermal={"sensor": "off"},
        )
        know_batch_size(project, self.model, self.micro_batch, self.effective_batch, self.precision)
        return project

    def results(self, project: Project) -> dict[str, Any]:
        """Everything that must be equal: bytes, and tables without their timings."""
        search = project.folder / "results" / "hpo" / self.cell / "search1"
        trials = pl.read_parquet(search / "trials.parquet").filter(pl.col("state") != "interrupted")
        best = read_json(search / "best.json")
        run = project.folder / self.run
        return {name: (run / name).read_bytes() for name in EQUAL_BYTES} | {
            "history": pl.read_parquet(run / "history.parquet").drop(TIMINGS).to_dicts(),
            # Attempts that were interrupted have numbers too, so those of the others differ.
            "trials": trials.drop("number", "seconds", "duplicate_of").to_dicts(),
            "best": {key: value for key, value in best.items() if key not in ("seconds", "best_trial")},
        }


def know_batch_size(
    project: Project, model: str, micro_batch: int = 16, effective_batch: int = 16, precision: str = "fp32"
) -> None:
    """Write down the batch size of a 2M model as if it had been discovered."""
    found = {
        "micro_batch": micro_batch,
        "effective_batch": effective_batch,
        "largest_safe": 1024,
        "channels": 20,
        "context_length": 120,
        "precision": precision,
        "compile": False,
        "samples_per_second": 100.0,
        "hardware": hardware_fingerprint(),
    }
    path = project.folder / "results" / "batch_sizes" / "Aa20" / "daily" / model / "2M.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(found))


@dataclass
class Killer:
    """Starts a workflow again and again and kills it: its job, or the workflow and the job together.

    Attributes:
        hits: kills by stage ("search", "train") and victim ("job", "group").
        moments: (stage, seconds since the stage's process began, victim), in order.
        rounds: results that were compared.
    """

    project: Project
    case: Case
    stream: random.Random
    longest: dict[str, float]
    hits: Counter[tuple[str, str]] = field(default_factory=Counter)
    moments: list[tuple[str, float, str]] = field(default_factory=list)
    rounds: int = 0

    def kill(self, times: int, expected: dict[str, Any]) -> None:
        """Kill so often; whenever the work is done in spite of it, compare the results and start over."""
        while self.hits.total() < times:
            if self._once():
                self.compare(expected)
        self.finish()
        self.compare(expected)

    def compare(self, expected: dict[str, Any]) -> None:
        self.rounds += 1
        found = self.case.results(self.project)
        differing = [name for name in expected if found[name] != expected[name]]
        assert not differing, f"{differing} differ after {self.moments}"
        # What a kill left of a file is gone once the same file was written again, as all were by now.
        leftovers = [*(self.project.folder / "results").rglob("*.tmp")]
        assert not leftovers, leftovers
        for name in ("runs", "hpo", "state"):
            shutil.rmtree(self.project.folder / "results" / name, ignore_errors=True)

    def finish(self) -> None:
        with workflow(self.project, self.case.target) as process:
            assert process.wait(timeout=PATIENCE_SECONDS) == 0, log_of(self.project)

    def _is_overdue(self, stage: str) -> bool:
        """Whether a stage was killed so often that the others hardly come to be killed."""
        own = sum(times for (where, _), times in self.hits.items() if where == stage)
        return own > 2 * (self.hits.total() - own) + 2

    def _once(self) -> bool:
        """One invocation; whether it came to its end."""
        with workflow(self.project, self.case.target) as process:
            job = next_job(process)
            while job is not None:
                stage = STAGES[job[1]]
                moment = self.stream.uniform(0.0, self.longest[stage])
                if self._is_overdue(stage):
                    moment = PATIENCE_SECONDS  # let it end, so that the others have their turn
                victim = self.stream.choice(["job", "group"])
                with contextlib.suppress(psutil.TimeoutExpired):
                    job[0].wait(timeout=moment)
                    job = next_job(process)  # this one was faster than its death
                    continue
                if victim == "job":
                    with contextlib.suppress(psutil.NoSuchProcess):
                        job[0].kill()
                    if process.wait(timeout=PATIENCE_SECONDS) == 0:
                        return True  # it had just ended
                else:
                    os.killpg(process.pid, signal.SIGKILL)
                    process.wait()
                    assert self.project.snakemake("--unlock").returncode == 0
                self.hits[stage, victim] += 1
                self.moments.append((stage, round(moment, 2), victim))
                return False
            assert process.wait(timeout=PATIENCE_SECONDS) == 0, log_of(self.project)
            return True


@contextlib.contextmanager
def workflow(project: Project, *targets: str) -> Iterator[subprocess.Popen[bytes]]:
    """A Snakemake in a process group of its own; nothing of it outlives the context."""
    with (project.folder / "log").open("w") as log:
        process = subprocess.Popen(
            project.command("--rerun-incomplete", *targets),
            cwd=project.folder,
            env=project.environment,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def log_of(project: Project) -> str:
    return (project.folder / "log").read_text()[-4000:]


def next_job(
    process: subprocess.Popen[bytes], known: frozenset[str] = frozenset(STAGES)
) -> tuple[psutil.Process, str] | None:
    """The next job among those wanted that runs, and its script; None if the workflow ends before."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while process.poll() is None:
        assert time.monotonic() < deadline, "no job appeared"
        with contextlib.suppress(psutil.NoSuchProcess):
            for child in psutil.Process(process.pid).children(recursive=True):
                words = child.cmdline()
                script = next((s for s in known if any(w.endswith(s) for w in words)), None)
                if script and "bash" not in child.name() and child.name() != "sh":
                    return child, script
        time.sleep(0.02)
    return None


def undisturbed(project: Project, case: Case) -> tuple[dict[str, Any], dict[str, float]]:
    """The results without any kill, and how long each stage took."""
    took: dict[str, float] = {}
    with workflow(project, case.target) as process:
        while (job := next_job(process)) is not None:
            begin = time.monotonic()
            with contextlib.suppress(psutil.NoSuchProcess):
                job[0].wait(timeout=PATIENCE_SECONDS)
            stage = STAGES[job[1]]
            took[stage] = time.monotonic() - begin
        assert process.wait() == 0, log_of(project)
    return case.results(project), took
