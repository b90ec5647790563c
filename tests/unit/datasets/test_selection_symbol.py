"""Training stops and chooses by the primary symbol alone: what other symbols do there changes no byte."""

import shutil
from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest
import yaml

from lib.config.data import SplitConfig
from lib.config.model import Architecture
from lib.config.resolve import ResolvedRun
from lib.config.training import Recipe, Runtime
from lib.errors import ConfigError, DataError
from lib.models.job import FinishedRun, for_fitting, samples_for, samples_for_search, train_run
from lib.study.plan import plan_study
from lib.training.context import TrainingContext
from tests.unit.shipped import CONFIG
from tests.unit.tables import FIRST, dataset_of

SPLITS = SplitConfig(
    train_end=FIRST + timedelta(days=199),
    validation_start=FIRST + timedelta(days=200),
    validation_end=FIRST + timedelta(days=299),
    test_start=FIRST + timedelta(days=300),
    minimum_class_count=1,
    allow_small=True,
)
SELECTION = (date(2020, 7, 22), date(2020, 8, 25))
"""Well within the first half of validation."""
MODELS = {
    "transformer:patchtst": Architecture(
        d_model=8, n_heads=2, n_layers=1, d_ff=16, patch_length=4, patch_stride=4, dropout=0.1
    ),
    "linear:logistic": None,
    "boosting:xgboost": None,
}


def bars(symbol: str, seed: int) -> pl.DataFrame:
    random = np.random.default_rng(seed)
    close = 100 * np.exp(np.cumsum(random.normal(0, 0.01, 400)))
    return dataset_of(close, symbol, **{f"c{number}": random.normal(size=400) for number in range(3)})


FRAME = pl.concat([bars("DIA", 2), bars("SPY", 1)])


def moved(symbol: str) -> pl.DataFrame:
    """Other prices of a symbol within selection, and with them other targets; channels stay."""
    there = (pl.col("symbol") == symbol) & pl.col("date").is_between(*SELECTION)
    prices = bars(symbol, 9).select("date", other="close")
    changed = FRAME.join(prices, on="date", how="left", maintain_order="left")
    return changed.with_columns(
        pl.when(there).then(pl.col("other") * factor).otherwise(pl.col(name)).alias(name)
        for name, factor in (("open", 1.0), ("high", 1.005), ("low", 0.995), ("close", 1.0))
    ).drop("other")


def resolved(model: str, primary: str | None = "SPY") -> ResolvedRun:
    budget = "2M" if MODELS[model] else "none"
    return ResolvedRun(
        run={"task": "direction", "horizon": 1, "seed": 1, "budget": budget, "dataset": "Ba20"},
        experiment="e", role="question", question="?", condition="base", source="files", vintage="v",
        model=model, settings={}, architecture=MODELS[model], context_length=8, labels="true", tuning="none",
        recipe=Recipe(max_steps=6, validate_every_steps=2, decay_steps=2, learning_rate=1e-2),
        primary=primary, splits=SPLITS,
    )  # fmt: skip


def trained(model: str, frame: pl.DataFrame, folder, primary: str | None = "SPY") -> FinishedRun:
    context = TrainingContext(1, folder, runtime=Runtime(device="cpu", precision="fp32", threads=1))
    return train_run(resolved(model, primary), frame, context)


def history(run: FinishedRun) -> list[tuple[float, float]]:
    return [(row["validation_loss"], row["selection_loss"]) for row in run.result.history]


def stored(run: FinishedRun, folder) -> dict[str, bytes]:
    folder.mkdir()
    run.model.save(folder)
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


@pytest.fixture(autouse=True)
def any_size(monkeypatch):
    """A network as small as this one is no 2M."""
    monkeypatch.setattr("lib.models.transformer.parameters.TOLERANCE", 1.0)


@pytest.mark.parametrize("model", MODELS)
def test_other_symbols_selection_targets_change_no_byte_of_a_run(model, tmp_path):
    as_it_is, others, own = (
        trained(model, frame, tmp_path / name)
        for name, frame in (("is", FRAME), ("others", moved("DIA")), ("own", moved("SPY")))
    )
    assert not others.validation["target"].equals(as_it_is.validation["target"]), "they were moved"
    assert history(others) == history(as_it_is)
    assert others.result.best_step == as_it_is.result.best_step
    assert stored(others, tmp_path / "a") == stored(as_it_is, tmp_path / "b")
    assert others.test.equals(as_it_is.test)
    assert history(own) != history(as_it_is), "its own targets do count"


def test_without_a_primary_symbol_all_of_them_choose(tmp_path):
    as_it_is, others = (
        trained("linear:logistic", frame, tmp_path / name, primary=None)
        for name, frame in (("is", FRAME), ("others", moved("DIA")))
    )
    assert history(others) != history(as_it_is)


def test_a_search_hears_the_primary_symbol_alone():
    samples = samples_for_search(resolved("linear:logistic"), FRAME)
    assert set(samples.selection.symbols) == {"SPY"}
    assert set(samples.train.symbols) == {"SPY", "DIA"}


def test_a_primary_symbol_without_selection_windows_is_refused():
    missing = resolved("linear:logistic", primary="QQQ")
    with pytest.raises(DataError, match=r"no windows of QQQ.*symbols there: DIA, SPY.*`primary`"):
        for_fitting(missing, samples_for(missing, FRAME))
    samples = samples_for(resolved("linear:logistic"), FRAME)
    empty = replace(samples, selection=samples.selection.of_symbol("SPY").every(1, 10_000))
    with pytest.raises(DataError, match="symbols there: none"):
        for_fitting(resolved("linear:logistic"), empty)


def test_so_is_a_study_whose_datasets_are_without_it(tmp_path):
    shutil.copytree(CONFIG, tmp_path / "config")
    path = tmp_path / "config" / "data" / "assets.yaml"
    path.write_text(path.read_text().replace("primary: SPY", "primary: QQQ"))
    with pytest.raises(
        ConfigError, match=r"dataset Aa20 does not hold QQQ, .*\(it has .*`assets: \{primary: …\}`"
    ):
        plan_study(yaml.safe_load((CONFIG / "config.yaml").read_text()), tmp_path / "config", {})
