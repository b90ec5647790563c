"""A shipped study as it is, on a market that is known: planned, trained, judged, reported.

Nothing differs from what ships but where prices come from (`data.source: synthetic`) and what the networks'
names stand for (`reference:oracle`, whose loss obeys a law). Snakemake makes the data, the table of runs and
the verdicts. Runs are trained through `train_run` and written by `write_run` as by the rule `train`, but in a
process per core instead of two thousand, which would take hours to start.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import chdir, contextmanager
from datetime import UTC, datetime
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Any
from unittest import mock

import yaml
from joblib import Parallel, delayed

from lib.config.resolve import RunSpecification, resolve
from lib.config.run_key import Run
from lib.data.io import read_json, read_parquet, sha256_of
from lib.datasets.windows import load_samples
from lib.jobs import outputs
from lib.jobs.paths import PATHS
from lib.models import job
from lib.study.plan import Plan, plan_study
from lib.training.context import TrainingContext

ROOT = Path(__file__).parents[2]
TREE = ("Snakefile", "rules", "workflow_scripts", "lib", "config", "envs", "profiles")
NETWORKS = ("patchtst-mixed", "patchtst", "patchtst-cross")
MARKET: dict[str, Any] = {"first": "1990-01-02", "last": "2025-12-31", "signal": 2.0}
"""As long as the study's own data."""
_WRITTEN = {
    "model": "model",
    "validation": "predictions/val.parquet",
    "test": "predictions/test.parquet",
    "history": "history.parquet",
    "importance": "importance.parquet",
    "params": "params.yaml",
    "provenance": "provenance.json",
}
"""Outputs of the rule `train` below a run's folder."""


class KnownStudy:
    """A copy of the project, with one of its studies on a market that is known.

    Args:
        folder: an empty one.
        name: of the configuration, config/NAME.yaml.
        law: settings of the oracle that stands in for the networks.
        seed: of the market.
        data: the folder data/ of another study on the same market.
    """

    def __init__(
        self,
        folder: Path,
        law: Mapping[str, Any],
        name: str = "study",
        seed: int = 7,
        data: Path | None = None,
    ) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        for part in TREE:
            source = ROOT / part
            if source.is_dir():
                shutil.copytree(source, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(source, folder / part)
        self.obey(law)
        content = yaml.safe_load((ROOT / "config" / f"{name}.yaml").read_text(encoding="utf-8"))
        content["data"] |= {"source": "synthetic", "synthetic": MARKET | {"seed": seed}}
        self._write("study.yaml", content)
        if data is not None:
            (folder / "data").symlink_to(data.resolve())

    def obey(self, law: Mapping[str, Any]) -> None:
        """Give the networks another law."""
        for model in NETWORKS:
            self._write(f"config/models/{model}.yaml", {"model": "reference:oracle", "settings": dict(law)})

    def _write(self, path: str, content: Mapping[str, Any]) -> None:
        (self.folder / path).write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")

    @property
    def plan(self) -> Plan:
        """The study as Snakemake plans it."""
        content = yaml.safe_load((self.folder / "study.yaml").read_text(encoding="utf-8"))
        with chdir(self.folder):
            return plan_study(content, self.folder / "config")

    def snakemake(self, *targets: str) -> str:
        """Run Snakemake to its end; what it says."""
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        command = [sys.executable, "-m", "snakemake", "--cores", str(cores()), *targets]
        done = subprocess.run(
            [*command, "--configfile", "study.yaml"],
            cwd=self.folder,
            env={**os.environ, "PATH": path, "PYTHONWARNINGS": "ignore"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=3600,
        )
        assert done.returncode == 0, done.stdout[-6000:]
        return done.stdout

    def make_data(self, phase: str | None = None) -> None:
        """Everything that a phase, or all of the study, is trained on."""
        plan = self.plan
        scope = plan.scope(phase)
        files = [f"{PATHS.dataset}.samples.json".format(
            vintage=vintage, dataset=dataset, timescale=timescale
        ) for vintage, dataset, timescale in scope.datasets]  # fmt: skip
        self.snakemake(*files, "results/tracking/store.json")

    def train(self, phase: str | None = None) -> int:
        """Train all runs of a phase, or of the study, that are not there; their number."""
        plan = self.plan
        scope = plan.scope(phase)
        missing = [
            run for run in scope.runs if not (self.folder / _folder(run) / "provenance.json").is_file()
        ]
        by_dataset: dict[Path, list[RunSpecification]] = {}
        for run in missing:
            words = {"vintage": plan.vintage(run), "dataset": run.dataset, "timescale": run.timescale}
            path = Path(f"{PATHS.dataset}.parquet".format(**words))
            by_dataset.setdefault(path, []).append(plan.specification(run))
        tasks = [
            (path, own)
            for path, specifications in by_dataset.items()
            for own in _shared_out(sorted(specifications, key=_samples_key), cores())
        ]
        Parallel(n_jobs=cores())(delayed(_train)(self.folder, path, own) for path, own in tasks)
        return len(missing)

    def summary(self, phase: str | None = None) -> dict[str, Any]:
        """Verdicts and controls, through Snakemake's own rules."""
        target = f"results/{phase}/scaling.json" if phase else "results/scaling.json"
        said = self.snakemake(target)
        assert "rule train:" not in said, "a run that the study declares was not there"
        return dict(read_json(self.folder / target, dict))


def cores() -> int:
    """Of this process."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _folder(run: Run) -> str:
    return PATHS.run.format(**run.fields())


def _shared_out(specifications: list[RunSpecification], parts: int) -> Iterator[list[RunSpecification]]:
    """In as many parts, those on the same samples together."""
    groups = [list(own) for _, own in groupby(specifications, key=_samples_key)]
    for part in range(min(parts, len(groups))):
        yield [one for own in groups[part::parts] for one in own]


def _samples_key(one: RunSpecification) -> str:
    """Equal for runs that see the same samples."""
    barriers = one.barriers and one.barriers.model_dump_json()
    time = one.context_length, one.splits.model_dump_json(), one.train_fraction
    return repr((one.run["task"], one.run["horizon"], *time, one.labels, barriers, one.planted))


class _Outputs(dict[str, str]):
    """As a script sees the outputs of its rule."""

    def __getattr__(self, name: str) -> str:
        return self[name]


def _train(folder: Path, dataset: Path, specifications: list[RunSpecification]) -> None:
    """Train runs on one dataset, one after the other."""
    with chdir(folder), _asked_once():
        frame, digest = read_parquet(dataset), sha256_of(dataset)
        for declared in specifications:
            resolved = resolve(declared)
            run = Path(_folder(Run(**resolved.run)))  # type: ignore[arg-type]
            state = Path("results/state") / run
            state.mkdir(parents=True, exist_ok=True)
            begun = datetime.now(UTC).isoformat(timespec="seconds")
            context = TrainingContext(seed=int(resolved.run["seed"]), state_dir=state)
            finished = job.train_run(resolved, frame, context)
            written = _Outputs({name: str(run / path) for name, path in _WRITTEN.items()})
            shell = mock.Mock(output=written, scriptdir=str(folder))
            outputs.write_run(shell, resolved, finished, context, digest, begun)
            shutil.rmtree(state)


@contextmanager
def _asked_once() -> Iterator[None]:
    """Samples, and what is known of machine and code, are the same for many runs: they are made once.

    Only what costs time is remembered; each run is fitted, and forecasts, for itself.
    """
    last: dict[str, Any] = {}

    def remembered(frame: Any, *arguments: Any, **named: Any) -> Any:
        key = f"{id(frame)} {arguments} {named}"
        if key not in last:
            last.clear()
            last[key] = load_samples(frame, *arguments, **named)
        return last[key]

    with mock.patch.object(job, "load_samples", remembered):
        facts = ("git_commit", "package_versions", "hardware")
        patches = [mock.patch.object(outputs, name, cache(getattr(outputs, name))) for name in facts]
        with patches[0], patches[1], patches[2], mock.patch.object(outputs, "sync_folder"):
            yield
