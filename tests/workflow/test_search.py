"""A hyperparameter search through the workflow: several jobs at once, every trial on record."""

import json
import shutil
import sqlite3
from datetime import date

import polars as pl
import pytest
import yaml

from tests.conftest import Project, make_project

SEARCH = "results/hpo/base/Aa20/daily/direction/h5/patchtst-mixed/2M/search1"


def test_two_workers_search_together_and_their_trials_are_on_record(prepared):
    prepared.experiment(
        models=["patchtst-mixed"], budgets=["2M"], tuning="quickstart", searches=1, n_trials=3
    )
    prepared.study(search={"workers": 2}, tracking={"mlflow": True})
    old = prepared.folder / "mlruns" / "0"  # of another project, without the meta.yaml that MLflow looks for
    old.mkdir(parents=True)
    done = prepared.snakemake(f"{SEARCH}/best.json", f"{SEARCH}/workers/2.json", "--cores", "2")
    assert done.returncode == 0, done.stdout
    folder = prepared.folder / SEARCH
    trials = pl.read_parquet(folder / "trials.parquet")
    assert trials["number"].to_list() == [0, 1, 2]
    assert json.loads((folder / "best.json").read_text())["n_trials"] == 3
    assert (
        json.loads((folder / "importances.json").read_text())["reason"] == "3 complete trials tell too little"
    )
    weights = list((prepared.folder / "results/state/hpo").rglob("*.pt"))
    assert not weights, "trials of 200M would leave 0.8 GB each"
    with sqlite3.connect(prepared.folder / "results/tracking/mlflow.db") as store:
        [(parent,)] = store.execute("select run_uuid from runs where name like 'search %'").fetchall()
        nested = store.execute("select value from tags where key = 'mlflow.parentRunId'").fetchall()
    assert nested == [(parent,)] * 3
    assert not [*old.parent.rglob("*")][1:], "nothing is written there"

    prepared.study(tracking={"mlflow": True})
    again = prepared.snakemake("-n", f"{SEARCH}/best.json")
    assert "Nothing to be done" in again.stdout, "how many work on a search must not decide anything"


FIRST_TEST = date(2005, 1, 1)
RUN = "results/runs/{variant}/Aa20/daily/direction/h5/patchtst-mixed/{budget}/seed{seed}"


def transferred(project: Project) -> None:
    """Two folds of a study whose recipe is searched twice at 2M, on 2002 to 2004."""
    folds = {"first_test": FIRST_TEST, "test_months": 12, "validation_months": 12, "train_years": 4}
    project.study(data={"walk_forward": folds})
    project.experiment(
        models=["patchtst-mixed"], budgets=["2M", "20M"], seeds=[1, 2], tuning="transfer", searches=2,
        n_trials=2, walk_forward=True, folds=[1, 2],
    )  # fmt: skip


def found(project: Project) -> dict:
    """What the first search found, but for the time it took (and the seal on the file, which covers it)."""
    best = json.loads((project.folder / SEARCH / "best.json").read_text())
    return {name: value for name, value in best.items() if name not in ("seconds", "content_sha256")}


@pytest.fixture(scope="module")
def searched(tmp_path_factory, market) -> Project:
    made = make_project(tmp_path_factory.mktemp("searched"), market)
    transferred(made)
    done = made.snakemake(f"{SEARCH}/best.json", f"{SEARCH}/transfer_check/2M.parquet")
    assert done.returncode == 0, done.stdout
    return made


@pytest.mark.slow
def test_a_transferred_recipe_serves_every_fold_and_size(searched):
    runs = [
        RUN.format(variant=f"wf0{fold}", budget=budget, seed=seed)
        for fold in (1, 2)
        for budget in ("2M", "20M")
        for seed in (1, 2)
    ]
    listed = searched.snakemake("-n", *(f"{run}/params.yaml" for run in runs)).stdout
    bests = {line.strip() for line in listed.splitlines() if "best.json" in line and "output:" in line}
    assert len(bests) == 1, "the second search is all that is still to be made, for all eight runs"
    assert "search2/best.json" in bests.pop()
    done = searched.snakemake(f"{runs[4]}/params.yaml")
    assert done.returncode == 0, done.stdout
    params = yaml.safe_load((searched.folder / runs[4] / "params.yaml").read_text())
    assert (params["fold"], params["search"]) == (2, 1)
    assert params["recipe"]["learning_rate"] == found(searched)["parameters"]["learning_rate"]


@pytest.mark.slow
def test_a_transfer_is_checked_at_half_and_twice_the_rate(searched):
    losses = pl.read_parquet(searched.folder / SEARCH / "transfer_check/2M.parquet")
    rate = found(searched)["parameters"]["learning_rate"]
    rates = dict(losses.select("factor", "learning_rate").unique().iter_rows())
    assert rates == pytest.approx({0.5: rate / 2, 1.0: rate, 2.0: rate * 2})
    assert losses["date"].min().year == 2002
    assert losses["date"].max() < FIRST_TEST
    assert not list((searched.folder / "results/state/hpo").rglob("*.pt"))


@pytest.mark.slow
def test_no_search_sees_anything_from_the_first_fold_s_test_on(searched, tmp_path, market):
    days_later = (pl.col("date") - FIRST_TEST).dt.total_days()
    other_prices = (
        0.005 * (1 + days_later).clip(0)
    ).exp()  # half a per cent more in every later day's return
    other = make_project(
        tmp_path,
        market.with_columns(pl.col(name) * other_prices for name in ("open", "high", "low", "close")),
    )
    transferred(other)
    shape = "results/batch_sizes/Aa20/daily/patchtst-mixed"  # of the same shape: nothing to discover again
    shutil.copytree(searched.folder / shape, other.folder / shape)
    done = other.snakemake(f"{SEARCH}/best.json")
    assert done.returncode == 0, done.stdout
    tables = [made.folder / "data/processed/test-1/Aa20/daily.parquet" for made in (searched, other)]
    assert tables[0].read_bytes() != tables[1].read_bytes(), "what is later was changed"
    assert found(other) == found(searched)
