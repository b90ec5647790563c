"""Backends that write to MLflow and W&B, each used from the one thread of `lib.training.tracking`.

The libraries are imported only when a run is opened.
"""

from __future__ import annotations

import netrc
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from filelock import FileLock

from lib.config.training import TrackingConfig

_MLFLOW_STATUS = {"finished": "FINISHED", "pruned": "FINISHED", "failed": "FAILED", "stopped": "KILLED"}
"""MLflow has no status for a pruned trial, which is a complete result: a tag records it."""
_KIND = {"mlflow.experimentKind": "custom_model_development"}
"""What its pages show of an experiment: training runs with their metrics, not traces of language models."""


class Record(NamedTuple):
    """One call of `Tracker.log`, with the moment of the call in milliseconds since 1970."""

    metrics: dict[str, float]
    step: int
    milliseconds: int


class Group(NamedTuple):
    """A group of tracked runs, for example the trials of a search."""

    fingerprint: str
    """Its identity: runs that name the same one belong together, from whatever process."""
    name: str


class Backend(Protocol):
    """What a tracker must do; every method is called from the tracker's thread only."""

    name: str

    def open(self) -> None:
        """Import the library and begin a run."""

    def log(self, records: Sequence[Record]) -> None:
        """Write numbers."""

    def artifact(self, path: Path) -> None:
        """Store a copy of a file."""

    def finish(self, status: str) -> None:
        """End the run: `finished`, `pruned`, `failed` or `stopped`."""


@dataclass
class TrackedRun:
    """What is tracked of one run, as `lib.training.tracking.open_tracker` explains it."""

    config: TrackingConfig
    run_name: str
    params: Mapping[str, Any]
    tags: Mapping[str, str]
    group: Group | None = None


class MlflowBackend:
    """One run in an MLflow store (client interface only: nothing global is changed)."""

    name = "MLflow"

    def __init__(self, tracked: TrackedRun) -> None:
        self._tracked = tracked
        self._client: Any = None
        self._run_id = ""
        self._written: set[tuple[str, int]] = set()

    def open(self) -> None:
        """Begin a run, or continue the unfinished one with the same `fingerprint` tag."""
        from mlflow.entities import Param

        run, tags = self._tracked, dict(self._tracked.tags)
        self._client, experiment = mlflow_store(run.config)
        if run.group:
            tags["mlflow.parentRunId"] = self._parent(experiment, run.group)
        self._run_id = self._unfinished(experiment) or ""
        if self._run_id:
            self._client.update_run(self._run_id, status="RUNNING")
            self._written = self._points()
            return
        self._run_id = self._client.create_run(experiment, run_name=run.run_name, tags=tags).info.run_id
        entries = [Param(key[:250], str(value)[:6000]) for key, value in flatten(run.params).items()]
        for first in range(0, len(entries), 100):  # MLflow's limit for one call
            self._client.log_batch(self._run_id, params=entries[first : first + 100])

    def log(self, records: Sequence[Record]) -> None:
        """Write numbers, except those of a step that an earlier invocation has written.

        A resumed training repeats the validations since its last checkpoint, and MLflow would keep both.
        """
        from mlflow.entities import Metric

        metrics = [
            Metric(key, value, record.milliseconds, record.step)
            for record in records
            for key, value in record.metrics.items()
            if (key, record.step) not in self._written
        ]
        for first in range(0, len(metrics), 1000):  # MLflow's limit for one call
            self._client.log_batch(self._run_id, metrics=metrics[first : first + 1000])

    def artifact(self, path: Path) -> None:
        """Copy a file into the run."""
        self._client.log_artifact(self._run_id, str(path))

    def finish(self, status: str) -> None:
        """End the run."""
        if status == "pruned":
            self._client.set_tag(self._run_id, "pruned", "true")
        self._client.set_terminated(self._run_id, _MLFLOW_STATUS.get(status, "FAILED"))

    def _points(self) -> set[tuple[str, int]]:
        """Name and step of every number that stands in the run."""
        return {
            (key, point.step)
            for key in self._client.get_run(self._run_id).data.metrics
            for point in self._client.get_metric_history(self._run_id, key)
        }

    def _parent(self, experiment: str, group: Group) -> str:
        """The run that stands for the group; made by whoever comes first."""
        with _locked(self._tracked.config):
            found = self._client.search_runs(
                [experiment], f"tags.group = '{group.fingerprint}'", max_results=1
            )
            if found:
                return str(found[0].info.run_id)
            tags = {"group": group.fingerprint}  # not as `fingerprint`: that names runs to be continued
            run = self._client.create_run(experiment, run_name=group.name, tags=tags)
            self._client.set_terminated(run.info.run_id, "FINISHED")  # it only holds the others together
            return str(run.info.run_id)

    def _unfinished(self, experiment: str) -> str | None:
        fingerprint = self._tracked.tags.get("fingerprint")
        if fingerprint is None:
            return None
        found = self._client.search_runs(
            [experiment],
            f"tags.fingerprint = '{fingerprint}' and attributes.status != 'FINISHED'",
            max_results=10,
        )
        return next((run.info.run_id for run in found if run.info.run_name == self._tracked.run_name), None)


class WandbBackend:
    """One W&B run. Offline runs cannot be continued: a resumed run appears as a second one of its group."""

    name = "W&B"

    def __init__(self, tracked: TrackedRun) -> None:
        self._tracked = tracked
        self._run: Any = None

    def open(self) -> None:
        """Begin a run."""
        run, config = self._tracked, self._tracked.config
        if config.wandb == "online" and not has_wandb_key():
            raise RuntimeError("no key: run `wandb login` once, or use `wandb: offline`")
        import wandb

        config.folder.mkdir(parents=True, exist_ok=True)
        settings = wandb.Settings(
            silent=True, console="off", save_code=False, disable_git=True, disable_job_creation=True
        )
        self._run = wandb.init(
            project=config.project,
            name=run.run_name,
            group=(run.group.name if run.group else run.run_name)[:128],
            dir=str(config.folder.resolve()),
            mode="online" if config.wandb == "online" else "offline",
            config={**run.params, "tags": dict(run.tags)},
            settings=settings,
            reinit="create_new",
        )

    def log(self, records: Sequence[Record]) -> None:
        """Write numbers."""
        for record in records:
            self._run.log(record.metrics, step=record.step)

    def artifact(self, path: Path) -> None:
        """Store a copy of a file."""
        self._run.save(str(path), base_path=str(path.parent), policy="now")

    def finish(self, status: str) -> None:
        """End the run."""
        if status == "pruned":
            self._run.tags = (*(self._run.tags or ()), "pruned")
        self._run.finish(exit_code=0 if status in ("finished", "pruned") else 1)


def flatten(params: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested parameters with dotted names: ``{"recipe": {"a": 1}}`` to ``{"recipe.a": 1}``."""
    flat: dict[str, Any] = {}
    for key, value in params.items():
        if isinstance(value, Mapping) and value:
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def mlflow_store(config: TrackingConfig) -> tuple[Any, str]:
    """The client and the id of the experiment; whatever is missing is created by one process at a time."""
    import logging

    for noisy in ("mlflow", "alembic"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    from mlflow.tracking import MlflowClient

    folder, uri = config.folder.resolve(), config.mlflow_uri
    folder.mkdir(parents=True, exist_ok=True)
    with _locked(config):
        client = MlflowClient(tracking_uri=uri or f"sqlite:///{folder / 'mlflow.db'}")
        experiment = client.get_experiment_by_name(config.project)
        if experiment is not None:
            return client, experiment.experiment_id
        location = None if uri else (folder / "artifacts").as_uri()
        return client, client.create_experiment(config.project, artifact_location=location, tags=_KIND)


def _locked(config: TrackingConfig) -> FileLock:
    """One process at a time creates what is missing in a store."""
    return FileLock(config.folder.resolve() / "mlflow.lock")


def add_measures(client: Any, experiment: str, measures: Mapping[str, Mapping[str, float]]) -> int:
    """Write measures into the newest finished run of each name, unless they stand there.

    Returns:
        How many runs got some.
    """
    from mlflow.entities import Metric

    newest: dict[str, Any] = {}
    token = None
    while token != "":
        page = client.search_runs(
            [experiment],
            "attributes.status = 'FINISHED'",
            order_by=["attributes.start_time ASC"],
            page_token=token,
        )
        newest |= {run.info.run_name: run for run in page if run.info.run_name in measures}
        token = page.token or ""
    changed = 0
    for name, run in newest.items():
        new = {key: value for key, value in measures[name].items() if run.data.metrics.get(key) != value}
        if new:
            moment = int(time.time() * 1000)
            metrics = [Metric(key, value, moment, 0) for key, value in new.items()]
            client.log_batch(run.info.run_id, metrics=metrics)
            changed += 1
    return changed


def register_model(config: TrackingConfig, name: str, model: Path, tags: Mapping[str, str]) -> int:
    """Add a version of a model to MLflow's registry.

    Args:
        config: where the store is.
        name: of the registered model; made if it is new.
        model: folder with the model's files.
        tags: short texts for the version, for example where its run lies.

    Returns:
        The number of the version.
    """
    client, _ = mlflow_store(config)
    with _locked(config):
        if not client.search_registered_models(f"name = '{name}'", max_results=1):
            client.create_registered_model(name)
        version = client.create_model_version(name, source=model.resolve().as_uri(), tags=dict(tags))
    return int(version.version)


def has_wandb_key() -> bool:
    """Asked first, because the library would otherwise wait for an answer at the terminal."""
    if os.environ.get("WANDB_API_KEY") or os.environ.get("WANDB_IDENTITY_TOKEN_FILE"):
        return True
    try:
        return any("wandb" in host for host in netrc.netrc().hosts)
    except (OSError, netrc.NetrcParseError):
        return False
