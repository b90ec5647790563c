"""Trackers with a real MLflow store and a real offline W&B run; none of them may disturb training."""

import ast
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import optuna
import pytest

from lib.config.hpo import FloatRange, SearchSpace
from lib.config.training import TrackingConfig
from lib.errors import TrainingDiverged, TrainingStopped
from lib.jobs.outputs import track_run
from lib.models.boosting.xgboost import XGBoost
from lib.models.job import FinishedRun
from lib.models.neural.mlp import MLP
from lib.models.rounds import untrained_result
from lib.training.tracker_backends import Group, MlflowBackend, Record, flatten
from lib.training.tracking import NullTracker, Tracker, init_store, open_tracker, register
from lib.tuning.search import run_search

PARAMS = {"recipe": {"learning_rate": 1e-4, "betas": [0.9, 0.999]}, "model": "naive:base_rate"}


def mlflow(folder: Path, uri: str | None = None) -> TrackingConfig:
    return TrackingConfig(mlflow=True, folder=folder, mlflow_uri=uri)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("store")
    init_store(mlflow(folder))
    return folder


def rows(store: Path, query: str) -> list[tuple]:
    with sqlite3.connect(store / "mlflow.db") as connection:
        return connection.execute(query).fetchall()


def test_mlflow_gets_parameters_metrics_files_and_the_outcome(store: Path) -> None:
    note = store / "note.txt"
    note.write_text("hello", encoding="utf-8")
    tracker = open_tracker(mlflow(store), "base/Aa20", PARAMS, {"seed": "42"})
    for step in range(5):
        tracker.log({"loss": 1.0 / (step + 1), "temperature": None}, step)
    tracker.artifact(note)
    tracker.finish()
    [(run, name, status)] = rows(store, "select run_uuid, name, status from runs where name = 'base/Aa20'")
    assert (name, status) == ("base/Aa20", "FINISHED")
    assert ("recipe.learning_rate", "0.0001") in rows(
        store, f"select key, value from params where run_uuid = '{run}'"
    )
    written = rows(store, f"select key, step, value from metrics where run_uuid = '{run}' order by step")
    assert written == [("loss", step, pytest.approx(1.0 / (step + 1))) for step in range(5)]
    assert ("seed", "42") in rows(store, f"select key, value from tags where run_uuid = '{run}'")
    assert (store / "artifacts" / run / "artifacts" / "note.txt").read_text() == "hello"


def test_a_resumed_run_continues_its_mlflow_run_and_a_finished_one_is_left_alone(store: Path) -> None:
    config, tags = mlflow(store), {"fingerprint": "abc"}
    for status in ("stopped", "finished", "finished"):
        with_step = open_tracker(config, "resumed", PARAMS, tags)
        with_step.log({"loss": 1.0}, 1)
        with_step.finish(status)
    found = rows(store, "select status from runs where name = 'resumed'")
    assert found == [("FINISHED",), ("FINISHED",)]  # the first two openings share one run


def test_the_trials_of_a_search_are_nested_in_one_run(store: Path) -> None:
    group = Group("search-1", "search base/Aa20")
    for number in range(3):
        tags = {"fingerprint": f"trial-{number}"}
        with open_tracker(mlflow(store), "trial", PARAMS, tags, group) as tracker:
            tracker.log({"loss": float(number)}, 1)
    [(parent,)] = rows(store, "select run_uuid from runs where name = 'search base/Aa20'")
    nested = rows(store, "select value from tags where key = 'mlflow.parentRunId'")
    assert nested == [(parent,)] * 3


def test_models_are_registered_in_numbered_versions(store: Path, tmp_path: Path) -> None:
    (tmp_path / "weights").write_text("1")
    versions = [register(mlflow(store), "direction", tmp_path, {"run": f"r{n}"}) for n in (1, 2)]
    assert versions == [1, 2]
    found = rows(
        store, "select version, source from model_versions where name = 'direction' order by version"
    )
    assert found == [(1, tmp_path.as_uri()), (2, tmp_path.as_uri())]
    assert register(TrackingConfig(folder=store), "direction", tmp_path, {}) is None


def test_an_exception_in_training_marks_the_run_failed(store: Path) -> None:
    def train() -> None:
        with open_tracker(mlflow(store), "broken", {}, {}):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        train()
    assert rows(store, "select status from runs where name = 'broken'") == [("FAILED",)]


@pytest.mark.parametrize(
    ("error", "status", "tags"),
    [
        (TrainingStopped("hot"), "KILLED", []),
        (KeyboardInterrupt(), "KILLED", []),
        (TrainingDiverged("nan"), "FAILED", []),
        (optuna.TrialPruned(), "FINISHED", [("true",)]),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else "",
)
def test_the_store_tells_how_a_training_ended(store: Path, error: BaseException, status: str, tags) -> None:
    name = f"ended by {type(error).__name__}"

    def run() -> None:
        with open_tracker(mlflow(store), name, {}, {}):
            raise error

    with pytest.raises(type(error)):
        run()
    [(run_id, found)] = rows(store, f"select run_uuid, status from runs where name = '{name}'")
    assert found == status
    assert rows(store, f"select value from tags where run_uuid = '{run_id}' and key = 'pruned'") == tags


def test_a_pruned_trial_of_a_search_is_a_whole_run_and_the_others_are_untagged(
    store: Path, tmp_path: Path
) -> None:
    space = SearchSpace(parameters={"learning_rate": FloatRange(low=0.1, high=1.0)}, pruner_warmup_steps=1)

    def objective(parameters: dict, report) -> float:
        loss = 1.0 if report.number < 5 else 2.0
        with open_tracker(mlflow(store), "hopeless?", parameters, {}) as tracker:
            for step in (1, 2, 3):
                tracker.log({"validation_loss": loss}, step)
                report(step, loss)
        return loss

    found = run_search(space, objective, tmp_path, "s", 6, seed=1)
    assert found.best["n_pruned"] == 1
    statuses = rows(store, "select status from runs where name = 'hopeless?'")
    assert statuses == [("FINISHED",)] * 6
    tagged = rows(
        store,
        "select count(*) from tags join runs using (run_uuid) where key = 'pruned' and name = 'hopeless?'",
    )
    assert tagged == [(1,)]


def test_validations_that_a_resumed_training_repeats_stand_in_the_store_once(store: Path) -> None:
    config, tags = mlflow(store), {"fingerprint": "repeats"}
    for steps, status in ((range(1, 8), "stopped"), (range(5, 11), "finished")):
        tracker = open_tracker(config, "repeats", PARAMS, tags)
        for step in steps:
            tracker.log({"loss": 1.0 / step, "seconds": float(step)}, step)
        tracker.finish(status)
        time.sleep(0.01)  # MLflow takes points of the same millisecond for one
    for key in ("loss", "seconds"):
        query = (
            f"select step from metrics join runs using (run_uuid) where name = 'repeats' and key = '{key}'"
        )
        assert sorted(rows(store, query)) == [(step,) for step in range(1, 11)]


def test_each_validation_of_a_network_and_each_round_of_another_model_is_one_point(
    store: Path, tmp_path: Path
) -> None:
    for name in ("params", "provenance", "history", "importance"):
        (tmp_path / name).write_text("{}")
    snakemake = SimpleNamespace(
        output={n: str(tmp_path / n) for n in ("params", "provenance", "history", "importance")}
    )
    for model, told_live in ((MLP, True), (XGBoost, False)):
        history = [{"step": 10 * n, "validation_loss": 1.0 / n, "selection_loss": 1.0 / n} for n in (1, 2, 3)]
        with open_tracker(mlflow(store), model.__name__, {}, {}) as tracker:
            for row in history if told_live else []:  # as `Training._track` does
                tracker.log({k: v for k, v in row.items() if k != "step"}, row["step"])
            time.sleep(0.01)  # MLflow takes points of the same millisecond for one
            fitted = SimpleNamespace(metadata=model.metadata, parameter_counts=lambda: {"total": 7})
            result = untrained_result(0.3, 1.0, history)
            finished = FinishedRun(fitted, result, None, None, {"train": 5}, None, None, None, {"fit": 1.0})
            track_run(snakemake, finished, tracker)
        query = (
            "select step from metrics join runs using (run_uuid) "
            f"where name = '{model.__name__}' and key = 'validation_loss'"
        )
        assert sorted(rows(store, query)) == [(10,), (20,), (30,)]


def test_wandb_writes_an_offline_run(tmp_path: Path) -> None:
    with open_tracker(TrackingConfig(wandb="offline", folder=tmp_path), "base/Aa20", PARAMS, {}) as tracker:
        tracker.log({"marked_loss": 0.5}, 1)
    deadline, content = time.monotonic() + 120, b""
    while b"marked_loss" not in content and time.monotonic() < deadline:
        time.sleep(0.1)  # W&B's own process writes; it is told to end, and not waited for
        content = b"".join(p.read_bytes() for p in (tmp_path / "wandb").glob("offline-run-*/run-*.wandb"))
    assert b"marked_loss" in content
    assert b"learning_rate" in content


def test_opening_a_tracker_waits_for_nothing(tmp_path: Path, monkeypatch) -> None:
    gate = threading.Event()
    monkeypatch.setattr(MlflowBackend, "open", lambda self: gate.wait())
    tracker = open_tracker(mlflow(tmp_path, "http://127.0.0.1:9"), "r", {}, {})
    tracker.log({"loss": 1.0}, 1)  # were it opened before, we would wait for the gate for ever
    assert tracker._thread is not None
    assert tracker._thread.daemon  # a server that does not answer cannot keep the process alive
    assert not gate.is_set()


@pytest.mark.faults("A tracker that cannot be opened", happens="one warning; training goes on", user="nothing")  # fmt: skip  # noqa: E501
def test_a_tracker_that_cannot_be_opened_says_so_once_and_training_goes_on(tmp_path: Path, capsys) -> None:
    config = mlflow(tmp_path, "nosuchscheme://store")
    for _ in range(2):
        with open_tracker(config, "r", {}, {}) as tracker:
            tracker.log({"loss": 1.0}, 1)
    assert capsys.readouterr().err.count("tracking with MLflow failed") == 1


class Memory:
    """A backend that keeps what it gets, and can be told to break or to wait."""

    name = "memory"

    def __init__(self, broken: bool = False, gate: threading.Event | None = None) -> None:
        self.records: list[Record] = []
        self.status: str | None = None
        self.broken, self.gate = broken, gate

    def open(self) -> None:
        if self.gate is not None:
            self.gate.wait()

    def log(self, records: Sequence[Record]) -> None:
        if self.broken:
            raise OSError("disk full")
        self.records.extend(records)

    def artifact(self, path: Path) -> None:
        raise FileNotFoundError(path)

    def finish(self, status: str) -> None:
        self.status = status


@pytest.mark.faults("One of two trackers breaks", happens="one warning; the other goes on", user="nothing")  # fmt: skip  # noqa: E501
def test_one_broken_tracker_does_not_take_the_other_with_it(capsys) -> None:
    broken, sound = Memory(broken=True), Memory()
    with Tracker([broken, sound]) as tracker:
        for step in range(10):
            tracker.log({"loss": float(step)}, step)
    assert [record.step for record in sound.records] == list(range(10))
    assert (broken.status, sound.status) == (None, "finished")
    assert capsys.readouterr().err.count("disk full") == 1


@pytest.mark.faults("A tracker that hangs, and one that cannot keep up", happens="one warning; training is never slowed", user="nothing")  # fmt: skip  # noqa: E501
def test_a_tracker_that_hangs_never_blocks_training(monkeypatch, capsys) -> None:
    monkeypatch.setattr("lib.training.tracking._QUEUE_LENGTH", 10)
    monkeypatch.setattr("lib.training.tracking._FINISH_SECONDS", 0.1)
    gate = threading.Event()
    tracker = Tracker([Memory(gate=gate)])
    for step in range(1000):  # a hundred times what fits: were one of them waited for, it would be for ever
        tracker.log({"loss": 1.0}, step)
    tracker.finish()
    assert not gate.is_set()
    said = capsys.readouterr().err
    assert said.count("cannot keep up") == 1
    assert "did not end in time" in said
    gate.set()


LISTENER = """
import sys
from pathlib import Path
folder, found = Path(sys.argv[1]), []
def hear(event, arguments):
    if event == "socket.connect" and isinstance(arguments[1], tuple):
        found.append(str(arguments[1][0]))
    elif event == "socket.getaddrinfo":
        found.append(str(arguments[0]))
sys.addaudithook(hear)
from lib.config.hpo import FloatRange, SearchSpace
from lib.config.training import TrackingConfig
from lib.training.tracking import open_tracker
from lib.tuning.search import run_search
config = TrackingConfig(mlflow=True, wandb="offline", folder=folder)
with open_tracker(config, "r", {"a": 1}, {}) as tracker:
    tracker.log({"loss": 1.0}, 1)
space = SearchSpace(parameters={"learning_rate": FloatRange(low=0.1, high=1.0)})
run_search(space, lambda parameters, report: 1.0, folder / "search", "s", 2, seed=0)
print("HEARD", sorted(set(found)))
"""


def test_nothing_but_this_machine_is_contacted(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LISTENER, str(tmp_path)],
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    heard = done.stdout.split("HEARD ")[1].strip()
    assert set(ast.literal_eval(heard)) <= {"127.0.0.1", "localhost", "::1"}, heard
    assert (tmp_path / "mlflow.db").exists()


def test_the_null_tracker_starts_nothing() -> None:
    with NullTracker() as tracker:
        tracker.log({"loss": 1.0}, 1)
    assert tracker._thread is None


def test_nested_parameters_get_dotted_names() -> None:
    assert flatten({"a": {"b": {"c": 1}}, "d": [1, 2], "e": {}}) == {"a.b.c": 1, "d": [1, 2], "e": {}}
