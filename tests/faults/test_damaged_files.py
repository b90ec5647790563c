"""Files that a disk or a copy has damaged: named, and recovered or refused; never taken for whole."""

from __future__ import annotations

import itertools
import json
import shutil
import subprocess
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hurt import DAMAGES, LOGISTIC

from lib.config.hpo import FloatRange, SearchSpace
from lib.data.io import read_json, read_parquet, write_json_atomic, write_parquet_atomic
from lib.errors import IntegrityError
from lib.tuning.search import SearchResult, TrialReport, run_search
from tests.conftest import Project

AGAIN = "delete the named file and give the same command again (raw data: or restore them from a backup)"
TABLES = {
    "raw prices": ("data/raw/test-1/prices/SPY.parquet", ["data/processed", "results/report.html"]),
    "bars": (
        "data/processed/test-1/bars/daily/SPY.parquet",
        ["data/processed/test-1/Aa20", "results/report.html"],
    ),
    "a dataset": (
        "data/processed/test-1/Aa20/daily.parquet",
        ["results/runs", "results/runs.parquet", "results/report.html"],
    ),
    "the table of runs": ("results/runs.parquet", ["results/scaling.json", "results/report.html"]),
    "measures of all runs": ("results/evaluations.parquet", ["results/report.html"]),
    "daily returns": ("results/daily.parquet", ["results/report.html"]),
}
"""What is damaged, and what is deleted so that it must be read again."""
TEXTS = {
    "the record of a vintage": ("data/raw/test-1/source.json", []),
    "a manifest": ("data/raw/test-1/manifest.json", ["data/raw/manifest.json"]),
    "findings": ("data/raw/test-1/quality/Aa20.json", ["results/report.html"]),
    "declarations": ("results/declarations/small.json", ["results/report.html"]),
    "the fits": ("results/scaling.json", ["results/report.html"]),
}


def in_turn(kinds: dict[str, tuple[str, list[str]]]) -> list[tuple[str, str]]:
    """Each kind of file with one of the damages: that the readers notice both is tested apart, bit by bit."""
    return list(zip(kinds, itertools.cycle(DAMAGES), strict=False))


def remove(project: Project, names: list[str]) -> None:
    for name in names:
        path = project.folder / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def refused_by_name(project: Project, path: str, target: str = "results/report.html") -> None:
    done = project.snakemake(target)
    assert done.returncode != 0, done.stdout
    assert "Traceback" not in done.stdout, done.stdout
    assert f"{path}: damaged" in done.stdout, done.stdout


def made_again(project: Project) -> None:
    """The report after the file was deleted, by the same command."""
    done = project.snakemake("results/report.html")
    assert done.returncode == 0, done.stdout


@pytest.mark.faults(
    "A bit flipped anywhere in a table", happens="noticed when the table is read, by name", user=AGAIN
)
def test_no_flipped_bit_of_a_table_is_read_as_a_value(tmp_path: Path, record_property) -> None:
    days = [date(1999, 1, 4) + timedelta(days=n) for n in range(2000)]
    frame = pl.DataFrame({"date": days, "symbol": ["SPY"] * 2000, "close": np.arange(2000) * 0.37})
    write_parquet_atomic(frame, tmp_path / "whole.parquet")
    content, random = (tmp_path / "whole.parquet").read_bytes(), np.random.default_rng(5)
    noticed = unharmed = 0
    for at in random.integers(len(content), size=1000):
        changed = bytearray(content)
        changed[at] ^= 1 << int(random.integers(8))
        (tmp_path / "flipped.parquet").write_bytes(changed)
        try:
            found = read_parquet(tmp_path / "flipped.parquet")
        except IntegrityError as error:
            noticed += "flipped.parquet" in str(error)
            continue
        assert found.equals(frame)  # in a part of the footer that says nothing about values
        unharmed += 1
    record_property("times", 1000)
    record_property(
        "happened", f"{noticed} refused by name, {unharmed} in bytes without meaning, 0 unnoticed"
    )
    assert noticed + unharmed == 1000
    assert noticed > 900


@pytest.mark.faults("A table cut off at any length", happens="refused by name", user=AGAIN)
def test_a_table_is_whole_or_refused(tmp_path: Path, record_property) -> None:
    path = tmp_path / "table.parquet"
    write_parquet_atomic(pl.DataFrame({"x": range(500)}), path)
    content = path.read_bytes()
    for length in range(0, len(content), 7):
        path.write_bytes(content[:length])
        with pytest.raises(IntegrityError, match=r"table\.parquet"):
            read_parquet(path)
    record_property("times", len(range(0, len(content), 7)))


@pytest.mark.faults("JSON cut off at any length", happens="refused by name", user=AGAIN)
def test_json_is_whole_or_refused(tmp_path: Path, record_property) -> None:
    path = tmp_path / "best.json"
    write_json_atomic(path, {"parameters": {"learning_rate": 1e-4}, "name": "é"})
    content = path.read_bytes().rstrip()
    for length in range(len(content)):
        path.write_bytes(content[:length])
        with pytest.raises(IntegrityError, match=r"best\.json"):
            read_json(path)
    record_property("times", len(content))


@pytest.mark.faults("A bit flipped anywhere in JSON", happens="noticed when it is read, by name", user=AGAIN)
def test_no_flipped_bit_of_json_is_read_as_a_value(tmp_path: Path, record_property) -> None:
    path, times = tmp_path / "best.json", 0
    for content in (
        {"parameters": {"learning_rate": 1e-4, "layers": [1, 2]}, "name": "é", "best": True, "worst": None},
        [{"symbol": "SPY", "rows": 12, "sha256": "0" * 64}, {"symbol": "DIA", "rows": 0}],
    ):
        write_json_atomic(path, content)
        whole = path.read_bytes()
        for at, bit in itertools.product(range(len(whole)), range(8)):
            changed = bytearray(whole)
            changed[at] ^= 1 << bit
            path.write_bytes(changed)
            times += 1
            try:
                assert read_json(path) == content, (at, bit, bytes(changed))  # E for e in a number
            except IntegrityError as error:
                assert "best.json: damaged" in str(error)
    record_property("times", times)


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "damage"), in_turn(TABLES))
@pytest.mark.faults(
    "A table torn or altered between two stages (raw, bars, dataset, tables of runs, measures and days)",
    happens="refused by name before it is used; made again after it was deleted, with the same results",
    user=AGAIN,
)
def test_a_damaged_table_is_refused_by_name_and_made_again(copied: Project, kind: str, damage: str) -> None:
    name, needing = TABLES[kind]
    before = (copied.folder / f"{LOGISTIC}/metrics.json").read_bytes()
    DAMAGES[damage](copied.folder / name)
    remove(copied, needing)
    refused_by_name(copied, name)
    (copied.folder / name).unlink(missing_ok=True)
    made_again(copied)
    assert (copied.folder / f"{LOGISTIC}/metrics.json").read_bytes() == before


def test_a_flipped_bit_of_a_dataset_is_refused_by_name(copied: Project) -> None:
    name, needing = TABLES["a dataset"]
    DAMAGES["one bit flipped"](copied.folder / name)
    remove(copied, needing)
    refused_by_name(copied, name)


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "damage"), in_turn(TEXTS))
@pytest.mark.faults(
    "A torn or altered text between two stages (record of the vintage, manifest, findings, declarations, "
    "fits)",
    happens="refused by name; made again after it was deleted",
    user=AGAIN,
)
def test_a_damaged_text_is_refused_by_name_and_made_again(copied: Project, kind: str, damage: str) -> None:
    name, needing = TEXTS[kind]
    before = (copied.folder / name).read_bytes()
    DAMAGES[damage](copied.folder / name)
    remove(copied, needing)
    refused_by_name(copied, name)
    (copied.folder / name).unlink()
    if kind == "the record of a vintage":  # import writes it; nothing else may say what data were made from
        remove(copied, [TABLES["raw prices"][0], *TABLES["raw prices"][1]])
    made_again(copied)
    if not kind.startswith(("a manifest", "declarations")):  # they hold a clock
        assert (copied.folder / name).read_bytes() == before


def test_damaged_parameters_of_a_run_are_not_drawn(copied: Project) -> None:
    plot = f"{LOGISTIC}/plots/confusion_matrix.svg"
    for damage in DAMAGES.values():
        shutil.copy(copied.folder / LOGISTIC / "params.yaml", copied.folder / "aside")
        damage(copied.folder / LOGISTIC / "params.yaml")
        refused_by_name(copied, f"{LOGISTIC}/params.yaml", plot)
        shutil.copy2(copied.folder / "aside", copied.folder / LOGISTIC / "params.yaml")


@pytest.mark.faults(
    "The record of a vintage is a list, a number, or no text",
    happens="refused by name before any job",
    user=AGAIN,
)
def test_a_record_of_a_vintage_that_cannot_be_one_is_a_message(copied: Project) -> None:
    name, _ = TEXTS["the record of a vintage"]
    for content in (b"[1, 2]", b"7", b"\xff\xfe"):
        (copied.folder / name).write_bytes(content)
        refused_by_name(copied, name)


@pytest.mark.parametrize(
    "file",
    [
        "predictions/test.parquet",
        *(pytest.param(file, marks=pytest.mark.slow) for file in ("history.parquet", "params.yaml")),
    ],
)
@pytest.mark.faults(
    "Altered files of a finished run (predictions, history, parameters)",
    happens="named by `make verify`; the run stands in the report as failed, with the file's name",
    user="delete the run's folder, then the same command",
)
def test_altered_predictions_are_verified_and_never_evaluated(copied: Project, file: str) -> None:
    path = copied.folder / LOGISTIC / file
    if file.endswith(".yaml"):
        path.write_text(path.read_text(encoding="utf-8") + "learned: nothing\n", encoding="utf-8")
    else:
        frame = pl.read_parquet(path)
        write_parquet_atomic(frame.with_columns(pl.lit(0.5).alias("prediction")), path)  # whole, and wrong
    verified = subprocess.run(
        [copied.command()[0], "-m", "workflow_scripts.verify"],
        cwd=copied.folder,
        env=copied.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert verified.returncode == 1
    assert f"{LOGISTIC}/{file}: its content differs from the record" in verified.stdout
    remove(copied, ["results/runs.parquet"])
    done = copied.snakemake("results/runs.parquet")
    assert done.returncode == 0, done.stdout
    runs = read_parquet(copied.folder / "results" / "runs.parquet")
    assert dict(runs.select("model", "status").iter_rows()) == {"base_rate": "done", "logistic": "failed"}
    [problem] = runs.filter(pl.col("status") == "failed")["problem"]
    assert file in problem


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.faults(
    "A damaged study of a search",
    happens="set aside with a warning; the search starts over, trains no finished trial again, and ends with "
    "the same trials",
    user="nothing",
)
def test_a_damaged_study_is_set_aside_and_no_finished_trial_is_trained_again(
    tmp_path: Path, capsys, damage: str
) -> None:
    space = SearchSpace(parameters={"learning_rate": FloatRange(low=0.1, high=1.0)}, pruner_warmup_steps=1)
    trained: list[str] = []

    def objective(parameters: dict, report: TrialReport) -> float:
        state = tmp_path / "trials" / report.key
        if not state.exists():  # else the training would be found finished there
            state.mkdir(parents=True)
            trained.append(report.key)
        report.describe({"d_model": 16}, param_count=1234)
        for step in (1, 2, 3):
            report(step, parameters["learning_rate"] + 1 / step)
        report.describe(steps=3)
        return parameters["learning_rate"]

    def search(trials: int) -> SearchResult:
        return run_search(
            space, objective, tmp_path, "s", trials, seed=3,
            discard=lambda key: shutil.rmtree(tmp_path / "trials" / key, ignore_errors=True),
        )  # fmt: skip

    first = search(8)
    assert set(first.trials["state"]) == {"complete", "pruned"}
    assert (len(trained), list((tmp_path / "trials").iterdir())) == (8, [])
    path = tmp_path / "study.db"
    content = bytearray(path.read_bytes())
    if damage == "torn":
        content = content[: len(content) // 2]
    else:  # in the header of a page: what a bit inside a value should be, SQLite cannot know
        content[4096] ^= 0x40
    path.write_bytes(content)
    again = search(8)
    assert "study.db: the study is damaged" in capsys.readouterr().err
    assert (tmp_path / "study.db.damaged-1").exists()
    assert len(trained) == 8
    assert again.trials.equals(first.trials)
    assert again.best == first.best
    assert search(9).trials.height == len(trained) == 9  # and it goes on


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.faults(
    "A damaged study, and a damaged record of what one of its trials came to",
    happens="that trial is trained again, with a warning; the others are not",
    user="nothing",
)
def test_a_damaged_outcome_of_a_trial_is_not_believed(tmp_path: Path, capsys, damage: str) -> None:
    space = SearchSpace(parameters={"learning_rate": FloatRange(low=0.1, high=1.0)})
    trained: list[float] = []

    def objective(parameters: dict, report: TrialReport) -> float:
        trained.append(parameters["learning_rate"])
        return parameters["learning_rate"]

    first = run_search(space, objective, tmp_path, "s", 4, seed=3)
    (tmp_path / "study.db").unlink()
    [hurt, *_] = sorted((tmp_path / "trained").iterdir())
    DAMAGES[damage](hurt)
    again = run_search(space, objective, tmp_path, "s", 4, seed=3)
    assert again.best["parameters"] == first.best["parameters"]
    assert (len(trained), len(set(trained))) == (5, 4)
    said = capsys.readouterr().err
    assert hurt.name in said
    assert said.count("The trial is trained again") == 1


@pytest.mark.faults(
    "A torn benchmark file of Snakemake", happens="one warning; the report is made without it", user="nothing"
)
def test_a_torn_benchmark_does_not_stop_the_report(tmp_path: Path, capsys) -> None:
    from lib.jobs.gather import job_costs

    (tmp_path / "train").mkdir()
    for name, text in {"a.tsv": "", "b.tsv": "s\th:m:s\tmax_r", "c.tsv": "s\tmax_rss\n2.0\t10.0\n"}.items():
        (tmp_path / "train" / name).write_text(text)
    costs = job_costs(tmp_path)
    assert costs.select("rule", "jobs", "seconds").rows() == [("train", 1, 2.0)]
    assert capsys.readouterr().err.count("not a whole measurement") == 2


@pytest.mark.faults(
    "A torn record of what a training was started with (machine.json)", happens="refused by name", user=AGAIN
)
def test_a_torn_machine_choice_is_refused_by_name(tmp_path: Path) -> None:
    from lib.models.job import MACHINE_CHOICE, _read_choice

    path = tmp_path / MACHINE_CHOICE
    path.write_text('{"micro_batch": ')
    with pytest.raises(IntegrityError, match=MACHINE_CHOICE):
        _read_choice(path, ("micro_batch",))


def test_every_file_of_a_finished_study_that_has_a_record_is_verified(finished: Project) -> None:
    from lib.data.manifest import verify

    checked, mismatches = verify(finished.folder)
    assert mismatches == []
    provenance = json.loads((finished.folder / LOGISTIC / "provenance.json").read_text())
    assert checked >= 3 + 2 * len(provenance["files"])
