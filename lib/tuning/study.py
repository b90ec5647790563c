"""One Optuna study, shared by the workers of a search.

Workers ask for trials one after another (a lock), and each holds a lock file of its own for as long as it
lives: a trial that is running while its worker's lock is free was left by a process that is gone, and is
queued again with its parameters. Nothing is searched here.
"""

from __future__ import annotations

import contextlib
import json
import logging
import shutil
import sqlite3
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import optuna
from filelock import FileLock, Timeout
from optuna.exceptions import StorageInternalError
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.exc import SQLAlchemyError

from lib.config.hpo import SearchSpace
from lib.errors import ConfigError, StudyError
from lib.training.progress import say
from lib.tuning.trials import FINISHED, is_interrupted

STUDY_FILE = "study.db"


def open_study(
    space: SearchSpace, folder: Path, name: str, seed: int, address: str | None = None
) -> optuna.Study:
    """The study of a search, created if it is not there.

    Raises:
        ConfigError: it was begun with another search space; the database cannot be reached.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    folder.mkdir(parents=True, exist_ok=True)
    where = f"{folder / STUDY_FILE}" if address is None else "the database of the searches"
    try:
        with FileLock(folder / "open.lock"):  # migrations of a new database must not race
            if address is None:
                _set_damaged_aside(folder / STUDY_FILE)
            study = optuna.create_study(
                storage=_storage(folder, address),
                study_name=name,
                direction="minimize",
                load_if_exists=True,
                pruner=optuna.pruners.MedianPruner(n_warmup_steps=space.pruner_warmup_steps),
            )
            content = space.model_dump(mode="json", include={"parameters"}) | {"seed": seed}
            identity = json.dumps(content, sort_keys=True)
            if study.user_attrs.get("identity", identity) != identity:
                begin_anew = (
                    "move that file away"
                    if address is None
                    else f"delete the study: optuna delete-study --study-name {name} --storage ADDRESS"
                )
                raise ConfigError(
                    f"{where}: study {name} was begun with another search space or seed. Restore the search "
                    f"space to continue it. To start over, {begin_anew}"
                )
            study.set_user_attr("identity", identity)
    except (SQLAlchemyError, ImportError) as error:
        if address is None:
            raise
        kind = type(getattr(error, "orig", None) or error).__name__  # the message may hold the password
        raise ConfigError(
            f"{where} cannot be used ({kind}). Check the address (postgresql+psycopg://USER@HOST/NAME) and "
            "that the server answers from this machine."
        ) from None
    return study


def _set_damaged_aside(path: Path) -> None:
    """Rename a study file that SQLite finds damaged; the search then suggests the same trials again.

    The outcomes of trained ones are kept apart (`lib.tuning.results`). Call with the lock held.
    """
    if not path.is_file() or _is_sound(path):
        return
    number = 1 + len(list(path.parent.glob(f"{path.name}.damaged-*")))
    aside = path.with_name(f"{path.name}.damaged-{number}")
    for suffix in ("", "-journal", "-wal", "-shm"):
        with contextlib.suppress(FileNotFoundError):
            path.with_name(path.name + suffix).replace(aside.with_name(aside.name + suffix))
    say(
        f"WARNING: {path}: the study is damaged. It is now {aside.name}; the search starts over and takes "
        "over every trial whose training was finished."
    )


def _is_sound(path: Path) -> bool:
    """SQLite's own check of a file; one that another process writes at this moment counts as sound.

    Raises:
        sqlite3.Error: it cannot be read, which says nothing about the file: no permission, a full or broken
            disk.
    """
    try:
        with contextlib.closing(sqlite3.connect(path, timeout=60.0)) as connection:
            return bool(connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)])
    except sqlite3.DatabaseError as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # without what SQLite adds to it
        if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            return False
        if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            return True
        raise


@contextlib.contextmanager
def storage_told(folder: Path, address: str | None) -> Iterator[None]:
    """Context that turns an error of a study's database into one the user can act on. Its content is not
    lost.

    Args:
        folder: of the search.
        address: of a database that is no file in it; it may hold a password and is not shown.

    Raises:
        StudyError: the database cannot be read or written.
    """
    try:
        yield
    except (StorageInternalError, SQLAlchemyError, sqlite3.Error) as error:
        cause: BaseException = error
        while deeper := getattr(cause, "orig", None) or cause.__cause__:
            cause = deeper
        kind = type(cause).__name__
        if address is not None:
            raise StudyError(
                f"the database of the searches failed ({kind}). Trials that were finished stand in it; see "
                "that it answers, and give the same command again."
            ) from None
        free = shutil.disk_usage(folder).free / 1e9
        raise StudyError(
            f"{folder / STUDY_FILE}: the study cannot be read or written ({kind}: {cause}; {free:.2f} GB are "
            "free there). Trials that were finished stand in it; fix the cause and give the same command "
            "again."
        ) from None


def finished_trials(study: optuna.Study) -> list[FrozenTrial]:
    """Trials that count: complete, pruned or failed by themselves, not those a kill ended."""
    return [trial for trial in study.get_trials(deepcopy=False) if _counts(trial)]


def seconds_of(trial: FrozenTrial) -> float:
    """Training time of a trial with the attempts it continues."""
    return float(trial.user_attrs.get("seconds", 0.0))


def repeat_reports(trial: optuna.Trial, earlier: FrozenTrial) -> None:
    """A continued trial starts after validations that were already reported; the pruner must know them."""
    for step, value in earlier.intermediate_values.items():
        trial.report(value, step)


class SharedStudy:
    """A study as one of its workers sees it. As a context manager: the worker lives."""

    def __init__(self, study: optuna.Study, folder: Path) -> None:
        self.study = study
        self.worker = uuid.uuid4().hex[:12]
        self._workers = folder / "workers"
        self._workers.mkdir(parents=True, exist_ok=True)
        self._alive = FileLock(self._workers / f"{self.worker}.lock")
        self._turn = FileLock(folder / "ask.lock")

    def __enter__(self) -> Self:
        self._alive.acquire()
        return self

    def __exit__(self, *_: object) -> None:
        self._alive.release()
        with contextlib.suppress(OSError):
            (self._workers / f"{self.worker}.lock").unlink()

    @contextlib.contextmanager
    def asking(self) -> Iterator[None]:
        """One worker at a time; what workers that are gone left half-done is queued when it begins."""
        with self._turn:
            self._requeue_interrupted()
            yield

    def ask(self) -> optuna.Trial:
        """A trial of this worker. Only while `asking`."""
        trial = self.study.ask()
        trial.set_user_attr("worker", self.worker)
        return trial

    def standing(self) -> tuple[list[FrozenTrial], list[FrozenTrial]]:
        """Finished trials, and those in work. Only while `asking`, which has queued those of workers gone.

        Both from one reading: a trial that another worker finishes between two readings would be in neither,
        one trial too many would be started, and its sampler would have a seed used before.
        """
        trials = self.study.get_trials(deepcopy=False)
        running = [trial for trial in trials if trial.state == TrialState.RUNNING]
        return [trial for trial in trials if _counts(trial)], running

    def continued(self, trial: optuna.Trial) -> FrozenTrial | None:
        """The interrupted trial that this one goes on with."""
        number = trial.user_attrs.get("continues")
        return None if number is None else self.study.get_trials(deepcopy=False)[number]

    def twin(self, trial: optuna.Trial, poll_seconds: float) -> FrozenTrial | None:
        """An earlier finished trial with the same parameters; waits for one that another worker trains."""
        while True:
            same = [
                other
                for other in self.study.get_trials(deepcopy=False)
                if other.number != trial.number and other.params == trial.params
            ]
            for other in same:
                if _counts(other):
                    return other
            earlier = [o for o in same if o.state == TrialState.RUNNING and o.number < trial.number]
            if not any(self._lives(other) for other in earlier):
                return None
            time.sleep(poll_seconds)

    def _requeue_interrupted(self) -> None:
        trials = self.study.get_trials(deepcopy=False)
        queued = [t.system_attrs.get("fixed_params") for t in trials if t.state == TrialState.WAITING]
        for trial in trials:
            if trial.state != TrialState.RUNNING or self._lives(trial):
                continue
            complete = "complete_parameters" in trial.user_attrs
            parameters = trial.params if complete else trial.system_attrs.get("fixed_params")
            # Queue first: killed between the two steps, the next worker finds the trial still RUNNING.
            # One with a reason had failed by itself, and its process went before it could say so.
            if parameters and parameters not in queued and "reason" not in trial.user_attrs:
                self.study.enqueue_trial(parameters, user_attrs={"continues": trial.number})
            self.study.tell(trial.number, state=TrialState.FAIL)

    def _lives(self, trial: FrozenTrial) -> bool:
        """Whether the trial's worker still holds its lock; one killed before it wrote its name does not."""
        name = trial.user_attrs.get("worker")
        path = self._workers / f"{name}.lock"
        if name == self.worker:
            return True
        if name is None or not path.exists():
            return False
        try:
            with FileLock(path, timeout=0):
                return False
        except Timeout:
            return True


def _counts(trial: FrozenTrial) -> bool:
    return trial.state in FINISHED and not is_interrupted(trial)


def _storage(folder: Path, address: str | None) -> optuna.storages.RDBStorage:
    if address is not None:
        return optuna.storages.RDBStorage(address, engine_kwargs={"pool_pre_ping": True})
    path = (folder / STUDY_FILE).resolve()
    return optuna.storages.RDBStorage(f"sqlite:///{path}", engine_kwargs={"connect_args": {"timeout": 60.0}})
