"""Meta-modules learn from forecasts of bars that no base model has seen, and are compared honestly."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lib.config.data import SplitConfig, WalkForwardConfig
from lib.config.fold_splits import walk_forward, with_study_test
from lib.config.training import Recipe, Runtime
from lib.config.workflow import EvaluationConfig
from lib.datasets.splits import assign
from lib.datasets.targets import add_targets
from lib.datasets.windows import Samples, load_samples
from lib.errors import ConfigError, DataError
from lib.extras.meta.gain import best, candidates, compare, signal
from lib.extras.meta.stacked import Base, probability_of, stack
from lib.models import registry
from lib.models.contract import Model, Problem
from lib.scoring.calibration import METHODS
from lib.scoring.calibration_map import CalibrationMap, fit_map
from lib.training.context import TrainingContext
from tests.unit.tables import dataset_of

SPLITS = SplitConfig(
    train_end=date(2008, 12, 31),
    validation_start=date(2009, 1, 1),
    validation_end=date(2010, 12, 31),
    test_start=date(2011, 1, 1),
    test_end=date(2012, 12, 31),
)
FOLDS = WalkForwardConfig(first_test=date(2005, 1, 1), test_months=12, validation_months=12)
FIRST, ROWS = date(2002, 1, 1), 4000
OWN = Base("honest", "none", "Aa20", "daily", "direction", 1)
PERFECT = Base("memoriser", "none", "Aa20", "daily", "direction", 1)


def test_folds_follow_each_other_and_end_before_the_studys_own_test():
    folds = walk_forward(FOLDS, SPLITS)
    assert [fold.test_start for fold in folds] == [date(year, 1, 1) for year in range(2005, 2011)]
    for fold, following in pairwise(folds):
        assert fold.test_end == following.test_start - timedelta(days=1)
    assert folds[-1].test_end == date(2010, 12, 31)
    assert folds[0].validation_start == date(2004, 1, 1)
    assert folds[0].train_start is None
    kept = walk_forward(FOLDS, SPLITS.model_copy(update={"embargo_days": 7}))
    assert kept[-1].test_end == date(2010, 12, 24), "no label of a fold reaches into the study's own test"

    *same, last = with_study_test(FOLDS, SPLITS)
    assert same == folds
    assert (last.test_start, last.test_end) == (SPLITS.test_start, SPLITS.test_end)
    assert (last.validation_start, last.validation_end) == (date(2010, 1, 1), date(2010, 12, 31))

    rolling = walk_forward(FOLDS.model_copy(update={"train_years": 2}), SPLITS)
    assert rolling[0].train_start == date(2002, 1, 1)
    assert rolling[3].train_start == date(2005, 1, 1)
    with pytest.raises(ConfigError, match="must lie before 2010-12-31"):
        walk_forward(FOLDS.model_copy(update={"first_test": date(2011, 1, 1)}), SPLITS)


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 10), st.integers(0, 5), st.integers(1, 18), st.integers(3, 18))
def test_no_fold_learns_a_label_that_reaches_into_its_test_part(horizon, embargo, test_months, validation):
    config = WalkForwardConfig(
        first_test=date(2005, 3, 31), test_months=test_months, validation_months=validation
    )
    close = 100 + np.sin(np.arange(ROWS))
    frame = dataset_of(close, first=FIRST, width=0.0)
    labelled = add_targets(frame, "direction", horizon)
    seen_in_test: list[date] = []
    for fold in walk_forward(config, SPLITS.model_copy(update={"embargo_days": embargo})):
        part = assign(labelled, fold)
        learned = labelled.filter(part.is_in(["train", "selection", "calibration"]))
        assert learned["label_end"].max() < fold.test_start - timedelta(days=embargo)  # type: ignore[operator]
        seen_in_test += labelled.filter(part == "test")["date"].to_list()
    assert len(seen_in_test) == len(set(seen_in_test))


def market(seed: int = 0) -> pl.DataFrame:
    """Daily bars whose next direction is hinted at by channel a."""
    rng = np.random.default_rng(seed)
    channels = rng.standard_normal((ROWS, 3)).astype(np.float32)
    returns = np.append(0.0, 0.004 * channels[:-1, 0]) + rng.normal(0, 0.01, ROWS)
    close = 100 * np.exp(np.cumsum(returns))
    named = {name: channels[:, number] for number, name in enumerate("abc")}
    return dataset_of(close, first=FIRST, width=0.001, **named)


def predictions(frame: pl.DataFrame, probability: np.ndarray) -> pl.DataFrame:
    return frame.select("date", "symbol").with_columns(
        probability_1=pl.Series(probability), part=pl.lit("test")
    )


def test_a_bar_takes_the_forecast_of_its_own_bar_and_of_the_last_complete_slower_one():
    daily = market()[:30]
    own = predictions(daily, np.linspace(0.1, 0.9, 30))
    slow = predictions(daily[4::7], np.array([0.2, 0.4, 0.6, 0.8]))
    weekly = Base("honest", "none", "Aa20", "weekly", "direction", 1)
    table = stack(daily, "daily", {OWN: [own[:10], own[10:]], weekly: [slow]}, features=["b"])
    assert table.columns == [
        "date", "symbol", OWN.channel, weekly.channel, "b", "open", "high", "low", "close",
    ]  # fmt: skip
    assert table["date"].to_list() == daily["date"][4:26].to_list(), (
        "from the first weekly forecast to the last"
    )
    np.testing.assert_allclose(probability_of(table[OWN.channel]), own["probability_1"][4:26], rtol=1e-6)
    weekly_seen = probability_of(table[weekly.channel]).round(3).to_list()
    assert weekly_seen == [0.2] * 7 + [0.4] * 7 + [0.6] * 7 + [0.8]

    # Forecasts made after a day change nothing on it.
    cut = daily["date"][15]
    wild = [f.with_columns(probability_1=pl.when(pl.col("date") > cut).then(0.5).otherwise("probability_1"))
            for f in (own, slow)]  # fmt: skip
    other = stack(daily, "daily", {OWN: [wild[0]], weekly: [wild[1]]}, features=["b"])
    assert other.filter(pl.col("date") <= cut).equals(table.filter(pl.col("date") <= cut))
    assert not other.equals(table)


def test_what_cannot_be_stacked_is_named():
    daily = market()[:30]
    own = predictions(daily, np.full(30, 0.5))
    with pytest.raises(DataError, match="no channel zz"):
        stack(daily, "daily", {OWN: [own]}, features=["zz"])
    with pytest.raises(DataError, match="two folds forecast the same bar"):
        stack(daily, "daily", {OWN: [own[:20], own[15:]]})
    with pytest.raises(DataError, match="no bar is left"):
        stack(daily[:10], "daily", {OWN: [own[20:]]})
    chosen = own.with_columns(
        part=pl.when(pl.col("date") < daily["date"][9]).then(pl.lit("selection")).otherwise("part")
    )
    with pytest.raises(DataError, match=r"direction\.h1: forecasts of the part selection cannot be stacked"):
        stack(daily, "daily", {OWN: [chosen]})


Forecaster = Callable[[Samples], np.ndarray]


def honest(train: Samples) -> Forecaster:
    """Logistic regression in all but name: the share of rises above and below the median of channel a."""
    high = train.last_bars()[:, 0] > 0
    rates = train.target[high].mean(), train.target[~high].mean()
    return lambda samples: np.where(samples.last_bars()[:, 0] > 0, *rates)


def memoriser(train: Samples) -> Forecaster:
    """Perfect on every bar it was trained on, a coin toss on all others."""
    known = {row.tobytes(): target for row, target in zip(train.last_bars(), train.target, strict=True)}
    coin = np.random.default_rng(5)

    def forecast(samples: Samples) -> np.ndarray:
        answers = [known.get(row.tobytes(), float(coin.integers(2))) for row in samples.last_bars()]
        return np.clip(np.array(answers, dtype=np.float64), 0.01, 0.99)

    return forecast


def fold_forecasts(make: Callable[[Samples], Forecaster], frame: pl.DataFrame) -> list[pl.DataFrame]:
    parts = []
    for fold in with_study_test(FOLDS, SPLITS):
        split = load_samples(frame, "direction", 1, 1, fold)
        days = pl.DataFrame({"date": split.test.dates, "symbol": split.test.symbols.astype(str)})
        parts.append(
            days.with_columns(
                pl.col("date").cast(pl.Date), probability_1=make(split.train)(split.test), part=pl.lit("test")
            )
        )
    return parts


def in_sample_forecasts(make: Callable[[Samples], Forecaster], frame: pl.DataFrame) -> list[pl.DataFrame]:
    """The mistake: forecasts of training bars by the model trained on them, passed off as a test's."""
    split = load_samples(frame, "direction", 1, 1, SPLITS)
    forecast = make(split.train)
    return [
        pl.DataFrame({"date": part.dates, "symbol": part.symbols.astype(str)}).with_columns(
            pl.col("date").cast(pl.Date), probability_1=forecast(part), part=pl.lit("test")
        )
        for part in (split.train, split.selection, split.calibration, split.test)
    ]


def learner(name: str, table: pl.DataFrame, folder: Path) -> tuple[Model, pl.DataFrame]:
    """A learner fitted on a stacked table, as any run is, and its predictions."""
    split = load_samples(table, "direction", 1, 1, SPLITS)
    channels = split.train.channel_names
    problem = Problem("direction", 1, len(channels), 1, channels, split.channel_mean, split.channel_std)
    model_class = registry.get(name)
    model = model_class(model_class.Settings(), problem, None, Recipe(), 7)
    model.fit(
        split.train, split.selection, TrainingContext(seed=7, state_dir=folder, runtime=Runtime(device="cpu"))
    )
    parts = ("selection", "calibration", "test")
    return model, pl.concat(model.predict(getattr(split, part)).to_frame(part) for part in parts)


LEARNERS = [n for n in ("linear:logistic", "boosting:catboost", "boosting:xgboost") if n in registry.names()]


@pytest.mark.parametrize("name", LEARNERS)
def test_a_base_model_that_is_perfect_in_sample_and_worthless_outside_is_not_trusted(name, tmp_path):
    frame = market()
    stacks = {
        way.__name__: stack(frame, "daily", {OWN: way(honest, frame), PERFECT: way(memoriser, frame)})
        for way in (fold_forecasts, in_sample_forecasts)
    }
    trust, losses = {}, {}
    for way, table in stacks.items():
        model, said = learner(name, table, tmp_path)
        importance = model.feature_importance()
        assert importance is not None
        trust[way] = importance[PERFECT.channel] / sum(importance.values())
        found = candidates({name: said}, table, [OWN.channel], "direction", 1)
        result = compare(found, "direction", 1, EvaluationConfig(bootstrap_draws=200))
        losses[way] = {row["name"]: row["log_loss"] for row in result["rows"]}
    assert trust["in_sample_forecasts"] > 0.6, "in-sample forecasts are a trap indeed"
    assert losses["in_sample_forecasts"][name] > losses["in_sample_forecasts"][OWN.channel] + 0.02
    assert losses["fold_forecasts"][name] < losses["fold_forecasts"][OWN.channel] + 0.01
    assert trust["fold_forecasts"] < 0.1


def compared(seed: int, **probabilities: np.ndarray) -> tuple[list[Any], dict[str, Any]]:
    """Base forecasts as columns of a stacked table, and one learner that knows the truth a little better."""
    rng = np.random.default_rng(seed)
    n = 900
    part = ["selection"] * 300 + ["calibration"] * 300 + ["test"] * 300
    truth = rng.uniform(0.1, 0.9, n)
    target = (rng.random(n) < truth).astype(float)
    keys = pl.DataFrame({"date": [FIRST + timedelta(days=i) for i in range(n)], "symbol": "X",
                         "target": target, "part": part})  # fmt: skip
    noise = {name: rng.normal(0, width, n) for name, width in (("fair", 0.6), ("poor", 1.5))}
    logit = np.log(truth / (1 - truth))
    table = keys.select("date", "symbol").with_columns(
        **{name: pl.Series(logit + values, dtype=pl.Float32) for name, values in noise.items()}
    )
    said = keys.with_columns(probability_1=pl.Series(1 / (1 + np.exp(-(2.5 * logit + noise["fair"] * 0.3)))))
    found = candidates({"learner": said}, table, ["fair", "poor"], "direction", 1)
    return found, compare(found, "direction", 1, EvaluationConfig(bootstrap_draws=300))


def test_gains_are_paired_calibrated_alike_and_over_the_best_on_selection():
    found, result = compared(1)
    assert result["best_single"] == "fair"
    assert [row["kind"] for row in result["rows"]] == ["learner", "base", "base", "average"]
    gains = {(g["reference"], g["calibrated"]): g for g in result["gains"]}
    rows = {row["name"]: row for row in result["rows"]}
    for reference, name in (("best_single", "fair"), ("average", "average")):
        for calibrated, column in ((False, "log_loss"), (True, "calibrated_log_loss")):
            gain = gains[reference, calibrated]
            assert gain["gain"] == pytest.approx(rows[name][column] - rows["learner"][column], abs=1e-6)
            assert gain["low"] < gain["gain"] < gain["high"]
    assert rows["learner"]["calibrated_log_loss"] < rows["learner"]["log_loss"], "it was overconfident"
    said = signal(best(found, "learner"))
    assert {"probability", "calibrated_probability", "part"} <= set(said.columns)
    confident = said.filter(pl.col("probability") > 0.95)
    assert (confident["calibrated_probability"] < confident["probability"]).all()


def test_a_calibration_map_is_the_fitted_method_as_plain_numbers():
    rng = np.random.default_rng(4)
    truth = rng.uniform(0.05, 0.95, 400)
    happened = (rng.random(400) < truth**2).astype(float)
    table = pl.DataFrame({"date": [FIRST + timedelta(days=i) for i in range(400)], "symbol": "X",
                          "target": happened, "probability_1": truth})  # fmt: skip
    fitted = fit_map(table, 1)
    assert fitted.method != "none"
    again = CalibrationMap.from_json(fitted.to_json())
    assert again == fitted
    new = np.linspace(0.001, 0.999, 777)
    wanted, _ = METHODS[fitted.method](table["target"].to_numpy(), truth)
    np.testing.assert_allclose(again(new), wanted(new), rtol=1e-9)
    for method in METHODS:
        expected, parameters = METHODS[method](table["target"].to_numpy(), truth)
        made = replace(CalibrationMap("none", 400), method=method)
        if method == "temperature":
            made = replace(made, slope=1 / parameters["temperature"])
        elif method == "platt":
            made = replace(made, slope=parameters["slope"], intercept=parameters["intercept"])
        elif method == "isotonic":
            points = np.unique(truth)
            made = replace(made, inputs=tuple(points), outputs=tuple(expected(points)))
        np.testing.assert_allclose(made(new), expected(new), rtol=1e-9)
    assert fit_map(table[:20], 1).method == "none", "too little to fit"
