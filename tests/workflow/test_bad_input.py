"""Bad input ends with one clear message and exit code 1, before any training; nothing half-made is left."""

import os
import re

import polars as pl
import pytest
import yaml

from lib.errors import StudyError
from lib.study.plan import plan_study
from tests.conftest import make_project


def nothing_is_half_made(project) -> None:
    assert not (project.folder / "results" / "runs").exists()
    assert not list((project.folder / "data").rglob("*.tmp*")) if (project.folder / "data").exists() else True


def refused(project, *expected: str, target: str = "results/report.html") -> str:
    done = project.snakemake("--keep-going", target)
    assert done.returncode != 0, done.stdout
    for words in expected:
        assert words in done.stdout
    assert "Traceback" not in done.stdout
    nothing_is_half_made(project)
    return done.stdout


# -- configuration: refused before the first job --


def refused_in_planning(project, *expected: str) -> None:
    """As the Snakefile plans before anything else (`test_a_refused_plan_ends_snakemake`)."""
    content = yaml.safe_load((project.folder / "study.yaml").read_text())
    with pytest.raises(StudyError) as caught:
        plan_study(content, project.folder / "config", os.environ)
    for words in expected:
        assert words in str(caught.value)


def test_a_refused_plan_ends_snakemake(project):
    project.study(training={"max_step": 3})
    refused(project, "unknown key `training.max_step`", "max_steps: 3")
    assert not list(project.folder.glob("data/raw/*/prices/*"))


def test_impossible_split_dates(project):
    project.study(data={"splits": {"train_end": "2007-01-01", "validation_start": "2006-01-01",
                                   "validation_end": "2007-06-30", "test_start": "2007-07-01"}})  # fmt: skip
    refused_in_planning(project, "validation_start (2006-01-01) must come after train_end (2007-01-01)")


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"tasks": ["threshold_4pct"]}, "threshold_5pct"),
        ({"budgets": ["3M"], "models": ["patchtst-mixed"]}, "2M, 20M, 200M"),
        ({"datasets": ["Za20"]}, "datasets.0"),
        ({"datasets": ["Aa30"]}, "datasets.0"),
        ({"datasets": ["Ab20"]}, "sentiment"),
        ({"timescales": ["hourly"]}, "timescales.0"),
        ({"models": ["logistics"]}, "Did you mean logistic.yaml?"),
        ({"models": ["patchtst-mixed"]}, "needs `budgets:`"),
    ],
)
def test_an_experiment_that_cannot_be_meant(project, monkeypatch, change, expected):
    monkeypatch.chdir(project.folder)
    project.experiment(**change)
    refused_in_planning(project, expected)


def test_a_channel_count_that_does_not_fit_the_budget(project):
    path = project.folder / "config" / "architectures" / "patchtst_2m.yaml"
    text = path.read_text()
    assert "d_model: 144" in text
    path.write_text(text.replace("d_model: 144", "d_model: 480"))
    project.experiment(models=["patchtst-mixed"], budgets=["2M"])
    refused_in_planning(project, "2M", "parameters")


def test_a_missing_market_data_directory(project, monkeypatch):
    monkeypatch.delenv("MARKET_DATA_DIR", raising=False)
    project.study(data={"folder": "${MARKET_DATA_DIR}"})
    refused_in_planning(project, "environment variable MARKET_DATA_DIR")


# -- data: refused at the door --


def at_day_50(column: str, value: pl.Expr | None):
    return pl.when(pl.int_range(pl.len()) == 50).then(value).otherwise(column).alias(column)


LEVELS = ["open", "high", "low", "close"]
CHANGES = {
    "DIA": lambda prices: prices.drop("high"),
    "QQQ": lambda prices: pl.concat([prices, prices.slice(100, 1)]),
    "AAPL": lambda prices: prices.with_columns(at_day_50("close", None)),
    "MSFT": lambda prices: prices.with_columns(at_day_50("high", pl.col("low") * 0.9)),
    "GOOGL": lambda prices: prices.with_columns(
        pl.when(pl.col("date") > pl.date(2004, 6, 1)).then(pl.col(LEVELS) / 4).otherwise(pl.col(LEVELS))
    ),
}
"""What is wrong with a symbol's prices; besides, AMZN's file is empty."""


@pytest.fixture(scope="module")
def said(tmp_path_factory, market) -> dict[str, str]:
    """What is said of each symbol whose prices are refused, in one run that goes on as far as it can."""
    project = make_project(tmp_path_factory.mktemp("refused") / "study", market)
    prices = pl.read_csv(project.csv(), try_parse_dates=True)
    for symbol, change in CHANGES.items():
        change(prices).write_csv(project.csv(symbol))
    project.csv("AMZN").write_text("")
    path = project.folder / "config" / "data" / "assets.yaml"
    content = yaml.safe_load(path.read_text())
    content["rows"]["A"] = ["SPY", *CHANGES, "AMZN"]
    path.write_text(yaml.safe_dump(content | {"rows": content["rows"] | {"B": [], "C": [], "D": []}}))
    text = refused(project)
    imported = {path.stem for path in project.folder.glob("data/raw/*/prices/*")}
    assert imported == {"SPY"}, "of the others nothing was imported"
    parts = re.split(r"^(?:local)?rule import_prices:$", text, flags=re.MULTILINE)[1:]
    return {re.search(r"symbol=(\w+)", part)[1]: part for part in parts}


@pytest.mark.parametrize(
    ("symbol", "words"),
    [
        ("DIA", "high"),
        ("QQQ", "duplicate"),
        ("AAPL", "close"),
        ("MSFT", "high"),
        ("GOOGL", "2004-06-02: unadjusted split"),
        ("AMZN", "empty"),
    ],
)
def test_prices_that_cannot_be_right_are_named_with_their_symbol(said, symbol, words):
    assert re.search(rf"\b{symbol}\b.*{words}", said[symbol]), said[symbol]


def test_a_horizon_longer_than_the_data(prepared):
    prepared.experiment(horizons=[5000])
    refused(prepared, "horizon")


def test_too_few_training_windows(prepared):
    prepared.study(data={"splits": {"train_end": "2000-09-30", "validation_start": "2000-10-01",
                                    "validation_end": "2007-06-30", "test_start": "2007-07-01"}})  # fmt: skip
    refused(prepared, "windows", "allow_small")
