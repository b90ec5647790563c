"""`make ui`: real servers on this machine, which end with the command."""

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

import optuna
import psutil
import pytest

from lib.config.training import TrackingConfig
from lib.training.tracking import init_store
from tests.conftest import ROOT

UI = [sys.executable, "-m", "workflow_scripts.ui"]


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """A study's folder with one search of two trials."""
    folder = tmp_path / "results/state/hpo/base"
    folder.mkdir(parents=True)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    made = optuna.create_study(storage=f"sqlite:///{folder / 'study.db'}", study_name="base/Aa20")
    made.optimize(lambda trial: trial.suggest_float("learning_rate", 0.0, 1.0), n_trials=2)
    return tmp_path


def lines(process: subprocess.Popen[str]) -> Iterator[str]:
    """What the command prints until everything is served."""
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("Ctrl-C"):
            return
        yield line.rstrip()
    raise AssertionError(f"it ended: {process.stderr.read() if process.stderr else ''}")


def page(address: str) -> str:
    with urlopen(address, timeout=60) as answer:
        return answer.read().decode()


def shown(folder: Path, end: signal.Signals) -> dict[str, str]:
    """First line of each dashboard while it is served; then the command is ended, and nothing may be left."""
    process = subprocess.Popen(
        [*UI, "--directory", str(folder)],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        addresses = dict(
            re.match(r"(\w+) +(http://127\.0\.0\.1:\d+/)", line).groups() for line in lines(process)
        )
        found = {}
        for name, address in addresses.items():
            found[name] = page(f"{address}api/studies" if name == "Optuna" else f"{address}health")
        started = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(end)
        assert process.wait(60) == 0, process.stderr.read()
        assert not [
            child for child in started if child.is_running() and child.status() != psutil.STATUS_ZOMBIE
        ]
        for address in addresses.values():
            with pytest.raises(OSError, match="refused"):
                page(address)
        assert len(started) >= ("MLflow" in addresses)
        return found
    finally:
        process.kill()


def test_a_search_is_shown_until_ctrl_c(study):
    found = shown(study, signal.SIGINT)
    assert list(found) == ["Optuna"]
    assert "base/Aa20" in found["Optuna"]


@pytest.mark.slow
def test_tracked_runs_are_shown_beside_and_a_closed_terminal_ends_both(study):
    init_store(TrackingConfig(folder=study / "results/tracking"))
    found = shown(study, signal.SIGHUP)
    assert set(found) == {"MLflow", "Optuna"}
    assert found["MLflow"] == "OK"


def test_a_folder_with_nothing_to_show_is_told(tmp_path):
    command = [*UI, "--directory", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "no tracked run and no search" in done.stderr
