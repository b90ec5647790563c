"""How MLflow and W&B are written to. Each backend is used from one thread, that of `lib.training.tracking`.

The libraries are imported only when a run is opened.
"""

from __future__ import annotations

import netrc
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from lib.config.training import TrackingConfig

_MLFLOW_STATUS = {"finished": "FINISHED", "failed": "FAILED", "stopped": "KILLED"}


class Record(NamedTuple):
    """One call of `Tracker.log`, with the moment of the call in milliseconds since 1970."""

    metrics: dict[str, float]
    step: int
    milliseconds: int


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
        """End the run: `finished`, `failed` or `stopped`."""


class MlflowBackend:
    """One run in an MLflow store (client interface only: nothing global is changed)."""

    name = "MLflow"

    def __init__(
        self,
        config: TrackingConfig,
        folder: Path,
        run_name: str,
        params: Mapping[str, Any],
        tags: Mapping[str, str],
    ) -> None:
        self._config, self._folder, self._run_name = config, folder, run_name
        self._params, self._tags = flatten(params), dict(tags)
        self._client: Any = None
        self._run_id = ""

    def open(self) -> None:
        """Begin a run, or continue the unfinished one with the same `fingerprint` tag."""
        from mlflow.entities import Param

        self._client, experiment = mlflow_store(self._folder, self._config.project, self._config.mlflow_uri)
        self._run_id = self._unfinished(experiment) or ""
        if self._run_id:
            self._client.update_run(self._run_id, status="RUNNING")
            return
        run = self._client.create_run(experiment, run_name=self._run_name, tags=self._tags)
        self._run_id = run.info.run_id
        entries = [Param(key[:250], str(value)[:6000]) for key, value in self._params.items()]
        for first in range(0, len(entries), 100):  # MLflow's limit for one call
            self._client.log_batch(self._run_id, params=entries[first : first + 100])

    def log(self, records: Sequence[Record]) -> None:
        """Write numbers."""
        from mlflow.entities import Metric

        metrics = [Metric(k, v, r.milliseconds, r.step) for r in records for k, v in r.metrics.items()]
        for first in range(0, len(metrics), 1000):  # MLflow's limit for one call
            self._client.log_batch(self._run_id, metrics=metrics[first : first + 1000])

    def artifact(self, path: Path) -> None:
        """Copy a file into the run."""
        self._client.log_artifact(self._run_id, str(path))

    def finish(self, status: str) -> None:
        """End the run."""
        self._client.set_terminated(self._run_id, _MLFLOW_STATUS.get(status, "FAILED"))

    def _unfinished(self, experiment: str) -> str | None:
        fingerprint = self._tags.get("fingerprint")
        if fingerprint is None:
            return None
        found = self._client.search_runs(
            [experiment],
            f"tags.fingerprint = '{fingerprint}' and attributes.status != 'FINISHED'",
            max_results=10,
        )
        return next((run.info.run_id for run in found if run.info.run_name == self._run_name), None)


class WandbBackend:
    """One W&B run. Offline runs cannot be continued: a resumed run appears as a second one of its group."""

    name = "W&B"

    def __init__(
        self,
        config: TrackingConfig,
        folder: Path,
        run_name: str,
        params: Mapping[str, Any],
        tags: Mapping[str, str],
    ) -> None:
        self._config, self._folder, self._run_name = config, folder, run_name
        self._params, self._tags = dict(params), dict(tags)
        self._run: Any = None

    def open(self) -> None:
        """Begin a run."""
        if self._config.wandb == "online" and not _has_wandb_key():
            raise RuntimeError("no key: run `wandb login` once, or use `wandb: offline`")
        import wandb

        self._folder.mkdir(parents=True, exist_ok=True)
        settings = wandb.Settings(
            silent=True, console="off", save_code=False, disable_git=True, disable_job_creation=True
        )
        self._run = wandb.init(
            project=self._config.project,
            name=self._run_name,
            group=self._run_name[:128],
            dir=str(self._folder.resolve()),
            mode="online" if self._config.wandb == "online" else "offline",
            config=self._params | {"tags": self._tags},
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
        self._run.finish(exit_code=0 if status == "finished" else 1)


def flatten(params: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested parameters with dotted names: ``{"recipe": {"a": 1}}`` to ``{"recipe.a": 1}``."""
    flat: dict[str, Any] = {}
    for key, value in params.items():
        if isinstance(value, Mapping) and value:
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def mlflow_store(folder: Path, project: str, uri: str | None) -> tuple[Any, str]:
    """The client and the id of the experiment; whatever is missing is created by one process at a time."""
    import logging

    from filelock import FileLock

    for noisy in ("mlflow", "alembic"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    from mlflow.tracking import MlflowClient

    folder = folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / "mlflow.lock"):
        client = MlflowClient(tracking_uri=uri or f"sqlite:///{folder / 'mlflow.db'}")
        experiment = client.get_experiment_by_name(project)
        if experiment is not None:
            return client, experiment.experiment_id
        location = None if uri else (folder / "artifacts").as_uri()
        return client, client.create_experiment(project, artifact_location=location)


def _has_wandb_key() -> bool:
    """Asked first, because the library would otherwise wait for an answer at the terminal."""
    if os.environ.get("WANDB_API_KEY") or os.environ.get("WANDB_IDENTITY_TOKEN_FILE"):
        return True
    try:
        return any("wandb" in host for host in netrc.netrc().hosts)
    except (OSError, netrc.NetrcParseError):
        return False
