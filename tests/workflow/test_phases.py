"""Phases of a study: reports of their own, runs by name, declarations on record, a selection."""

import shutil

import pytest
import yaml

from lib.data.io import read_json
from tests.conftest import Project, make_prepared

SIZED = {"models": ["patchtst-mixed", "base_rate"], "budgets": ["2M"], "seeds": [1, 2]}
WAITING = {"from_selection": True, "datasets": [], "models": [], "timescales": ["weekly"]}
STUDY = {
    "experiments": [],
    "phases": {"phase1": ["small"], "phase2": ["expansion"]},
    "selection": {"phases": ["phase1"]},
    "training": {"max_steps": 2},
}


@pytest.fixture(scope="module")
def studied(tmp_path_factory, finished) -> Project:
    """A study whose first phase is done."""
    project = make_prepared(finished, tmp_path_factory.mktemp("phases") / "study")
    project.experiment(**SIZED, ids={"P1-2M": {"budget": "2M"}})
    project.experiment("expansion", **WAITING)
    project.study(**STUDY)
    done = project.snakemake("results/phase1.done", "results/ids/P1-2M.done")
    assert done.returncode == 0, done.stdout
    return project


@pytest.fixture(scope="module")
def selected(studied) -> Project:
    """The same with the best configuration of its first phase chosen."""
    done = studied.snakemake("results/selection.yaml")
    assert done.returncode == 0, done.stdout
    return studied


def test_a_phase_has_a_report_of_its_own_and_its_runs_have_names(studied):
    report = (studied.folder / "results/phase1/report.html").read_text()
    assert "(phase 1)" in report
    assert "What was declared, and when" in report
    assert (studied.folder / "results/phase1/figures").is_dir()
    assert not (studied.folder / "results/report.html").exists(), "one target makes just that"
    again = studied.snakemake("-n", "results/phase1.done", "results/ids/P1-2M.done")
    assert "Nothing to be done" in again.stdout


def test_what_is_tested_is_on_record_before_the_runs_and_a_change_of_mind_is_seen(studied):
    record = studied.folder / "results/declarations/small.json"
    [first] = read_json(record)
    assert (first["runs"], first["finished_before"]) == (4, 0)
    assert first["tests"] == ["paired differences of all models from the one that is best on validation"]

    studied.experiment(**SIZED, ids={"P1-2M": {"budget": "2M"}}, margin=0.02)
    done = studied.snakemake("results/phase1/report.html")
    assert done.returncode == 0, done.stdout
    entries = read_json(record)
    assert entries[0] == first
    assert entries[1]["hash"] != first["hash"]
    assert entries[1]["finished_before"] == 4
    report = (studied.folder / "results/phase1/report.md").read_text()
    assert "changed its declaration after runs were finished" in report


def test_a_phase_waits_for_the_selection_and_then_follows_it(selected):
    chosen = yaml.safe_load((selected.folder / "results/selection.yaml").read_text())
    assert chosen["chosen"] == {"dataset": "Aa20", "model": "patchtst-mixed", "budget": "2M"}
    planned = selected.snakemake("-n", "results/phase2/report.html")
    assert planned.returncode == 0, planned.stdout
    assert "Aa20/weekly/direction/h5/patchtst-mixed/2M/seed1" in planned.stdout

    (selected.folder / "results/selection.yaml").rename(selected.folder / "aside")
    waits = selected.snakemake("-n", "results/phase2/report.html")
    (selected.folder / "aside").rename(selected.folder / "results/selection.yaml")
    assert waits.returncode != 0
    assert "experiment expansion waits: results/selection.yaml is not there yet" in waits.stdout


def test_a_phase_needs_its_own_data_only(project):
    project.experiment(ids={})
    project.experiment("pair", datasets=["Ba20"])
    project.study(experiments=[], phases={"phase1": ["small"], "phase2": ["pair"]})
    first = project.snakemake("-n", "results/phase1/report.html").stdout
    assert "prices/SPY.parquet" in first
    assert "DIA" not in first, "row B joins in phase 2"
    assert "results/phase1/raw/manifest.json" in first
    refused = project.snakemake("-n", "results/phase2/report.html")
    assert refused.returncode != 0
    assert "DIA: no price file" in refused.stdout
    shutil.copy(project.csv(), project.csv("DIA"))
    second = project.snakemake("-n", "results/phase2/report.html").stdout
    assert "prices/DIA.parquet" in second
    assert "quality/Ba20.json" in second
    whole = project.snakemake("-n", "results/report.html").stdout
    assert "prices/DIA.parquet" in whole
    assert "data/raw/manifest.json" in whole


def test_what_waits_is_on_record_and_said_at_the_end(prepared):
    prepared.experiment(**SIZED | {"models": ["base_rate"], "budgets": []})
    prepared.experiment("expansion", **WAITING)
    prepared.study(**STUDY)
    done = prepared.snakemake("results/scaling.json")
    assert done.returncode == 0, done.stdout
    waits = "expansion is not in these results: results/selection.yaml is not there yet"
    assert waits in done.stdout
    summary = read_json(prepared.folder / "results/scaling.json")
    assert list(summary["waiting"]) == ["expansion"]
    assert "waiting" in {problem["kind"] for problem in summary["problems"]}
