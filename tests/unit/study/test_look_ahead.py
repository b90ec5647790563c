"""`make leak-check` finds what leaks and passes what does not: features, series, sources and models."""

from datetime import date, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from lib.config.data import DataConfig
from lib.config.resolve import RunSpecification
from lib.config.series_table import SeriesDefinition, SeriesFile
from lib.config.training import Recipe
from lib.config.validation import validate
from lib.config.yaml_files import read_yaml
from lib.data.sources.files import FilesSource
from lib.errors import ConfigError
from lib.features import groups
from lib.features.declaration import Feature
from lib.models import registry
from lib.study.leak_check import check_sources as sources
from lib.study.leak_check.check_features import (
    SHIPPED,
    check_catalogue,
    check_feature,
    features_named,
    made_prices,
)
from lib.study.leak_check.check_models import check_model
from lib.study.leak_check.check_series import check_series
from lib.study.leak_check.check_sources import check_source
from lib.study.leak_check.futures import CUT_OFF, KINDS, difference, with_future
from lib.study.leak_check.leak_check import leak_check
from lib.study.leak_check.outcome import Outcome, conclusion
from tests.conftest import ROOT

SPLITS = {"train_end": "2005-12-31", "validation_start": "2006-01-01",
          "validation_end": "2007-06-30", "test_start": "2007-07-01"}  # fmt: skip
SERIES = validate(SeriesFile, read_yaml(ROOT / "config" / "data" / "series.yaml"), "series")
CLOSE, VOLUME = pl.col("close"), pl.col("volume")


# -- futures --


@pytest.mark.parametrize("kind", KINDS)
def test_another_future_leaves_the_past_and_changes_what_follows(kind):
    prices = made_prices(date(2004, 1, 2), date(2005, 12, 30))
    columns = ("open", "high", "low", "close")
    later = pl.col("date") > date(2005, 6, 15)
    other = with_future(prices, kind, later, [columns, ("volume",)])
    assert other.filter(~later).equals(prices.filter(~later))
    assert not other.filter(later).equals(prices.filter(later))
    assert (other["high"] >= other["low"]).all()
    assert (other["low"] > 0).all()
    assert other.height == (prices.filter(~later).height if kind == CUT_OFF else prices.height)


def test_differences_are_exact_and_nothing_else_counts():
    frame = pl.DataFrame(
        {"date": [date(2020, 1, d) for d in (1, 2, 3)], "x": [None, float("nan"), 1.0]}, strict=False
    )
    assert difference(frame, frame, CUT_OFF, date(2020, 1, 3)) is None
    nudged = frame.with_columns(x=pl.Series([None, float("nan"), np.nextafter(1.0, 2.0)]))
    found = difference(frame, nudged, CUT_OFF, date(2020, 1, 3))
    assert found is not None
    assert (found.column, found.day) == ("x", date(2020, 1, 3))
    assert difference(frame, nudged, CUT_OFF, date(2020, 1, 2)) is None
    assert "the row of 2020-01-03" in str(difference(frame, frame.head(2), CUT_OFF, date(2020, 1, 3)))


# -- features --


def feature(compute, look_back: int = 20) -> Feature:
    return Feature("own", "own", "", {}, ("close",), look_back, 20, "Polars", compute=compute)


def every_twentieth(bars):
    """Tomorrow's close on one bar of twenty: seen at the cut just before it only."""
    return pl.when(pl.int_range(pl.len()) % 20 == 7).then(CLOSE.shift(-1) / CLOSE).otherwise(1.0)


LEAKING = {
    "centred mean": lambda bars: CLOSE / CLOSE.rolling_mean(9, center=True),
    "tomorrow": lambda bars: CLOSE.shift(-1) / CLOSE,
    "tomorrow's sign": lambda bars: (CLOSE.shift(-1, fill_value=0.0) > CLOSE).cast(pl.Float64),
    "between lowest and highest": lambda bars: (CLOSE - CLOSE.min()) / (CLOSE.max() - CLOSE.min()),
    "highest ever": lambda bars: CLOSE / CLOSE.max(),
    "lowest ever": lambda bars: CLOSE / CLOSE.min(),
    "standardised": lambda bars: (CLOSE - CLOSE.mean()) / CLOSE.std(),
    "rank": lambda bars: CLOSE.rank() / pl.len(),
    "filled backwards": lambda bars: (
        pl.when(VOLUME > 0).then(VOLUME).otherwise(None).backward_fill() / VOLUME.rolling_mean(9)
    ),
    "one bar of twenty": every_twentieth,
    "bars to come": lambda bars: (pl.len() - pl.int_range(pl.len())) / 1000,
    "seed from the length": lambda bars: np.random.default_rng(bars.height).standard_normal(bars.height),
    "volume to come": lambda bars: VOLUME.shift(-3) / 1e6,
}


@pytest.mark.parametrize("name", LEAKING)
def test_a_feature_that_knows_the_future_is_found(name):
    verdict = check_feature(feature(LEAKING[name]), "daily")
    assert verdict.state == "leak"
    assert not verdict.passes
    assert "own on 20" in verdict.found


CLEAN = {
    "long warm-up": lambda bars: CLOSE / CLOSE.rolling_mean(250),
    "never forgets": lambda bars: CLOSE / CLOSE.ewm_mean(span=900, adjust=True),
    "seeded jitter": lambda bars: (
        bars["close"].to_numpy() * (1 + 1e-3 * np.random.default_rng(7).standard_normal(bars.height))
    ),
}


@pytest.mark.parametrize("name", CLEAN)
def test_a_feature_that_looks_back_passes(name):
    verdict = check_feature(feature(CLEAN[name], 250), "daily")
    assert verdict.state == "clean", verdict.found
    assert "other futures" in verdict.found


def test_a_feature_at_a_slow_timescale_is_judged_on_its_bars():
    assert check_feature(feature(LEAKING["tomorrow"]), "weekly").state == "leak"


def test_what_cannot_be_judged_is_no_leak_and_no_pass():
    random = np.random.default_rng()
    unseeded = check_feature(feature(lambda bars: random.standard_normal(bars.height)), "daily")
    assert (unseeded.state, unseeded.passes) == ("unclear", False)
    assert "gives other values" in unseeded.found
    broken = check_feature(feature(lambda bars: bars["colse"].to_numpy()), "daily")
    assert (broken.state, broken.passes) == ("unclear", False)
    assert "colse" in broken.found


def test_a_feature_without_prices_passes_and_it_is_said():
    verdict = check_feature(feature(lambda bars: pl.col("date").dt.weekday() / 5), "daily")
    assert verdict.state == "clean"
    assert "does not depend on prices" in verdict.found


def test_shipped_features_pass_and_are_found_by_name():
    assert check_catalogue(50, "daily").state == "clean"
    assert len(features_named("averages", ["daily"])) > 10
    [(rsi, timescale)] = features_named("rsi_14", ["daily"])
    assert (rsi.name, timescale) == ("rsi_14", "daily")
    with pytest.raises(ConfigError, match="Did you mean rsi_14"):
        features_named("rsi_14x", ["daily"])
    assert {p.stem for p in (ROOT / "lib" / "features" / "families").glob("[a-z]*.py")} >= SHIPPED


# -- series --


def definition(**publication) -> SeriesDefinition:
    return SeriesDefinition(
        title="x", group="volatility", publication=publication, names={"files": "x"}, frequency="daily"
    )


def values(dates: list[date]) -> pl.DataFrame:
    random = np.random.default_rng(3)
    level = 20 * np.exp(np.cumsum(0.02 * random.standard_normal(len(dates))))
    return pl.DataFrame({"date": dates, "value": level}).with_columns(available_from=pl.lit(None, pl.Date))


MONTHS = [date(1995 + n // 12, 1 + n % 12, 1) for n in range(260)]
DAYS = [date(2019, 1, 1) + timedelta(days=n) for n in range(1500)]


def judged(frame: pl.DataFrame | None, **publication) -> Outcome:
    return check_series("X", {"X": definition(**publication)}, lambda name: frame)


def test_a_month_that_is_used_before_it_is_over_is_found():
    verdict = judged(values(MONTHS), days=0)
    assert verdict.state == "leak"
    assert "before it is over" in verdict.found
    assert judged(values(MONTHS), days=0, period="own").state == "clean"
    middle = values([day + timedelta(days=14) for day in MONTHS])
    assert judged(middle, days=0).state == "clean", "a value of the 15th need not be the month's"


def test_a_lag_that_the_source_contradicts_is_found():
    half = pl.int_range(pl.len()) % 2 == 0
    stated = values(DAYS).with_columns(
        available_from=pl.when(half).then(pl.col("date") + pl.duration(days=2)).cast(pl.Date)
    )
    verdict = judged(stated, days=0, business_days=False)
    assert verdict.state == "leak"
    assert "2 day(s) before the source says" in verdict.found
    clean = judged(stated, days=2, business_days=False)
    assert clean.state == "clean"
    assert "X of Wed 2023-02-08 is used from 2023-02-10 on" in clean.found


def test_an_indicator_of_tomorrows_value_is_found(monkeypatch):
    ahead = groups.SeriesFeature(
        "ahead_{n}", "volatility", "", dict.fromkeys(("daily", "weekly", "monthly"), 1), lambda n: n + 1,
        lambda n: pl.col("value").shift(-1, fill_value=0.0) / pl.col("value"),
    )  # fmt: skip
    assert judged(None).state == "clean"
    monkeypatch.setattr(groups, "_features", [*groups._features, ahead])
    verdict = judged(None)
    assert verdict.state == "leak"
    assert "x_ahead_1" in verdict.found


def test_a_value_that_is_joined_before_it_was_public_is_found(monkeypatch):
    honest = groups.series_channels
    monkeypatch.setattr(
        groups, "series_channels", lambda each: honest(each).with_columns(available_from="observed")
    )
    assert judged(None, days=7).state == "leak"
    assert judged(None, days=0, business_days=False).state == "clean", "nothing to wait for"


def test_a_shipped_series_made_of_two_passes():
    assert check_series("YIELD_SLOPE", SERIES.series, lambda part: None).state == "clean"


# -- sources --


class Backwards(FilesSource):
    """Fills what is missing from the next day."""

    def prices(self, symbol):
        return super().prices(symbol).fill_null(strategy="backward")


class Forwards(FilesSource):
    """Fills what is missing from the day before."""

    def prices(self, symbol):
        return super().prices(symbol).fill_null(strategy="forward")


class EveryDay(FilesSource):
    """Adds days that the file lacks, with the prices of the next one."""

    def prices(self, symbol):
        found = super().prices(symbol)
        return found.upsample("date", every="1d").select(pl.all().fill_null(strategy="backward"))


class Scaled(FilesSource):
    """Divides volume by its mean."""

    def prices(self, symbol):
        return super().prices(symbol).with_columns(pl.col("volume") / pl.col("volume").mean())


class Elsewhere(FilesSource):
    """Reads nothing of what `data:` names."""

    def prices(self, symbol):
        return made_prices(date(2004, 1, 2), date(2005, 12, 30))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two years of a symbol; on some days a cell is empty, and days are missing."""
    place = tmp_path_factory.mktemp("market")
    prices = made_prices(date(2004, 1, 2), date(2005, 12, 30)).drop("symbol")
    torn = pl.int_range(pl.len()).is_in([100, 211])
    prices = prices.with_columns(open=pl.when(torn).then(None).otherwise("open"))
    (place / "ohlcv").mkdir()
    prices.write_csv(place / "ohlcv" / "SPY.csv")
    (place / "ohlcv" / "OTHER.csv").write_text("not,a\ntable,of prices\n")
    return place


def sourced(folder, monkeypatch, kind, name="own") -> Outcome:
    data = DataConfig.model_validate(
        {"source": "files", "folder": str(folder), "vintage": "v", "splits": SPLITS}
    )
    monkeypatch.setattr(sources, "open_source", lambda section, name: kind.open(section))
    [verdict] = check_source(name, data, ["SPY"], [])
    return verdict


@pytest.mark.parametrize(
    ("kind", "column"), [(Backwards, "open"), (EveryDay, "the row of"), (Scaled, "volume")]
)
def test_a_source_that_knows_later_rows_is_found(folder, monkeypatch, kind, column):
    before = {path: path.read_bytes() for path in folder.rglob("*.csv")}
    verdict = sourced(folder, monkeypatch, kind)
    assert verdict.state == "leak"
    assert column in verdict.found
    assert {path: path.read_bytes() for path in folder.rglob("*.csv")} == before, "of the user's files none"


def test_a_source_that_looks_back_passes(folder, monkeypatch):
    verdict = sourced(folder, monkeypatch, Forwards)
    assert verdict.state == "clean", verdict.found
    assert sourced(folder, monkeypatch, FilesSource, "files").state == "clean"


def test_a_source_out_of_reach_is_no_pass(folder, monkeypatch):
    verdict = sourced(folder, monkeypatch, Elsewhere)
    assert (verdict.state, verdict.passes) == ("not checked", False)
    shipped = sourced(folder, monkeypatch, FilesSource, "fred")
    assert (shipped.state, shipped.passes) == ("not checked", True)


def test_a_series_of_a_source_is_cut_by_the_day_it_was_public(tmp_path):
    frame = values(DAYS[:400]).with_columns(available_from=pl.col("date") + pl.duration(days=5))
    frame.write_csv(tmp_path / "X.csv")
    frame.write_parquet(tmp_path / "Y.parquet")
    section = {"source": "files", "folder": str(tmp_path), "vintage": "v", "splits": SPLITS}
    found = list(check_source("files", DataConfig.model_validate(section), [], ["X", "Y"], named=True))
    assert [verdict.state for verdict in found] == ["clean", "clean"], found


# -- models --

PLUGIN = '''
"""A model for a test."""

import numpy as np

from lib.config.base import StrictModel
from lib.models.contract import Model, ModelMetadata
from lib.models.registry import register
from lib.models.rounds import history_row, untrained_result


class OwnSettings(StrictModel):
    pass


@register("leaks:{name}")
class Own(Model):
    metadata = ModelMetadata(has_budget=False, input="last_bar")
    Settings = OwnSettings

    def fit(self, train, selection, context):
        self.check_training(train, selection)
        bars = train.last_bars()
        self.mean, self.std, self.noise = bars.mean(axis=0), bars.std(axis=0) + 1e-9, 0.0
        self.rate = float(train.target.mean())
        {fit}
        return untrained_result(0.7, 0.0, [history_row(1, 0.7, 0.7, 0.7, 0.0)])

    def forecast(self, samples):
        score = ((samples.last_bars() - self.mean) / self.std)[:, 0] + self.rate + self.noise
        {forecast}
        return 1 / (1 + np.exp(-score))

    def save(self, folder):
        raise NotImplementedError

    @classmethod
    def load(cls, folder):
        raise NotImplementedError
'''
MODELS = {
    "clean": ("", "", "clean", "the same fit and forecasts"),
    "seeded": ("self.noise = np.random.default_rng(context.seed).random()", "", "clean", "the same fit"),
    "unseeded": ("self.noise = np.random.default_rng().random()", "", "unclear", "use context.seed"),
    "whole_history": ("self.mean = train.matrix.mean(axis=0)", "", "leak", "fit sees bars after selection"),
    "later_returns": (
        "self.rate = float((train.matrix[selection.ends.max() + 1 :, 0] > 0).mean())",
        "",
        "leak",
        "fit needs bars after selection: cut off, it fails",
    ),
    "next_returns": (
        "self.rate = float(train.matrix[np.minimum(selection.ends + 1, len(train.matrix) - 1), 0].mean())",
        "",
        "leak",
        "fit sees bars after selection",
    ),
    "selection_targets": (
        "self.rate = float(np.r_[train.target, selection.target[:50]].mean())",
        "",
        "leak",
        "learns from the selection targets",
    ),
    "chooses": (
        "self.rate = float(selection.target.mean() > 0.5); "
        "return untrained_result(0.7, 0.0, [history_row(n, 0.7, 0.7, 0.7, 0.0) for n in (1, 2)])",
        "",
        "clean",
        "chooses among 2 rounds by the selection targets, as it may",
    ),
    "test_statistics": (
        "",
        "score = (score - score.mean()) / (score.std() + 1e-9)",
        "leak",
        "a forecast sees bars after its window",
    ),
    "next_bar": (
        "",
        "score += 9 * samples.matrix[np.minimum(samples.ends + 1, len(samples.matrix) - 1), 0]",
        "leak",
        "a forecast sees bars after its window",
    ),
    "test_targets": (
        "",
        "score += np.nan_to_num(samples.target)",
        "leak",
        "depends on the targets",
    ),
    "rank_in_batch": (
        "",
        "score = score + len(samples) / 1000",
        "leak",
        "forecast alone gets another forecast",
    ),
    "broken": ("raise KeyError('no such column')", "", "unclear", "no such column"),
}


@pytest.mark.parametrize("name", MODELS)
def test_a_model_is_judged_by_what_its_fit_and_its_forecasts_have_seen(name, tmp_path, monkeypatch):
    registry.names()  # the shipped ones are found once; those of this test are to be forgotten
    monkeypatch.setattr(registry, "_models", dict(registry._models))
    monkeypatch.setattr(registry, "_plugins", dict(registry._plugins))
    fit, forecast, state, words = MODELS[name]
    plugin = tmp_path / f"{name}.py"
    plugin.write_text(PLUGIN.format(name=name, fit=fit, forecast=forecast))
    verdict = check_model(name, specification(f"leaks:{name}", str(plugin)), SERIES)
    assert verdict.state == state, verdict.found
    assert words in verdict.found


def specification(model: str, plugin: str | None = None, dataset: str = "Aa20") -> RunSpecification:
    run = {"variant": "base", "dataset": dataset, "timescale": "daily", "task": "direction", "horizon": 5,
           "model": "m", "budget": "none", "seed": 1}  # fmt: skip
    return RunSpecification.model_validate(
        {
            "run": run,
            "experiment": "x",
            "role": "study",
            "question": "?",
            "source": "files",
            "vintage": "v",
            "model": model,
            "plugin": plugin,
            "settings": {},
            "architecture": None,
            "recipe": Recipe(),
            "condition": "base",
            "context_length": 20,
            "labels": "true",
            "splits": SPLITS,
            "tuning": "none",
        }
    )


def test_a_shipped_model_passes_on_a_dataset_with_series():
    verdict = check_model("logistic", specification("linear:logistic", dataset="Ac20"), SERIES)
    assert verdict.state == "clean", verdict.found


# -- what is asked for, and the last line --


def test_a_kind_that_does_not_exist_is_explained():
    with pytest.raises(ConfigError, match=r"features is not one of .* Did you mean feature\?"):
        next(leak_check(None, ["features"], Path))


def test_only_what_is_the_users_own_fails_when_it_was_not_checked():
    clean, shipped = Outcome("a", "clean", ""), Outcome("b", "not checked", "", own=False)
    assert conclusion([clean, shipped]) == "No look-ahead found in 1 of 2 (1 not checked)."
    leak, own = Outcome("c", "leak", ""), Outcome("d", "not checked", "")
    assert conclusion([clean, own]) == "FAILED: 1 not checked of 2."
    assert conclusion([clean, shipped, leak, own]) == "FAILED: 1 leak, 2 not checked of 4."
