"""Raw data in real Snakemake runs: parallel, partial, immutable, checked again, and never without its key."""

import subprocess
import sys
from datetime import date, timedelta

import polars as pl
import pytest
from test_bad_input import refused_in_planning

from lib.data.calendar import sessions_of
from lib.data.io import read_json
from lib.data.manifest import verify
from tests import servers
from tests.conftest import PATIENCE_SECONDS
from tests.servers import Answer, serving
from tests.snakemake_process import run_snakemake

SERIES = {"sentiment/news_sentiment": 0.1, "fred/VIXCLS": 20.0}


def add_market(project, *symbols: str) -> None:
    """More symbols with SPY's prices, and series on every day of them."""
    prices = pl.read_csv(project.csv(), try_parse_dates=True)
    for symbol in symbols:
        prices.write_csv(project.csv(symbol))
    days = pl.date_range(date(1999, 1, 4), date(2008, 12, 31), eager=True)
    for name, level in SERIES.items():
        path = project.folder / "market" / f"{name}.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        wave = [level * (1 + 0.3 * ((7 * n) % 13) / 13) for n in range(len(days))]
        pl.DataFrame({"date": days, "value": wave}).write_csv(path)


def run(project, *arguments: str, **environment: str):
    command, variables = project.command(*arguments), project.environment | environment
    return run_snakemake(command, project.folder, variables, PATIENCE_SECONDS)


def raw_entries(project) -> list[str]:
    manifest = read_json(project.folder / "data/raw/manifest.json")
    return [entry["path"] for entry in manifest]


def test_four_jobs_at_once_write_one_correct_manifest_and_nothing_is_done_twice(project):
    add_market(project, "DIA", "QQQ")
    project.experiment(datasets=["Cc20"])
    done = run(project, "--cores", "4", "vintage")
    assert done.returncode == 0, done.stdout
    names = ["prices/DIA", "prices/QQQ", "prices/SPY", "series/SENTIMENT", "series/VIX"]
    assert raw_entries(project) == [f"data/raw/test-1/{name}.parquet" for name in names]
    assert verify(project.folder) == (5, [])
    assert "Nothing to be done" in run(project, "-n", "vintage").stdout

    # New thresholds judge the same files again; nothing is imported.
    project.study(data={"validation": {"stale_days": 3}})
    again = run(project, "-n", "vintage").stdout
    assert "rule check_quality" in again
    assert "rule import_" not in again

    # A vintage is never overwritten.
    project.study(data={"source": "synthetic"})
    project.experiment(datasets=["Aa20"])
    refused = run(project, "-n", "vintage")
    assert refused.returncode != 0
    assert "vintage test-1 (data/raw/test-1) was made from other data" in refused.stdout
    assert "source: 'files' there, 'synthetic' in the configuration" in refused.stdout

    backup = [sys.executable, "-m", "workflow_scripts.backup", str(project.folder.parent / "copy")]
    for words in (" files copied", "0 files copied"):
        copied = subprocess.run(
            backup, cwd=project.folder, env=project.environment, capture_output=True, text=True, check=False
        )
        assert copied.returncode == 0, copied.stderr
        assert words in copied.stdout
    assert verify(project.folder.parent / "copy") == (5, [])
    for path in (project.folder / "data").rglob("*.parquet"):  # Snakemake decides by times after a restore
        copy = project.folder.parent / "copy" / path.relative_to(project.folder)
        assert copy.stat().st_mtime_ns == path.stat().st_mtime_ns


def test_a_rule_can_be_made_an_error(project):
    prices = pl.read_csv(project.csv(), try_parse_dates=True)
    # A move of the day itself: overnight it would be a split that was not adjusted for.
    late, after = pl.col("date") > date(2004, 6, 1), pl.col("date") > date(2004, 6, 2)
    prices.with_columns(
        pl.when(late).then(pl.col("high", "close") * 1.7).otherwise(pl.col("high", "close")),
        pl.when(after).then(pl.col("open", "low") * 1.7).otherwise(pl.col("open", "low")),
    ).write_csv(project.csv())
    assert run(project, "vintage").returncode == 0
    [finding] = read_json(project.folder / "data/raw/test-1/quality/Aa20.json")
    assert (finding["rule"], finding["severity"], finding["date"]) == ("jump", "warning", "2004-06-02")
    project.study(data={"validation": {"severity": {"jump": "error"}}})
    done = run(project, "results/report.html")
    assert done.returncode != 0
    assert "SPY 2004-06-02: jump" in done.stdout
    assert not (project.folder / "results" / "runs").exists()


@pytest.mark.parametrize(
    ("dataset", "words"),
    [
        ("Eb20", "dataset Eb20 needs DGS10"),
        ("Ad20", "dataset Ad20 needs TRENDS_STOCK_MARKET"),
    ],
)
def test_a_missing_required_series_refuses_the_dataset_at_the_start(project, monkeypatch, dataset, words):
    monkeypatch.chdir(project.folder)
    add_market(project)
    project.experiment(datasets=[dataset])
    refused_in_planning(project, words, "Sources that know it: ")


def test_a_required_series_that_ends_early_is_refused_before_training(project):
    add_market(project)
    path = project.folder / "market" / "sentiment" / "news_sentiment.csv"
    pl.read_csv(path).head(2000).write_csv(path)
    project.experiment(datasets=["Ab20"])
    done = run(project, "results/report.html")
    assert done.returncode != 0
    assert "series SENTIMENT ends on 2004-" in done.stdout
    assert not (project.folder / "results" / "runs").exists()


def online(project, yahoo: str, fred: str, sentiment: str) -> None:
    addresses = {"yahoo": yahoo, "fred": fred, "sentiment": sentiment}
    project.study(
        data={
            "source": "yahoo",
            "vintage": "online-1",
            "addresses": addresses,
            "download": {"attempts": 2, "first_pause_seconds": 0.1, "timeout_seconds": 5},
        }
    )


def test_a_partial_universe_is_resumed_and_the_key_is_nowhere(project):
    sessions = sessions_of("XNYS")
    days = sessions.filter(sessions < date.today()).tail(1000).to_list()
    close = pl.read_csv(project.csv())["close"].head(1000).to_list()
    rows = [(str(day), "20.5", str(day + timedelta(days=1))) for day in days]
    sound = {"QQQ": False}

    def chart(symbol: str) -> Answer:
        if symbol == "QQQ" and not sound["QQQ"]:
            return Answer(b"busy", status=503)
        return servers.chart(days, [c + 0.001 * (n % 7) for n, c in enumerate(close)])

    book = servers.workbook([(day, 0.1 + 0.01 * (7 * n % 13)) for n, day in enumerate(days)])
    project.experiment(datasets=["Cc20"])
    with (
        serving(servers.yahoo(chart)) as yahoo,
        serving(lambda path, query: servers.observations(rows)) as fred,
        serving(lambda path, query: Answer(book)) as bank,
    ):
        online(project, yahoo.address, fred.address, bank.address)
        no_key = run(project, "vintage", "--keep-going", FRED_API_KEY="")
        assert no_key.returncode != 0
        assert "FRED_API_KEY" in no_key.stdout
        assert "Yahoo QQQ" in no_key.stdout
        there = sorted(path.stem for path in project.folder.glob("data/raw/online-1/*/*.parquet"))
        assert there == ["DIA", "SENTIMENT", "SPY"]

        sound["QQQ"] = True
        before = [path for path in yahoo.asked if "/chart/SPY" in path]
        done = run(project, "vintage", FRED_API_KEY="planted-secret-key")
        assert done.returncode == 0, done.stdout
        assert [path for path in yahoo.asked if "/chart/SPY" in path] == before
        assert any("planted-secret-key" in path for path in fred.asked)
    assert len(raw_entries(project)) == 5
    for path in project.folder.rglob("*"):
        if path.is_file():
            assert b"planted-secret-key" not in path.read_bytes(), path
    assert "planted-secret-key" not in done.stdout


PLUGIN = '''"""Prices that a friend keeps."""

from __future__ import annotations

from typing import Self

import polars as pl

from lib.config.data import DataConfig
from lib.data.sources import Source
from lib.data.sources.files import FilesSource


class FriendSource(Source):
    """Another name for a folder."""

    name = "friend"
    gives_prices = True

    @classmethod
    def open(cls, data: DataConfig) -> Self:
        return cls()

    def prices(self, symbol: str) -> pl.DataFrame:
        from pathlib import Path

        return FilesSource(Path("market")).prices(symbol)


SOURCE = FriendSource
'''


def test_a_new_source_is_one_file(project):
    (project.folder / "lib" / "data" / "sources" / "friend.py").write_text(PLUGIN)
    project.study(data={"source": "friend"})
    done = run(project, "vintage")
    assert done.returncode == 0, done.stdout
    assert raw_entries(project) == ["data/raw/test-1/prices/SPY.parquet"]


def test_a_symbol_and_a_series_are_added_by_configuration_alone(project):
    add_market(project, "GLD")
    (project.folder / "market" / "fred" / "CREDIT.csv").write_bytes(
        (project.folder / "market" / "fred" / "VIXCLS.csv").read_bytes()
    )
    assets = project.folder / "config" / "data" / "assets.yaml"
    assets.write_text(assets.read_text().replace("B: [DIA]", "B: [GLD]"))
    series = project.folder / "config" / "data" / "series.yaml"
    own = "  CREDIT:\n    title: A spread\n    group: rate\n    names: {files: fred/CREDIT}\n"
    text = series.read_text().replace("series:\n", f"series:\n{own}", 1)
    series.write_text(text.replace("required: [SENTIMENT]", "required: [SENTIMENT, CREDIT]"))
    project.experiment(datasets=["Bb20"])
    done = run(project, "results/matrix.csv")
    assert done.returncode == 0, done.stdout
    row = pl.read_csv(project.folder / "results" / "matrix.csv")
    assert (row["symbols"][0], row["channels"][0]) == (2, 20 + 7 + 5)
