"""Trackers that are down, slow, broken or full: the study goes on with one warning per job."""

from __future__ import annotations

import pytest
from hurt import LOGISTIC, tear
from test_full_disks import tiny_disk

from tests.conftest import Project
from tests.servers import Answer, serving

pytestmark = pytest.mark.slow
GOES_ON = "one warning per job; training goes on, its files have the same bytes"
USER = "nothing (or `tracking.mlflow: false`)"
WARNING = "WARNING: tracking with MLflow failed"


def trained_all_the_same(project: Project, finished: Project, jobs: int) -> None:
    """`jobs` of the three that write to the tracker (its store, training, evaluation) warn, once each."""
    done = project.snakemake(f"{LOGISTIC}/metrics.json")
    assert done.returncode == 0, done.stdout
    assert done.stdout.count(WARNING) == jobs, done.stdout
    assert "Traceback" not in done.stdout
    for name in ("metrics.json", "predictions/test.parquet"):
        ours, theirs = project.folder / LOGISTIC / name, finished.folder / LOGISTIC / name
        assert ours.read_bytes() == theirs.read_bytes(), name


@pytest.mark.faults("A tracking server that is down", happens=GOES_ON, user=USER)
def test_a_server_that_is_down(project: Project, finished: Project) -> None:
    project.study(tracking={"mlflow": True, "mlflow_uri": "http://127.0.0.1:9"})
    trained_all_the_same(project, finished, jobs=3)


@pytest.mark.faults("A tracking server that answers every request with an error, slowly", happens=GOES_ON, user=USER)  # fmt: skip  # noqa: E501
def test_a_server_that_is_slow_and_broken(project: Project, finished: Project) -> None:
    with serving(lambda path, query: Answer(b"busy", status=500, delay=1.0)) as server:
        project.study(tracking={"mlflow": True, "mlflow_uri": server.address})
        trained_all_the_same(project, finished, jobs=3)


@pytest.mark.faults(
    "A damaged tracking database", happens=GOES_ON, user="move mlflow.db away to begin a new one"
)
def test_a_damaged_database(project: Project, finished: Project) -> None:
    project.study(tracking={"mlflow": True})
    done = project.snakemake("results/tracking/store.json")
    assert done.returncode == 0, done.stdout
    tear(project.folder / "results" / "tracking" / "mlflow.db")
    trained_all_the_same(project, finished, jobs=2)


@pytest.mark.faults("A full disk below the tracking database", happens=GOES_ON, user=USER)
def test_a_full_disk_below_the_database(project: Project, finished: Project) -> None:
    project.study(tracking={"mlflow": True})
    with tiny_disk(project.folder / "results" / "tracking", 200):
        trained_all_the_same(project, finished, jobs=3)
