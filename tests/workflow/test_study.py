"""A small study from files to the report, and what a second look at it does."""

import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import polars as pl
import yaml

from lib.data.io import read_json
from tests.conftest import PATIENCE_SECONDS, ROOT, STUDY, WORDS

RUN = "results/runs/base/Aa20/daily/direction/h5/{model}/none/seed1"


def dry_run(project, *arguments, **options) -> str:
    done = project.snakemake("-n", *arguments, **options)
    assert done.returncode == 0, done.stdout
    return done.stdout


def test_a_study_ends_in_a_report_and_a_second_look_at_it_does_nothing(copied):
    results = copied.folder / "results"
    page = (results / "report.html").read_text(encoding="utf-8")
    assert "logistic" in page
    assert "base_rate" in page
    runs = pl.read_parquet(results / "runs.parquet")
    assert sorted(runs["model"]) == ["base_rate", "logistic"]
    assert set(runs["status"]) == {"done"}
    assert read_json(results / "scaling.json")["baselines"]

    params = yaml.safe_load((copied.folder / RUN.format(model="logistic") / "params.yaml").read_text())
    assert params["run"]["task"] == "direction"
    assert params["windows"]["train"] > 200

    # The user's files are read once, into a vintage; touched or edited since, they make nothing run.
    with copied.csv().open("a", encoding="utf-8") as prices:
        prices.write("2009-01-02,1,1,1,1,1,1\n")
    (copied.folder / "data/raw/test-1/prices/SPY.parquet").touch()
    assert "Nothing to be done" in dry_run(copied, "results/report.html")

    done = copied.snakemake("results/model_comparison.csv")
    assert done.returncode == 0, done.stdout
    compared = pl.read_csv(results / "model_comparison.csv")
    assert sorted(compared["model"]) == ["base_rate", "logistic"]
    assert compared["training_seconds"].null_count() == 0
    assert compared.select("selection_log_loss_low", "selection_brier", "test_brier_high").null_count().row(
        0
    ) == (0, 0, 0)
    assert (results / "figures" / "README.md").is_file()

    # The way back from every file to what it was made of.
    entry = read_json(copied.folder / "data/processed/manifest.json")
    raw = read_json(copied.folder / "data/raw/manifest.json")
    listed = entry if isinstance(entry, list) else entry["entries"]
    raws = raw if isinstance(raw, list) else raw["entries"]
    assert listed[0]["source_raw_md5s"] == [raws[0]["md5"]]

    # A declared change re-makes what depends on it, and only that.
    copied.study(**WORDS, evaluation={"bootstrap_draws": 120})
    again = dry_run(copied, "results/report.html")
    assert "rule collect_runs" in again
    assert "rule train" not in again

    # What only the machine decides never re-trains.
    copied.study(**WORDS, thermal={"sensor": "off"}, tracking={"wandb": "off"})
    assert "Nothing to be done" in dry_run(copied, "results/report.html")


def test_a_further_question_in_the_same_folder_is_answered_by_one_command(copied):
    # Its samples are counted again, and behind that job are the trainings that are missing.
    copied.experiment("further", tasks=["direction"], horizons=[10])
    copied.study(**WORDS, experiments=["small", "further"])
    planned = dry_run(copied, "results/report.html")
    jobs = dict(re.findall(r"^(\w+) +(\d+)$", planned, re.MULTILINE))
    assert jobs.pop("total")
    assert jobs == {
        "check_samples": "1",
        "train": "2",
        "collect_runs": "1",
        "fit_scaling": "1",
        "report": "1",
    }

    # A new configuration alone is no less a further question, and what is there already is not made again.
    copied.study(experiments=["further"], data=STUDY["data"] | {"validation": {"stale_days": 6}})
    planned = dry_run(copied, "results/runs.parquet")
    jobs = dict(re.findall(r"^(\w+) +(\d+)$", planned, re.MULTILINE))
    assert {"check_quality": "1", "train": "2", "collect_runs": "1"}.items() <= jobs.items()


def test_one_target_makes_just_that(prepared):
    prepared.csv().write_text("edited while the study runs", encoding="utf-8")  # it is in the vintage already
    target = RUN.format(model="base_rate") + "/metrics.json"
    done = prepared.snakemake(target)
    assert done.returncode == 0, done.stdout
    assert (prepared.folder / target).is_file()
    assert not (prepared.folder / RUN.format(model="logistic")).exists()


def test_a_given_configuration_replaces_the_quickstart(project):
    jobs = dry_run(project, "results/report.html")
    assert "market/ohlcv" in jobs or "test-1" in jobs
    for word in ("embedded-2018", "patchtst", "planted", "discover_batch_size"):
        assert word not in jobs


def test_without_a_configuration_the_quickstart_runs_in_another_directory_too(project):
    other = project.folder / "elsewhere"
    other.mkdir()
    jobs = dry_run(project, "--directory", str(other), "results/report.html", configfile=None)
    for word in ("embedded-2018", "200M", "planted", "search_hyperparameters"):
        assert word in jobs


def test_snakemakes_own_report_holds_ours_and_needs_no_cores(copied):
    shutil.copytree(ROOT / "docs" / "captions", copied.folder / "docs" / "captions")
    command = [sys.executable, "-m", "snakemake", "--report", "own.zip", "--configfile", "study.yaml"]
    done = subprocess.run(
        command, cwd=copied.folder, env=copied.environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    with zipfile.ZipFile(copied.folder / "own.zip") as archive:
        names = [Path(name).name for name in archive.namelist()]
        own = archive.read(min(archive.namelist(), key=len)).decode()
    assert {"runs.csv", "scaling.json"} <= set(names)
    assert names.count("report.html") == 2, "its own page, and ours inside"
    figures = {path.name for path in (copied.folder / "results" / "figures").glob("*.svg")}
    assert figures
    assert figures <= set(names)
    assert "no choice has seen" in own, "its first page is docs/captions/workflow.rst"


def test_a_preview_names_jobs_and_compute_and_makes_nothing(project):
    project.experiment(models=["patchtst-mixed", "logistic"], budgets=["2M"])
    before = sorted(project.folder.rglob("*.parquet"))
    shown = subprocess.run(
        [sys.executable, "-m", "workflow_scripts.preview", "--configfile", "study.yaml"],
        cwd=project.folder,
        env=project.environment | {"COLUMNS": "120"},
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_SECONDS,
    )
    assert shown.returncode == 0, shown.stdout + shown.stderr
    assert re.search(r"^train +2$", shown.stdout, re.MULTILINE)
    assert re.search(r"patchtst-mixed .*2M .*not measured yet", shown.stdout)
    assert "results/batch_sizes/Aa20/daily/patchtst-mixed/2M.json" in shown.stdout, "how to measure it"
    assert sorted(project.folder.rglob("*.parquet")) == before
    assert not (project.folder / "results").exists()


def test_an_undeclared_run_is_named_as_such(project):
    done = project.snakemake(RUN.format(model="xgboost") + "/metrics.json")
    assert done.returncode != 0
    assert "no experiment of this study declares" in done.stdout


def test_a_dataset_that_is_none_matches_no_rule(project):
    """One of them in a real run: the constraint is that of every rule."""
    [pattern] = re.findall(r"^ +dataset=r\"(.*)\",$", (ROOT / "rules/common.smk").read_text(), re.MULTILINE)
    assert re.fullmatch(pattern, "Aa20")
    for dataset in ("ABCc20", "Aa21", "Fa20", "Ae20", "Aa2000 "):
        assert not re.fullmatch(pattern, dataset)
    done = project.snakemake("-n", RUN.format(model="logistic").replace("Aa20", "Aa21") + "/metrics.json")
    assert done.returncode != 0
    assert "no rule makes it" in done.stdout


def test_a_changed_family_of_features_remakes_the_datasets_that_hold_it_and_no_others(prepared):
    prepared.experiment(datasets=["Aa20", "Aa100"], models=["base_rate"])
    done = prepared.snakemake("results/runs.parquet")
    assert done.returncode == 0, done.stdout
    versions = prepared.folder / "lib" / "versions.yaml"
    found = yaml.safe_load(versions.read_text())
    for family, expected in (("volume", ["Aa100"]), ("averages", ["Aa20", "Aa100"])):
        found[f"features.{family}"] += 1
        versions.write_text(yaml.safe_dump(found))
        planned = prepared.snakemake("-n", "results/runs.parquet").stdout
        for name in ("Aa20", "Aa100"):
            remade = f"output: data/processed/test-1/{name}/daily.parquet" in planned
            assert remade == (name in expected), (family, name)
        trained = re.search(r"^train +(\d+)$", planned, re.MULTILINE)
        assert trained is not None
        assert int(trained[1]) == len(expected)
        assert "build_bars" not in planned, "bars know nothing of channels"
        found[f"features.{family}"] -= 1


def test_folds_decide_and_the_studys_own_test_is_opened_afterwards(prepared):
    """Shares of the dates in two folds; nothing is trained for the study's own test while it is closed."""
    folds = {"first_test": "2004-01-01", "test_months": 21, "validation_months": 12}
    declared = {"question": "Is it short of data?", "models": ["logistic"], "seeds": [1, 2]}
    prepared.experiment(**declared, walk_forward=True, train_fractions=[0.375, 1.0])
    prepared.study(data={"walk_forward": folds})
    done = prepared.snakemake("results/report.html")
    assert done.returncode == 0, done.stdout
    results = prepared.folder / "results"
    runs = pl.read_parquet(results / "runs.parquet")
    assert set(runs["status"]) == {"done"}
    assert {
        (row["variant"], row["condition"], row["fold"], row["train_fraction"]) for row in runs.to_dicts()
    } == {
        ("wf01-frac37.5", "base", 1, 0.375), ("wf01", "base", 1, 1.0),
        ("wf02-frac37.5", "base", 2, 0.375), ("wf02", "base", 2, 1.0),
    }  # fmt: skip
    run = "Aa20/daily/direction/h5/logistic/none/seed1"
    params = yaml.safe_load((results / f"runs/wf02-frac37.5/{run}/params.yaml").read_text())
    assert (params["fold"], params["train_fraction"], params["condition"]) == (2, 0.375, "base")
    assert str(params["splits"]["test_end"]) == "2007-06-30"
    assert not (results / "runs/base").exists()
    [question] = read_json(results / "scaling.json")["questions"]
    [curve] = question["curves"]
    assert (question["experiment"], curve["folds"]) == ("small", [1, 2])
    assert [point["point"] for point in curve["points"]] == ["0.375", "1"]
    tested = [
        pl.read_parquet(results / f"runs/{fold}/{run}/predictions/test.parquet") for fold in ("wf01", "wf02")
    ]
    assert curve["points"][0]["n"] == sum(frame.height for frame in tested)
    assert curve["confirmation"]["state"] == "closed"
    assert "The study's own test" in (results / "report.md").read_text()
    [record] = read_json(results / "declarations/small-wf01.json")

    prepared.study(data={"walk_forward": folds}, evaluation={"confirmation": "open"})
    told = prepared.snakemake("-n", "results/report.html").stdout
    assert "results/runs/base/Aa20" in told
    assert re.search(r"^train +4$", told, re.MULTILINE), "two shares, two seeds, and no fold again"
    done = prepared.snakemake("results/report.html")
    assert done.returncode == 0, done.stdout
    [curve] = read_json(results / "scaling.json")["questions"][0]["curves"]
    assert curve["folds"] == [1, 2]
    assert curve["confirmation"]["state"] == "open"
    own = pl.read_parquet(results / f"runs/base/{run}/predictions/test.parquet")
    assert curve["confirmation"]["n"] == own.height
    assert min(own["date"]) > max(tested[1]["date"])
    assert read_json(results / "declarations/small-wf01.json") == [record], "what was declared stands"
    opening = read_json(results / "confirmation.json", dict)
    assert (opening["runs_in_folds"], opening["finished_before"]) == (8, 8)

    # What was looked at cannot be unseen.
    prepared.study(data={"walk_forward": folds})
    done = prepared.snakemake("results/scaling.json")
    assert done.returncode == 0, done.stdout
    [curve] = read_json(results / "scaling.json")["questions"][0]["curves"]
    assert curve["confirmation"]["state"] == "closed again"
    assert opening["opened"][:10] in curve["confirmation"]["text"]
    assert read_json(results / "confirmation.json", dict) == opening
