"""Optional experiment trackers (MLflow, W&B), kept off the hot path.

Training puts numbers into a queue; one daemon thread imports the libraries and writes. A tracker that fails
is reported once and dropped: it never stops or slows training, and everything it gets is also in plain
files. Nothing outside this machine is contacted unless the configuration names a server or `wandb: online`.
"""

from __future__ import annotations

import contextlib
import os
import queue
import re
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from lib.config.training import TrackingConfig
from lib.errors import TrainingStopped
from lib.training.progress import say_once
from lib.training.tracker_backends import (
    Backend,
    Group,
    MlflowBackend,
    Record,
    TrackedRun,
    WandbBackend,
    add_measures,
    mlflow_store,
    register_model,
)

_QUEUE_LENGTH = 100_000
_FINISH_SECONDS = 60.0
_QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "WANDB_ERROR_REPORTING": "false",
    "WANDB_SILENT": "true",
    # A server that is away: MLflow would ask it eight times, for minutes.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
}
_PASSWORD = re.compile(r"(://)[^/@\s]*:[^/@\s]*@")
"""User and password in an address."""


class Tracker:
    """Numbers of one run, on their way to the trackers that are switched on.

    As a context manager it ends the run by itself: `finished`, or after an exception what that means:
    `stopped` (heat or a signal; to be continued), `pruned` (a trial not worth its time) or `failed`.
    """

    def __init__(self, backends: Sequence[Backend]) -> None:
        self._queue: queue.Queue[Record | Path | str] = queue.Queue(_QUEUE_LENGTH)
        self._thread: threading.Thread | None = None
        self._finished = False
        if backends:
            self._thread = threading.Thread(target=self._work, args=(list(backends),), daemon=True)
            self._thread.start()

    def log(self, metrics: Mapping[str, float | int | None], step: int) -> None:
        """Hand over numbers; returns at once. What is None or no number is left out."""
        numbers = {
            name: float(value)
            for name, value in metrics.items()
            if isinstance(value, int | float) and value is not None
        }
        self._put(Record(numbers, step, int(time.time() * 1000)))

    def artifact(self, path: Path) -> None:
        """Hand over a file; it must stay as it is until `finish`."""
        self._put(path)

    def finish(self, status: str = "finished") -> None:
        """Write what is left (at most a minute) and end the run. Calling it again does nothing.

        Args:
            status: `finished`, `pruned`, `failed` or `stopped` (to be continued).
        """
        if self._thread is None or self._finished:
            return
        self._finished = True
        deadline = time.monotonic() + _FINISH_SECONDS
        with contextlib.suppress(queue.Full):  # then the join below times out as well
            self._queue.put(status.lower(), timeout=_FINISH_SECONDS)
        self._thread.join(max(0.0, deadline - time.monotonic()))
        if self._thread.is_alive():
            say_once(
                "tracking slow", "WARNING: tracking did not end in time; its last numbers may be missing."
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.finish("finished" if kind is None else _outcome(kind))

    def _put(self, item: Record | Path) -> None:
        if self._thread is None or self._finished:
            return
        try:
            self._queue.put_nowait(item)
        except queue.Full:
            say_once("tracking full", "WARNING: tracking cannot keep up; some of its numbers are left out.")

    def _work(self, backends: list[Backend]) -> None:
        alive = [backend for backend in backends if _attempt(backend, backend.open)]
        while True:
            items: list[Record | Path | str] = [self._queue.get()]
            while len(items) < 1000 and not isinstance(items[-1], str):
                try:
                    items.append(self._queue.get_nowait())
                except queue.Empty:
                    break
            records = [item for item in items if isinstance(item, Record)]
            paths = [item for item in items if isinstance(item, Path)]
            if records:
                alive = [b for b in alive if _attempt(b, partial(b.log, records))]
            for path in paths:
                alive = [b for b in alive if _attempt(b, partial(b.artifact, path))]
            last = items[-1]
            if isinstance(last, str):
                for backend in alive:
                    _attempt(backend, partial(backend.finish, last))
                return


class NullTracker(Tracker):
    """Tracks nothing."""

    def __init__(self) -> None:
        super().__init__([])


def init_store(config: TrackingConfig) -> None:
    """Create the MLflow store (a database in the folder, unless a server is named) and its experiment, if
    they are missing.

    To be called in one serial step before parallel jobs: the database's migrations must not race. Takes
    about 6 s on 2 cores, of which 4 s import MLflow.
    """
    _be_quiet()
    mlflow_store(config)


def prepare_store(config: TrackingConfig) -> None:
    """`init_store` before a study; an unusable store is reported, and the study continues."""
    try:
        init_store(config)
    except Exception as error:  # whatever MLflow, SQLAlchemy or the network raise
        _tell_failure("MLflow", error)


def register(config: TrackingConfig, name: str, model: Path, tags: Mapping[str, str]) -> int | None:
    """Add a version of a model to MLflow's registry; None if MLflow is off (see `register_model`)."""
    if not config.mlflow:
        return None
    _be_quiet()
    return register_model(config, name, model, tags)


def publish(config: TrackingConfig, measures: Mapping[str, Mapping[str, float]]) -> None:
    """Add what evaluation measured to the finished runs in MLflow; a failing store is only reported.

    Args:
        config: which trackers are on.
        measures: of runs by their names: training and evaluation are two jobs, in MLflow they are one run.
    """
    if not (config.mlflow and measures):
        return
    _be_quiet()
    try:
        client, experiment = mlflow_store(config)
        add_measures(client, experiment, measures)
    except Exception as error:  # whatever MLflow, SQLAlchemy or the network raise
        _tell_failure("MLflow", error)


def open_tracker(
    config: TrackingConfig,
    run_name: str,
    params: Mapping[str, Any],
    tags: Mapping[str, str],
    group: Group | None = None,
) -> Tracker:
    """Begin to track one run; returns at once and never fails.

    Args:
        config: which trackers are on, and where their files live.
        run_name: shown to people, for example the run's path.
        params: resolved parameters, may be nested. Must hold no secrets.
        tags: short texts. A tag `fingerprint` lets MLflow continue an unfinished run of the same identity.
        group: what the run is a part of: in MLflow a run that it is nested in, in W&B a group.
    """
    run = TrackedRun(config, run_name, params, tags, group)
    backends: list[Backend] = [MlflowBackend(run)] if config.mlflow else []
    if config.wandb != "off":
        backends.append(WandbBackend(run))
    if not backends:
        return NullTracker()
    _be_quiet()
    return Tracker(backends)


def _be_quiet() -> None:
    """Must happen before the libraries are imported: they read it then. What the user set stays."""
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)


def _outcome(kind: type[BaseException]) -> str:
    """What it means for a run that this exception ended it."""
    if issubclass(kind, TrainingStopped | KeyboardInterrupt):
        return "stopped"
    # By its name, because Optuna is not imported here: most runs are no trials.
    return "pruned" if kind.__name__ == "TrialPruned" else "failed"


def _tell_failure(name: str, error: Exception) -> None:
    reason = _PASSWORD.sub(r"\1", " ".join(str(error).split()))[:300] or type(error).__name__
    say_once(
        f"tracking {name}",
        f"WARNING: tracking with {name} failed and is off for this run: {reason}\n"
        "         Training goes on; everything tracked is also in the run's own files.",
    )


def _attempt(backend: Backend, action: Callable[[], None]) -> bool:
    """True if it worked; a busy database gets a second and third chance."""
    for pause in (0.5, 2.0, None):
        try:
            action()
            return True
        except Exception as error:
            if pause is None or "locked" not in str(error):
                _tell_failure(backend.name, error)
                return False
            time.sleep(pause)
    return False
