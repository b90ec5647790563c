"""Several workers on one search: real processes, a real SQLite file and a real PostgreSQL server."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from optuna.trial import TrialState

from lib.config.hpo import SearchConfig, database_address
from lib.errors import ConfigError
from lib.tuning.search import run_search
from lib.tuning.study import SharedStudy, open_study
from tests.unit.tuning.test_tuning_hpo import SPACE, bowl

ROOT = Path(__file__).parents[3]
WORKER = """
import sys, time
from pathlib import Path
from lib.config.hpo import Choice, SearchSpace
from lib.tuning.search import run_search
from tests.unit.tuning.test_tuning_hpo import SPACE, bowl
folder = Path({folder!r})
def objective(parameters, report):
    with (folder / "trained.txt").open("a") as file:
        file.write(f"{{report.key}}\\n")
    (folder / "in-trial.{name}").touch()
    time.sleep({seconds})
    return bowl(parameters, report) if "learning_rate" in parameters else float(parameters["effective_batch"])
space = SPACE if {continuous} else SearchSpace(
    parameters={{"effective_batch": Choice(type="choice", values=[32, 64, 128])}})
shared = dict(seed=1, address={address!r}, poll_seconds=0.05)
run_search(space, objective, folder, "test", {n_trials}, **shared)
"""


def start(
    folder: Path, name: str, n_trials: int, seconds: float = 0.15, address: str | None = None, continuous=True
) -> subprocess.Popen[bytes]:
    code = WORKER.format(
        folder=str(folder),
        name=name,
        n_trials=n_trials,
        seconds=seconds,
        address=address,
        continuous=continuous,
    )
    return subprocess.Popen([sys.executable, "-c", code], cwd=ROOT)


def trained(folder: Path) -> list[str]:
    return (folder / "trained.txt").read_text().split()


def whole(folder: Path, n_trials: int, address: str | None = None):
    """The search as one more worker sees it, who finds nothing to do."""

    def nothing(parameters, report):
        raise AssertionError("a finished search trained again")

    return run_search(SPACE, nothing, folder, "test", n_trials, seed=1, address=address)


def in_the_middle(process: subprocess.Popen[bytes], folder: Path, name: str) -> None:
    deadline = time.monotonic() + 60
    while not (folder / f"in-trial.{name}").exists():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)


def two_workers(folder: Path, address: str | None) -> None:
    workers = [start(folder, name, 12, address=address) for name in ("a", "b")]
    assert [worker.wait(120) for worker in workers] == [0, 0]
    result = whole(folder, 12, address)
    assert result.best["n_trials"] == 12
    assert result.trials["state"].to_list() == ["complete"] * 12
    assert result.trials["number"].to_list() == list(range(12))
    assert len(trained(folder)) == len(set(trained(folder))) == 12, "a trial was lost or trained twice"


def test_two_workers_share_a_file_and_lose_no_trial(tmp_path: Path) -> None:
    two_workers(tmp_path, None)


def test_a_trial_that_ends_while_the_study_is_read_is_counted_once(tmp_path: Path) -> None:
    """Else one trial too many would be asked for, with a sampler's seed that was used before."""
    study = open_study(SPACE, tmp_path, "test", seed=1)
    trial, read = study.ask(), study.get_trials

    def read_and_then_the_other_worker_ends(*args: object, **more: object) -> list:
        trials = read(*args, **more)
        if any(other.state == TrialState.RUNNING for other in read()):
            study.tell(trial, 0.5)
        return trials

    with SharedStudy(study, tmp_path) as shared:
        study.get_trials = read_and_then_the_other_worker_ends
        finished, running = shared.standing()
    assert (len(finished), len(running)) == (0, 1)


@pytest.mark.faults("A worker of a search is killed", happens="another takes its trial over", user="nothing")  # fmt: skip  # noqa: E501
def test_what_a_killed_worker_left_is_finished_by_the_other(tmp_path: Path) -> None:
    victim = start(tmp_path, "victim", 8, seconds=300)
    in_the_middle(victim, tmp_path, "victim")
    survivor = start(tmp_path, "survivor", 8)
    in_the_middle(survivor, tmp_path, "survivor")
    os.kill(victim.pid, signal.SIGKILL)
    victim.wait()
    assert survivor.wait(120) == 0
    result = whole(tmp_path, 8)
    assert result.trials["state"].to_list().count("interrupted") == 1
    assert result.best["n_trials"] == 8
    keys = trained(tmp_path)
    assert keys.count(keys[0]) == 2, "the victim's parameters are trained again, and to the end"
    assert len(set(keys)) == 8


def test_equal_parameters_of_two_workers_are_trained_once(tmp_path: Path) -> None:
    """Three possible values, nine trials: whoever draws what another trains now waits for its value."""
    workers = [start(tmp_path, name, 9, continuous=False) for name in ("a", "b")]
    assert [worker.wait(120) for worker in workers] == [0, 0]
    assert len(trained(tmp_path)) == len(set(trained(tmp_path))) <= 3


@pytest.fixture(scope="module")
def postgres() -> Iterator[str]:
    """A server of our own on loopback."""
    binaries = sorted(Path("/usr/lib/postgresql").glob("*/bin")) or [
        Path(found).parent for found in [shutil.which("pg_ctl")] if found
    ]
    if not binaries:
        pytest.skip("no PostgreSQL server is installed here")
    # Not under pytest's own folder, which only its owner may enter: the server is another user.
    folder = Path(tempfile.mkdtemp(prefix="search-database-"))
    user: dict[str, str] = {}
    if os.geteuid() == 0:  # the server refuses to run as root
        user = {"user": "postgres"}
        try:
            shutil.chown(folder, "postgres")
        except LookupError:
            folder.rmdir()
            pytest.skip("running as root without a user `postgres` to start the server as")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    data, tool = folder / "data", binaries[-1]

    def run(*command: object) -> None:
        words = [str(word) for word in command]
        with (folder / "commands.log").open("ab") as log:  # not a pipe: the server would keep it open
            done = subprocess.run(words, check=False, stdout=log, stderr=log, cwd="/", **user)
        assert done.returncode == 0, (folder / "commands.log").read_text()

    run(tool / "initdb", "-D", data, "-U", "searcher", "--auth=trust", "--no-locale", "--encoding=UTF8")
    options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder} -c fsync=off"
    run(tool / "pg_ctl", "-D", data, "-o", options, "-l", folder / "log", "-w", "start")
    yield f"postgresql+psycopg://searcher@127.0.0.1:{port}/postgres"
    run(tool / "pg_ctl", "-D", data, "-m", "immediate", "stop")
    shutil.rmtree(folder)


def test_two_workers_share_a_database_by_address(postgres: str, tmp_path: Path) -> None:
    two_workers(tmp_path, postgres)
    assert not (tmp_path / "study.db").exists()


def test_a_server_that_does_not_answer_is_named_without_its_password(tmp_path: Path) -> None:
    address = "postgresql+psycopg://user:secret-word@127.0.0.1:9/none"
    with pytest.raises(ConfigError, match="cannot be used") as refusal:
        run_search(SPACE, bowl, tmp_path, "test", 1, seed=1, address=address)
    assert "secret-word" not in str(refusal.value)


def test_the_address_comes_from_the_environment_alone() -> None:
    assert database_address(SearchConfig(), {}) is None
    config = SearchConfig(storage_from="SEARCH_DATABASE")
    assert database_address(config, {"SEARCH_DATABASE": "postgresql://x"}) == "postgresql://x"
    with pytest.raises(ConfigError, match="SEARCH_DATABASE is not set"):
        database_address(config, {})
