"""Hyperparameter search: resumed after a real kill, no work done twice, every trial on the record."""

import json
import math
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from lib.config.hpo import Choice, FloatRange, IntRange, SearchSpace
from lib.config.validation import validate
from lib.config.yaml_files import read_yaml
from lib.errors import ConfigError, ModelError, StudyError, TrainingDiverged, TrainingStopped
from lib.tuning.search import SearchResult, TrialReport, run_search
from lib.tuning.study import STUDY_FILE

ROOT = Path(__file__).parents[3]
SPACE = SearchSpace(
    parameters={
        "learning_rate": FloatRange(low=1e-4, high=1e-1, log=True),
        "decay_steps": IntRange(type="int", low=0, high=100),
    }
)


def bowl(parameters: dict[str, Any], report: TrialReport) -> float:
    """A loss with its minimum at learning_rate 0.01."""
    return abs(math.log10(parameters["learning_rate"]) + 2.0)


def search(path: Path, objective=bowl, n_trials: int = 5, space: SearchSpace = SPACE, **more) -> SearchResult:
    return run_search(space, objective, path, "test", n_trials, seed=1, **more)


def suggested(result: SearchResult) -> list[float]:
    return result.trials.filter(result.trials["state"] != "interrupted")["learning_rate"].to_list()


def test_the_best_trial_and_the_whole_record_come_back(tmp_path: Path) -> None:
    def objective(parameters: dict[str, Any], report: TrialReport) -> float:
        report.describe({"d_model": 16, "n_layers": 2, "n_heads": 4, "d_ff": 32}, param_count=1234, steps=7)
        return bowl(parameters, report)

    result = search(tmp_path, objective, n_trials=12)
    assert result.trials.height == 12
    assert result.best["best_value"] == result.trials["value"].min()
    best = result.trials.sort("value").row(0, named=True)
    assert result.best["parameters"] == {n: best[n] for n in ("learning_rate", "decay_steps")}
    assert (result.best["param_count"], result.best["architecture"]["d_ff"]) == (1234, 32)
    assert (best["d_model"], best["n_heads"], best["steps"]) == (16, 4, 7)
    assert result.best["best_value"] <= result.best["median_value"] <= result.best["worst_value"]
    assert result.best["n_trials"] == 12
    assert json.loads(json.dumps(result.best)) == result.best
    assert set(result.trials.columns) >= {"number", "state", "value", "param_count", "seconds", "steps"}


def test_the_number_of_trials_is_a_total_over_all_invocations(tmp_path: Path) -> None:
    calls: list[float] = []

    def objective(parameters: dict[str, Any], report: TrialReport) -> float:
        calls.append(parameters["learning_rate"])
        return bowl(parameters, report)

    search(tmp_path, objective, n_trials=3)
    search(tmp_path, objective, n_trials=5)
    search(tmp_path, objective, n_trials=5)
    assert len(calls) == 5
    assert len(set(calls)) == 5  # a resumed sampler does not repeat its first suggestions


def test_a_search_in_pieces_suggests_the_same_as_one_in_one_go(tmp_path: Path) -> None:
    whole = search(tmp_path / "whole", n_trials=12)
    for total in (1, 4, 12):
        pieces = search(tmp_path / "pieces", n_trials=total)
    assert suggested(pieces) == suggested(whole)


def test_the_sampler_learns_where_the_minimum_is(tmp_path: Path) -> None:
    losses = search(tmp_path, n_trials=40).trials["value"].to_list()
    assert sum(losses[25:]) / 15 < sum(losses[:10]) / 10


@pytest.mark.parametrize(
    "interruption", [TrainingStopped("hot"), KeyboardInterrupt(), SystemExit(1), ZeroDivisionError()]
)
def test_an_interrupted_trial_is_continued_with_the_same_parameters(
    tmp_path: Path, interruption: BaseException
) -> None:
    attempts: list[tuple[str, dict[str, Any]]] = []

    def objective(parameters: dict[str, Any], report: TrialReport) -> float:
        attempts.append((report.key, parameters))
        report(1, 1.0)
        if len(attempts) == 3:
            raise interruption
        return bowl(parameters, report)

    with pytest.raises(type(interruption)):
        search(tmp_path, objective, n_trials=4)
    result = search(tmp_path, objective, n_trials=4)
    assert attempts[3] == attempts[2]  # the key names the same state directory
    assert len(attempts) == 5
    assert result.trials["state"].to_list().count("interrupted") == 1
    assert result.best["n_trials"] == 4
    assert suggested(result) == suggested(search(tmp_path / "whole", n_trials=4))


KILLED = """
import sys, time
from pathlib import Path
from types import SimpleNamespace
from tests.unit.tuning.test_tuning_hpo import SPACE, bowl
from lib.tuning.search import run_search
count = 0
def objective(parameters, report):
    global count
    count += 1
    report(1, 0.5)
    if count == {last}:
        Path({marker!r}).write_text(repr(parameters["learning_rate"]))
        time.sleep(300)
    return bowl(parameters, report)
run_search(SPACE, objective, Path({folder!r}), "test", 4, seed=1)
"""


def killed_in(folder: Path, trial: int) -> float:
    """Learning rate of the trial in which a process of the search was killed: its first, second, … one."""
    marker = folder / f"killed in {trial}"
    code = KILLED.format(marker=str(marker), folder=str(folder), last=trial)
    process = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 120
        while not (marker.exists() and marker.read_text()):
            assert process.poll() is None
            assert time.monotonic() < deadline, "the trial did not begin"
            time.sleep(0.05)
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    return float(marker.read_text())


@pytest.mark.faults("SIGKILL of a search", happens="goes on where it was", user="the same command")  # fmt: skip  # noqa: E501
def test_a_search_whose_process_was_killed_twice_goes_on_where_it_was(
    tmp_path: Path, record_property
) -> None:
    first = killed_in(tmp_path, 3)
    second = killed_in(tmp_path, 2)  # after the one that the first kill had interrupted
    seen: list[float] = []

    def objective(parameters: dict[str, Any], report: TrialReport) -> float:
        seen.append(parameters["learning_rate"])
        report(1, 0.5)  # known from the killed attempt
        report(2, 0.4)
        return bowl(parameters, report)

    result = search(tmp_path, objective, n_trials=5)
    assert len(seen) == 2
    assert seen[0] == second != first
    states = ["complete", "complete", "interrupted", "complete", "interrupted", "complete", "complete"]
    assert result.trials["state"].to_list() == states
    assert result.best["n_trials"] == 5
    with sqlite3.connect(tmp_path / STUDY_FILE) as study:
        left = study.execute("select count(*) from trials where state in ('RUNNING', 'WAITING')").fetchone()
    assert left == (0,)
    assert suggested(result) == suggested(search(tmp_path / "whole", n_trials=5))
    record_property("times", 2)


def test_equal_parameters_are_trained_once_and_their_value_is_used_again(tmp_path: Path) -> None:
    space = SearchSpace(parameters={"effective_batch": Choice(type="choice", values=[32, 64])})
    trained: list[int] = []

    def objective(parameters: dict[str, Any], report: TrialReport) -> float:
        trained.append(parameters["effective_batch"])
        return float(parameters["effective_batch"])

    result = search(tmp_path, objective, n_trials=8, space=space)
    assert sorted(trained) == [32, 64]
    assert result.trials.height == result.best["n_trials"] == 8
    again = result.trials.filter(result.trials["duplicate_of"].is_not_null())
    assert again.height == 6
    assert (again["value"] == again["effective_batch"]).all()


def test_a_hopeless_trial_is_pruned_only_after_the_warm_up_steps(tmp_path: Path) -> None:
    space = SPACE.model_copy(update={"pruner_warmup_steps": 3})
    last: list[int] = []

    def objective(parameters: dict[str, Any], report: TrialReport) -> float:
        loss = 1.0 if report.number < 5 else 2.0
        for step in range(1, 7):
            last[report.number :] = [step]
            report(step, loss)
        return loss

    result = search(tmp_path, objective, n_trials=6, space=space)
    assert last == [6, 6, 6, 6, 6, 3]
    assert result.trials["state"].to_list() == ["complete"] * 5 + ["pruned"]
    assert result.trials["value"].to_list()[5] is None


def test_a_trial_that_fails_is_recorded_with_its_reason_and_the_search_goes_on(tmp_path: Path) -> None:
    outcomes: list[float | Exception] = [
        math.nan,
        TrainingDiverged("exploded"),
        ModelError("odd"),
        0.5,
        MemoryError(),
        RuntimeError("MPS backend out of memory"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory"),
    ]

    def objective(parameters: dict[str, Any], report: TrialReport) -> float:
        outcome = outcomes[report.number]
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    result = search(tmp_path, objective, n_trials=7)
    assert result.trials["state"].to_list() == ["failed"] * 3 + ["complete"] + ["failed"] * 3
    assert result.trials["reason"].to_list()[4:] == ["too little memory"] * 3
    assert result.trials["reason"].to_list()[:4] == ["the validation loss is nan", "exploded", "odd", None]
    assert (result.best["n_failed"], result.best["best_value"]) == (6, 0.5)


def test_a_study_that_cannot_be_opened_is_told_and_not_taken_for_damaged(tmp_path: Path, monkeypatch) -> None:
    search(tmp_path, n_trials=2)
    before = (tmp_path / STUDY_FILE).read_bytes()

    def broken_disk(*_: Any, **__: Any) -> None:
        error = sqlite3.OperationalError("disk I/O error")
        error.sqlite_errorcode = sqlite3.SQLITE_IOERR_READ
        raise error

    with monkeypatch.context() as patched:
        patched.setattr("lib.tuning.study.sqlite3.connect", broken_disk)
        with pytest.raises(StudyError, match=rf"{STUDY_FILE}: the study cannot .*disk I/O error"):
            search(tmp_path, n_trials=3)
    assert not list(tmp_path.glob("*damaged*"))
    assert (tmp_path / STUDY_FILE).read_bytes() == before
    assert search(tmp_path, n_trials=3).trials.height == 3

    (tmp_path / "other" / STUDY_FILE).mkdir(parents=True)
    with pytest.raises(StudyError, match="unable to open database file"):
        search(tmp_path / "other")


def test_a_search_without_any_result_says_why(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"none of 2 trials.*nan"):
        search(tmp_path, lambda parameters, report: math.nan, n_trials=2)


def test_the_first_trial_can_be_the_defaults(tmp_path: Path) -> None:
    initial = {"learning_rate": 3e-4, "decay_steps": 100_000, "unknown": 1}
    first = search(tmp_path, n_trials=2, initial=initial).trials.row(0, named=True)
    assert first["learning_rate"] == 3e-4
    assert 0 <= first["decay_steps"] <= 100


def test_a_changed_search_space_never_continues_an_old_study(tmp_path: Path) -> None:
    search(tmp_path, n_trials=1)
    other = SearchSpace(parameters={"learning_rate": FloatRange(low=1e-5, high=1e-1, log=True)})
    with pytest.raises(ConfigError, match=r"another search space.*move that file away") as refused:
        search(tmp_path, n_trials=2, space=other)
    assert str(refused.value).startswith(str(tmp_path / "study.db"))
    (tmp_path / "study.db").rename(tmp_path / "away.db")
    assert search(tmp_path, n_trials=2, space=other).best["n_trials"] == 2


def test_the_command_that_deletes_a_study_of_a_database_is_right(tmp_path: Path) -> None:
    address = f"sqlite:///{tmp_path / 'all.db'}"
    search(tmp_path, n_trials=1, address=address)
    other = SearchSpace(parameters={"learning_rate": FloatRange(low=1e-5, high=1e-1, log=True)})
    with pytest.raises(ConfigError, match="another search space") as refused:
        search(tmp_path, n_trials=2, space=other, address=address)
    assert address not in str(refused.value)  # it may hold a password
    [command] = re.findall(r"optuna delete-study .*", str(refused.value))
    words = command.replace("ADDRESS", address).split()
    done = subprocess.run(
        [Path(sys.executable).with_name(words[0]), *words[1:]], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert search(tmp_path, n_trials=2, space=other, address=address).best["n_trials"] == 2


def test_a_deleted_study_trains_none_of_its_finished_trials_again(tmp_path: Path) -> None:
    """Complete, pruned and failed ones, whose states are discarded; the ledger's columns come back too."""
    space = SPACE.model_copy(update={"pruner_warmup_steps": 1})
    trained: list[str] = []
    discarded: list[str] = []

    def objective(parameters: dict[str, Any], report: TrialReport) -> float:
        trained.append(report.key)
        report.describe({"d_model": 16, "n_layers": 2, "n_heads": 4, "d_ff": 32}, param_count=1234)
        loss = bowl(parameters, report)
        if report.number == 2:
            raise TrainingDiverged("exploded")
        for step in (1, 2, 3):
            report(step, loss + 1 / step)
        report.describe(steps=3)
        return loss

    def run(n_trials: int) -> SearchResult:
        return search(tmp_path, objective, n_trials, space, discard=discarded.append)

    first = run(9)
    assert set(first.trials["state"]) == {"complete", "pruned", "failed"}
    assert sorted(trained) == sorted(discarded)
    (tmp_path / "study.db").unlink()
    again = run(9)
    assert len(trained) == 9
    assert again.trials.equals(first.trials)
    assert again.best == first.best
    assert run(10).trials.height == len(trained) == 10


@pytest.mark.parametrize("first", ["interrupted", "failed"])
def test_a_kill_between_the_kept_outcome_and_the_study_trains_nothing_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first: str
) -> None:
    trained: list[str] = []

    def objective(parameters: dict[str, Any], report: TrialReport) -> float:
        trained.append(report.key)
        if first == "failed" and len(trained) in (1, 4):  # by itself; 4: the first of the whole search
            raise ModelError("odd")
        return bowl(parameters, report)

    def killed(*_: object, **__: object) -> None:
        raise SystemExit(1)

    with monkeypatch.context() as patched:
        patched.setattr("optuna.Study.tell", killed)
        with pytest.raises(SystemExit):
            search(tmp_path, objective, n_trials=1)
    result = search(tmp_path, objective, n_trials=3)
    assert len(trained) == 3
    assert result.trials["state"].to_list() == [first, *["complete"] * (3 if first == "interrupted" else 2)]
    assert suggested(result) == suggested(search(tmp_path / "whole", objective, n_trials=3))


def test_the_time_limit_counts_training_time_over_all_invocations(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [0.0]
    monkeypatch.setattr(
        "lib.tuning.search.time", SimpleNamespace(monotonic=lambda: clock[0], sleep=time.sleep)
    )

    def slow(parameters: dict[str, Any], report: TrialReport) -> float:
        clock[0] += 60.0
        return bowl(parameters, report)

    space = SPACE.model_copy(update={"timeout_hours": 100 / 3600})
    assert search(tmp_path, slow, n_trials=50, space=space).best["n_trials"] == 2
    assert search(tmp_path, slow, n_trials=50, space=space).best["n_trials"] == 2


def test_importances_name_the_parameter_that_matters(tmp_path: Path) -> None:
    found = search(tmp_path, n_trials=25).importances
    assert found["reason"] is None
    assert found["shares"]["learning_rate"] > 2 * found["shares"]["decay_steps"]
    assert sum(found["shares"].values()) == pytest.approx(1.0)
    few = search(tmp_path / "few", n_trials=3).importances
    assert (few["shares"], few["reason"]) == ({}, "3 complete trials tell too little")


@pytest.mark.parametrize(
    "path", sorted((ROOT / "config" / "hpo").glob("*_search.yaml")), ids=lambda p: p.stem
)
def test_the_shipped_search_spaces_are_valid(path: Path) -> None:
    assert validate(SearchSpace, read_yaml(path), str(path)).parameters
