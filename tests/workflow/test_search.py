"""A hyperparameter search through the workflow: several jobs at once, every trial on record."""

import json
import sqlite3

import polars as pl

SEARCH = "results/hpo/base/Aa20/daily/direction/h5/patchtst-mixed/2M"


def test_two_workers_search_together_and_their_trials_are_on_record(project):
    project.experiment(models=["patchtst-mixed"], budgets=["2M"], tuning="quickstart", n_trials=3)
    project.study(search={"workers": 2}, tracking={"mlflow": True})
    done = project.snakemake(f"{SEARCH}/best.json", f"{SEARCH}/workers/2.json", "--cores", "2")
    assert done.returncode == 0, done.stdout
    folder = project.folder / SEARCH
    trials = pl.read_parquet(folder / "trials.parquet")
    assert trials["number"].to_list() == [0, 1, 2]
    assert json.loads((folder / "best.json").read_text())["n_trials"] == 3
    assert (
        json.loads((folder / "importances.json").read_text())["reason"] == "3 complete trials tell too little"
    )
    weights = list((project.folder / "results/state/hpo").rglob("*.pt"))
    assert not weights, "trials of 200M would leave 0.8 GB each"
    with sqlite3.connect(project.folder / "results/tracking/mlflow.db") as store:
        [(parent,)] = store.execute("select run_uuid from runs where name like 'search %'").fetchall()
        nested = store.execute("select value from tags where key = 'mlflow.parentRunId'").fetchall()
    assert nested == [(parent,)] * 3

    project.study(tracking={"mlflow": True})
    again = project.snakemake("-n", f"{SEARCH}/best.json")
    assert "Nothing to be done" in again.stdout, "how many work on a search must not decide anything"
