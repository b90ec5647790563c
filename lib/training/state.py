"""The state directory of a run: who may write there, and whether its content belongs to this run.

A job that outlived its workflow may still be writing when the next one starts, so every user holds a file
lock. And a state continues only the very run it was made for: its fingerprint (of resolved parameters and
input data) must match, else it is set aside. `lib.training.checkpoint` knows the content of checkpoints.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout

from lib.data.io import read_json, write_json_atomic
from lib.errors import IntegrityError, TrainingStopped
from lib.training.progress import say
from lib.training.retention import FINISHED

IDENTITY = "state.json"


@dataclass(frozen=True)
class State:
    """A state directory that this process holds. Made by `open_state`."""

    folder: Path
    fingerprint: str

    @property
    def begun(self) -> str | None:
        """When this state was made, before the run's first step, whatever pauses followed (UTC, ISO); None of
        a state that does not say."""
        return read_json(self.folder / IDENTITY, dict).get("begun")

    def holds_training(self) -> bool:
        """Whether weights lie here: checkpoints, or the result of a finished training."""
        return any(self.folder.glob("*.pt"))

    def set_aside(self) -> list[Path]:
        """States of other fingerprints that were found here, oldest first."""
        return sorted(self.folder.parent.glob(f"{self.folder.name}.aside-*"), key=_number)


@contextmanager
def open_state(folder: Path, fingerprint: str, timeout: float = 60.0) -> Iterator[State]:
    """Hold a state directory for the time of the context. May be nested within one thread.

    The lock file lies beside the directory (`NAME.lock`) and stays there: deleting it would let a process
    that waits for it and one that comes later both hold "the" lock. A state with another fingerprint is
    renamed to `NAME.aside-N`, never used and never deleted here.

    Args:
        folder: made if it is not there.
        fingerprint: identity of the run.
        timeout: seconds to wait for another process that holds it.

    Raises:
        TrainingStopped: another process still holds it after `timeout`.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    lock = _lock(folder)
    try:
        lock.acquire(timeout=timeout)
    except Timeout:
        raise TrainingStopped(
            f"{folder}: another process still trains this run (it holds {folder.name}.lock; waited "
            f"{timeout:g} s). Let it finish, or find it with `fuser {lock.lock_file}` and end it, then run "
            "the same command again."
        ) from None
    try:
        state = State(folder, fingerprint)
        _bind(state)
        yield state
    finally:
        lock.release()


def retire(folder: Path) -> None:
    """Delete the state of a run that is done, unless a process holds it. What was set aside stays."""
    if not folder.exists():
        return
    with suppress(Timeout), _lock(folder).acquire(timeout=0):
        shutil.rmtree(folder, ignore_errors=True)


def retire_older(root: Path, outputs_of: Callable[[Path], Path], keep: int) -> None:
    """Delete the states below `root` of runs that are done, but those of the `keep` that were done last.

    A job cannot delete its own: whoever kills it between that and the moment when Snakemake has noted its
    success makes Snakemake delete the outputs, too, and the work is lost.

    Args:
        root: finished trainings are looked for here, at any depth.
        outputs_of: from a state directory to a file that the run writes when it is done.
        keep: how many to leave.
    """
    done: list[tuple[float, Path]] = []
    for path in root.rglob(FINISHED):
        with suppress(OSError):  # not there yet, or gone meanwhile: other jobs run beside this one
            if ".aside-" not in path.parent.name:
                done.append((outputs_of(path.parent).stat().st_mtime, path.parent))
    for _, state in sorted(done, reverse=True)[keep:]:
        retire(state)


def _lock(folder: Path) -> FileLock:
    # A singleton can be entered twice: once by a job for its whole length, once by the training inside.
    return FileLock(folder.with_name(folder.name + ".lock"), is_singleton=True)


def _bind(state: State) -> None:
    """Leave in `state.folder` either a state of this fingerprint or nothing but the fingerprint."""
    found = _recorded_fingerprint(state.folder)
    if found == state.fingerprint:
        return
    if state.folder.exists() and any(state.folder.iterdir()):
        number = _number(state.set_aside()[-1]) + 1 if state.set_aside() else 1
        aside = state.folder.with_name(f"{state.folder.name}.aside-{number}")
        state.folder.rename(aside)
        why = "was made with other parameters or data" if found else "does not say which run it belongs to"
        say(
            f"WARNING: {state.folder}: the state found there {why}. "
            f"It is now {aside.name}; training starts over."
        )
    state.folder.mkdir(parents=True, exist_ok=True)
    begun = datetime.now(UTC).isoformat(timespec="seconds")
    write_json_atomic(state.folder / IDENTITY, {"fingerprint": state.fingerprint, "begun": begun})


def _recorded_fingerprint(folder: Path) -> str | None:
    try:
        return str(read_json(folder / IDENTITY, dict)["fingerprint"])
    except (OSError, IntegrityError, KeyError):
        return None


def _number(aside: Path) -> int:
    tail = aside.name.rpartition("-")[2]
    return int(tail) if tail.isdigit() else 0
