"""The law predicts: what smaller sizes say of the largest is on record before that is trained, and stays
there."""

import re
from datetime import datetime
from pathlib import Path

import pytest

from lib.data.io import read_json
from tests.conftest import STUDY, Project, copy_of, make_project

RECORD = "results/predicted/parameters/small.json"
RUN = "results/runs/base/Aa20/daily/direction/h1/oracle/{budget}/seed{seed}"
SIZES = ["2M", "20M", "200M"]
SEEDS = [1, 2]
MARKET = {"first": "1999-01-04", "last": "2008-12-31"}


def study(project: Project, budgets: list[str], **changes) -> None:
    """Sizes of the oracle, whose law is known, on a synthetic market."""
    data = STUDY["data"] | {"source": "synthetic", "synthetic": MARKET}
    project.study(data={key: value for key, value in data.items() if key != "folder"}, **changes)
    project.experiment(models=["oracle"], budgets=budgets, seeds=SEEDS, horizons=[1])


def planned(project: Project) -> dict[str, int]:
    done = project.snakemake("-n", "results/scaling.json")
    assert done.returncode == 0, done.stdout
    return {name: int(n) for name, n in re.findall(r"^(\w+) +(\d+)$", done.stdout, re.MULTILINE)}


@pytest.fixture(scope="module")
def predicted(tmp_path_factory: pytest.TempPathFactory, market) -> Project:
    project = make_project(tmp_path_factory.mktemp("predicted") / "study", market)
    study(project, SIZES)
    done = project.snakemake("results/scaling.json")
    assert done.returncode == 0, done.stdout
    return project


def begun(project: Project, budget: str) -> datetime:
    """When the first training of a size began, as its own record of time has it."""
    facts = [read_json(project.folder / RUN.format(budget=budget, seed=s) / "provenance.json") for s in SEEDS]
    return min(datetime.fromisoformat(f["begun"]) for f in facts)


def test_the_largest_size_is_trained_after_its_prediction_is_on_record(predicted: Project) -> None:
    [entry] = read_json(predicted.folder / RECORD, list)
    [curve] = entry["cells"]
    assert (curve["largest"], [own["level"] for own in curve["from"]]) == ("200M", ["2M", "20M"])
    written = (predicted.folder / RECORD).stat().st_mtime
    for seed in SEEDS:
        of = {size: predicted.folder / RUN.format(budget=size, seed=seed) for size in SIZES}
        assert (of["200M"] / "predictions/test.parquet").stat().st_mtime > written
        assert (of["20M"] / "predictions/test.parquet").stat().st_mtime < written
    assert datetime.fromisoformat(entry["date"]) <= begun(predicted, "200M")

    [question] = read_json(predicted.folder / "results/scaling.json")["questions"]
    said = question["curves"][0]["prediction"]
    assert said["on_record"] is True
    assert said["law"] == curve["law"]
    assert said["realised"] == pytest.approx(question["curves"][0]["points"][-1]["value"])
    assert said["inside"] == (curve["law"]["low"] <= said["realised"] <= curve["law"]["high"])
    assert said["text"].startswith("Before 200M was trained, the law fitted to 2M and 20M")


def test_a_prediction_made_again_is_a_further_entry_and_trains_nothing(predicted: Project) -> None:
    first = read_json(predicted.folder / RECORD, list)
    study(predicted, SIZES, evaluation={"bootstrap_draws": 100, "confidence": 0.9})
    jobs = planned(predicted)
    assert "train" not in jobs
    # Nothing that is to be trained needs it, so it is made again on request only.
    done = predicted.snakemake(RECORD, "results/scaling.json")
    assert done.returncode == 0, done.stdout
    assert "rule train:" not in done.stdout
    again = read_json(predicted.folder / RECORD, list)
    assert again[0] == first[0]
    assert [len(first), len(again)] == [1, 2]
    assert again[1]["cells"][0]["confidence"] == 0.9
    assert "Nothing to be done" in predicted.snakemake("-n", "results/scaling.json").stdout
    # What was written after the largest was trained predicts nothing.
    [question] = read_json(predicted.folder / "results/scaling.json")["questions"]
    assert question["curves"][0]["prediction"]["confidence"] == first[0]["cells"][0]["confidence"]


def test_a_size_that_was_there_first_is_not_trained_again_and_not_said_to_be_predicted(
    predicted: Project, tmp_path: Path
) -> None:
    project = copy_of(predicted, tmp_path / "study", results=False)
    study(project, ["2M", "200M"])
    done = project.snakemake("results/runs.parquet")
    assert done.returncode == 0, done.stdout
    assert not (project.folder / RECORD).exists(), "one size is no line"

    study(project, SIZES)
    jobs = planned(project)
    assert jobs["train"] == len(SEEDS), "20M alone"
    assert "predict_largest" not in jobs
    done = project.snakemake("results/scaling.json")
    assert done.returncode == 0, done.stdout
    [question] = read_json(project.folder / "results/scaling.json")["questions"]
    said = question["curves"][0]["prediction"]
    assert said == {
        "on_record": False,
        "largest": "200M",
        "text": "Not on record: nothing was predicted before 200M was trained.",
    }

    # Nor does a record help that is made afterwards, and asking less leaves the runs as they are.
    assert project.snakemake(RECORD, "--force").returncode == 0
    assert project.snakemake("results/scaling.json", "--force").returncode == 0
    [question] = read_json(project.folder / "results/scaling.json")["questions"]
    assert question["curves"][0]["prediction"]["on_record"] is False
    study(project, ["200M"])
    assert "train" not in planned(project)
