"""Bad input ends with one clear message and exit code 1, before any training; nothing half-made is left."""

import polars as pl
import pytest


def refused(project, *expected: str) -> str:
    done = project.snakemake("results/report.html")
    assert done.returncode != 0, done.stdout
    for words in expected:
        assert words in done.stdout
    assert "Traceback" not in done.stdout
    assert not (project.folder / "results" / "runs").exists()
    assert not list((project.folder / "data").rglob("*.tmp*")) if (project.folder / "data").exists() else True
    return done.stdout


def nothing_was_imported(project) -> bool:
    return not list(project.folder.glob("data/raw/*/prices/*"))


def rewrite(project, change) -> None:
    change(pl.read_csv(project.csv(), try_parse_dates=True)).write_csv(project.csv())


# -- configuration: refused before the first job --


def test_unknown_key(project):
    project.study(training={"max_step": 3})
    refused(project, "unknown key `training.max_step`", "max_steps: 3")
    assert nothing_was_imported(project)


def test_impossible_split_dates(project):
    project.study(data={"splits": {"train_end": "2007-01-01", "validation_start": "2006-01-01",
                                   "validation_end": "2007-06-30", "test_start": "2007-07-01"}})  # fmt: skip
    refused(project, "validation_start (2006-01-01) must come after train_end (2007-01-01)")
    assert nothing_was_imported(project)


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
def test_an_experiment_that_cannot_be_meant(project, change, expected):
    project.experiment(**change)
    refused(project, expected)
    assert nothing_was_imported(project)


def test_a_channel_count_that_does_not_fit_the_budget(project):
    path = project.folder / "config" / "architectures" / "patchtst_2m.yaml"
    text = path.read_text()
    assert "d_model: 144" in text
    path.write_text(text.replace("d_model: 144", "d_model: 480"))
    project.experiment(models=["patchtst-mixed"], budgets=["2M"])
    refused(project, "2M", "parameters")
    assert nothing_was_imported(project)


def test_a_missing_market_data_directory(project, monkeypatch):
    monkeypatch.delenv("MARKET_DATA_DIR", raising=False)
    project.study(data={"folder": "${MARKET_DATA_DIR}"})
    refused(project, "environment variable MARKET_DATA_DIR")


# -- data: refused at the door --


def test_a_missing_symbol_file(project):
    project.csv().rename(project.csv("QQQ"))
    refused(project, "SPY", "QQQ")


def test_a_csv_without_a_high_column(project):
    rewrite(project, lambda prices: prices.drop("high"))
    refused(project, "high", "SPY")
    assert nothing_was_imported(project)


def test_duplicate_dates(project):
    rewrite(project, lambda prices: pl.concat([prices, prices.slice(100, 1)]))
    refused(project, "duplicate", "SPY")
    assert nothing_was_imported(project)


def test_nan_prices(project):
    rewrite(
        project,
        lambda p: p.with_columns(close=pl.when(pl.int_range(pl.len()) == 50).then(None).otherwise("close")),
    )
    refused(project, "SPY", "close")
    assert nothing_was_imported(project)


def test_high_below_low(project):
    rewrite(project, lambda p: p.with_columns(high=pl.when(pl.int_range(pl.len()) == 50).then(pl.col("low") * 0.9).otherwise("high")))  # fmt: skip  # noqa: E501
    refused(project, "SPY", "high")
    assert nothing_was_imported(project)


def test_an_empty_file(project):
    project.csv().write_text("")
    refused(project, "SPY", "empty")
    assert nothing_was_imported(project)


def test_a_horizon_longer_than_the_data(project):
    project.experiment(horizons=[5000])
    refused(project, "horizon")


def test_too_few_training_windows(project):
    project.study(data={"splits": {"train_end": "2000-09-30", "validation_start": "2000-10-01",
                                   "validation_end": "2007-06-30", "test_start": "2007-07-01"}})  # fmt: skip
    refused(project, "windows", "allow_small")
