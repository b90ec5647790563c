"""Controls: one null for all runs, an alarm for leaks, markets and forecasts whose law is known."""

import json
import shutil
from datetime import date
from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import yaml

from lib.config.base import StrictModel
from lib.config.data import SplitConfig, SyntheticConfig
from lib.config.experiment import Experiment
from lib.config.resolve import resolve
from lib.config.training import Recipe
from lib.config.validation import validate
from lib.config.workflow import TooGoodConfig
from lib.data.sources.synthetic import SyntheticSource, best_auc, best_gain
from lib.datasets.planted_controls import PLANTED_CHANNEL
from lib.datasets.windows import SplitSamples, load_samples
from lib.errors import ConfigError, DataError, ModelError
from lib.features.assembly import assemble
from lib.features.bars import resample
from lib.metrics.classification import log_loss_per_sample, roc_auc
from lib.models import registry
from lib.models.contract import Problem
from lib.models.job import model_for, samples_for
from lib.scaling.controls import chance_to_pass, law_control, leak_control
from lib.scoring.alarm import too_good
from lib.study.plan import Plan, plan_study
from lib.training.context import TrainingContext

CONFIG = Path(__file__).parents[3] / "config"
MARKET = SyntheticConfig(first=date(1990, 1, 2), last=date(2020, 12, 31))


FOLDS = {"first_test": "2000-01-01", "test_months": 12, "validation_months": 12, "train_years": 4}


def planned(experiments: list[str], **changes) -> Plan:
    content = yaml.safe_load((CONFIG / "config.yaml").read_text())
    content["data"]["walk_forward"] = FOLDS
    return plan_study(content | {"experiments": experiments} | changes, CONFIG, {})


@pytest.fixture(scope="module")
def frame() -> pl.DataFrame:
    prices = SyntheticSource(MARKET).prices("PLANTED")
    return assemble({"PLANTED": resample(prices, "daily", prices["date"])}, 20)


def test_every_run_of_a_null_control_is_asked_about_the_same_targets(frame):
    """Three seeds at three sizes: were their targets unlike, nothing could be measured over them."""
    plan = planned(["control_null_sizes"])
    folds: dict[int, list] = {}
    for run in plan.runs:
        folds.setdefault(plan.facts(run)["fold"], []).append(run)
    assert list(folds) == [1, 5, 9]
    tested = []
    for runs in folds.values():
        assert len({(run.budget, run.seed) for run in runs}) == len(runs) == 9
        found = [samples_for(resolve(plan.specification(run)), frame).test for run in runs]
        for samples in found[1:]:
            np.testing.assert_array_equal(samples.target, found[0].target)
            np.testing.assert_array_equal(samples.dates, found[0].dates)
        tested.append(found[0])
    for before, after in pairwise(tested):
        assert before.dates.max() < after.dates.min(), "no date is counted twice"


EXPERIMENT = {
    "question": "?", "datasets": ["Aa20"], "timescales": ["daily"], "tasks": ["direction"], "horizons": [1],
    "models": ["patchtst-mixed"], "budgets": ["2M"], "seeds": [1],
}  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"planted": "tomorrow"}, "`planted: tomorrow` belongs to a leak_control, and role is question"),
        ({"labels": "shifted"}, "`labels: shifted` belongs to a null_control, and role is question"),
        ({"role": "leak_control", "variant": "leak"}, "a leak_control needs `planted: tomorrow`"),
        ({"role": "law_control", "variant": "law"}, "a law_control needs `data:`"),
        ({"expects": "scales"}, "`expects:` belongs to a law_control"),
    ],
)
def test_what_makes_a_control_is_refused_in_a_question_and_needed_in_a_control(changes, message):
    with pytest.raises(ConfigError, match=message):
        validate(Experiment, EXPERIMENT | changes, "experiment")


def test_a_leak_control_has_one_channel_more_and_budgets_count_it(frame):
    plan = planned(["control_leak_sizes"])
    assert json.loads(plan.shapes.shape("Aa50", "daily", "patchtst-mixed", "2M"))["channels"] == 51
    run = plan.runs[0]
    assert plan.specification(run).planted == "tomorrow"
    train = samples_for(resolve(plan.specification(run)), frame).train
    assert train.matrix.shape[1] == 21
    assert roc_auc(train.target.astype(float), train.last_bars()[:, -1].astype(float)) == 1.0


def parts(
    selection: float, calibration: float, n: int = 300, rate: float = 0.5
) -> dict[str, dict[str, float]]:
    return {
        name: {"auc": auc, "r2": auc, "n": n, "base_rate": rate}
        for name, auc in (("validation", selection), ("calibration", calibration))
    }


def test_the_alarm_needs_both_parts_of_validation_beyond_the_threshold_of_the_task():
    cfg = TooGoodConfig()
    alarm = too_good(parts(0.99, 0.98), "direction", cfg, 20)
    assert alarm == (
        "too good to be true: AUC 0.990 and 0.980 on the two parts of validation, beyond 0.6. "
        "Look for channels that know the future."
    )
    assert too_good(parts(0.61, 0.59), "direction", cfg, 20) is None, "by chance, or by choice, in one part"
    assert too_good(parts(0.85, 0.85), "threshold_1pct", cfg, 20) is None, "volatility tells that much"
    assert too_good(parts(0.95, 0.95), "threshold_1pct", cfg, 20) is not None
    assert too_good(parts(0.99, 0.99, n=300, rate=0.05), "direction", cfg, 20) is None, "15 of one class"
    assert "R² 0.200" in str(too_good(parts(0.2, 0.2), "regression", cfg, 20))


def test_a_leak_control_passes_if_the_alarm_goes_off_in_every_run():
    assert leak_control({42: True, 43: True}, None).passed
    silent = leak_control({42: True, 43: False}, None)
    assert not silent.passed
    assert "(seed 43)" in silent.reason
    assert not leak_control({}, None).passed


def test_a_law_control_passes_if_the_verdict_is_the_planted_one():
    assert law_control("flat", "flat", "").passed
    failed = law_control("flat", "scales", "The loss falls.")
    assert not failed.passed
    assert failed.reason == "The verdict is scales where flat was planted: The loss falls."


def test_a_forecast_that_knows_everything_passes_the_studys_positive_control():
    plan = planned(["control_positive_study"])
    experiment = plan.study.experiments["control_positive_study"]
    assert set(experiment.budgets) == {"2M", "20M", "200M"}
    assert experiment.training == {}, "the study's own recipe"
    best = best_auc(experiment.data.synthetic, "direction", 1)
    assert 0.55 <= best <= 0.62
    assert chance_to_pass(best, 5000) > 0.999
    assert chance_to_pass(best, 250) < 0.85, "the test part of the study itself is too short for it"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (
            {"synthetic": {"signal": 0.2}},
            r"AUC 0\.591\) would pass on about 75\d .* in 90\.\d% of all draws",
        ),
        (
            {"synthetic": {"last": "2015-12-31"}, "splits": None},
            r"runs from 1999-01-04 to 2015-12-31.*test from 2016-01-01",
        ),
    ],
)
def test_a_market_that_chance_could_fail_or_of_other_years_is_refused(data, message, tmp_path):
    shutil.copytree(CONFIG, tmp_path / "config")
    path = tmp_path / "config/experiments/control_positive.yaml"
    declared = yaml.safe_load(path.read_text())
    declared["data"] |= data
    path.write_text(yaml.safe_dump(declared))
    content = yaml.safe_load((CONFIG / "config.yaml").read_text()) | {"experiments": ["control_positive"]}
    with pytest.raises(ConfigError, match=message):
        plan_study(content, tmp_path / "config", {})


def test_the_synthetic_source_builds_every_row_and_column():
    source = SyntheticSource(MARKET)
    spy, dia = source.prices("PLANTED"), source.prices("DIA")
    assert spy["date"].equals(dia["date"])
    returns = [frame["close"].log().diff().drop_nulls().to_numpy() for frame in (spy, dia)]
    assert abs(np.corrcoef(*returns)[0, 1]) < 0.05, "symbols know nothing of each other"
    assert source.prices("DIA").equals(dia)
    vix = source.series("volatility/VIX")
    assert vix["value"].min() >= 8
    assert vix["date"].min() < MARKET.first, "a series begins before the prices do"
    assert set(source.series("trends/A")["date"].dt.day()) == {1}
    with pytest.raises(DataError, match="series called rate, sentiment, volatility, trends/NAME only"):
        source.series("DGS10")


def test_a_study_of_all_rows_and_columns_can_be_planned_on_synthetic_data():
    data = yaml.safe_load((CONFIG / "config.yaml").read_text())["data"] | {"source": "synthetic"}
    plan = planned(["reduced_rows", "reduced_columns"], data=data | {"vintage": "made"})
    assert plan.data.symbols("made", "Ea20")[:3] == ["AAPL", "AMZN", "DIA"]
    settings = json.loads(plan.data.series_settings("made", "VIX"))
    assert settings["origins"] == [["synthetic", "volatility/VIX"]]


ORACLE = registry.get("reference:oracle")
SPLITS = SplitConfig(
    train_end=date(2002, 12, 31),
    validation_start=date(2003, 1, 1),
    validation_end=date(2005, 12, 31),
    test_start=date(2006, 1, 1),
)
SETTINGS = yaml.safe_load((CONFIG / "models/oracle.yaml").read_text())["settings"]


def oracle(samples: SplitSamples, settings: StrictModel, folder: Path, seed: int = 1):
    train = samples.train
    problem = Problem(train.task, train.horizon, train.matrix.shape[1], train.context_length,
                      train.channel_names, samples.channel_mean, samples.channel_std)  # fmt: skip
    made = ORACLE(settings, problem, None, Recipe(), seed)
    made.fit(train, samples.selection, TrainingContext(seed=seed, state_dir=folder))
    return made


def test_an_oracle_obeys_its_law_and_what_a_smaller_share_sees_a_larger_one_sees_too(frame, tmp_path):
    samples = load_samples(frame, "direction", 1, 80, SPLITS)
    worth = best_gain(MARKET, "direction")
    losses = {}
    for budget, share in (("2M", 0.3), ("20M", 0.5), ("200M", 0.8)):
        made = oracle(samples, ORACLE.Settings(**SETTINGS, words={"budget": budget}), tmp_path)
        assert made.share == pytest.approx(share)
        score = made.forecast(samples.test)
        losses[budget] = log_loss_per_sample(samples.test.target.astype(float), score)
        error = losses[budget].std() / np.sqrt(len(score))
        assert np.log(2) - losses[budget].mean() == pytest.approx(share * worth, abs=3.5 * error)
    gain = losses["2M"] - losses["200M"]
    assert gain.mean() == pytest.approx(0.5 * worth, abs=3.5 * gain.std() / np.sqrt(len(gain)))
    changed = np.abs(gain) > 0.2
    assert 0.25 < changed.mean() < 0.5, "half of the windows are seen by one of the two only"


def test_an_oracles_twin_has_the_same_loss_at_every_size_but_for_the_noise_of_seeds(frame, tmp_path):
    samples = load_samples(frame, "direction", 1, 80, SPLITS)
    found = []
    for budget, seed in (("2M", 1), ("200M", 1), ("2M", 2)):
        made = oracle(samples, ORACLE.Settings(words={"budget": budget}), tmp_path, seed)
        found.append(log_loss_per_sample(samples.test.target.astype(float), made.forecast(samples.test)))
    for other in found[1:]:
        assert not np.array_equal(other, found[0])
        assert abs((other - found[0]).mean()) < 0.002


def test_words_of_a_run_add_up_and_two_together_are_an_interaction():
    settings = {
        "seen": 0.2,
        "effects": [
            {"when": {"budget": "20M"}, "seen": 0.1},
            {"when": {"row": "D"}, "seen": 0.1},
            {"when": {"budget": "20M", "row": "D"}, "seen": 0.3},
            {"when": {"tier": 50}, "seen": -0.9},
        ],
    }
    problem = Problem("direction", 1, 1, 2, ("c",), np.zeros(1), np.ones(1))

    def share(**words):
        return ORACLE(ORACLE.Settings(**settings, words=words), problem, None, Recipe(), 1).share

    assert share(budget="2M", row="A") == pytest.approx(0.2)
    assert share(budget="20M", row="A") == share(budget="2M", row="D") == pytest.approx(0.3)
    assert share(budget="20M", row="D") == pytest.approx(0.7)
    assert share(budget="20M", row="D", tier=50) == 0.0


def test_an_oracle_sees_a_leak_at_every_size(frame, tmp_path):
    leaking = load_samples(frame, "direction", 1, 80, SPLITS, planted="tomorrow")
    assert leaking.train.channel_names[-1] == PLANTED_CHANNEL
    made = oracle(leaking, ORACLE.Settings(seen=0.0), tmp_path)
    assert roc_auc(leaking.test.target.astype(float), made.forecast(leaking.test)) > 0.99


def test_an_oracle_may_be_blind_to_a_leak_and_surer_or_louder_than_it_should_be(frame, tmp_path):
    leaking = load_samples(frame, "direction", 1, 80, SPLITS, planted="tomorrow")
    blind = oracle(leaking, ORACLE.Settings(seen=0.0, sees_leaks=False), tmp_path)
    assert roc_auc(leaking.test.target.astype(float), blind.forecast(leaking.test)) < 0.55

    samples = load_samples(frame, "direction", 1, 80, SPLITS)
    target = samples.test.target.astype(float)

    def forecast(**effect):
        law = {"seen": 1.0, "noise": 0.0, "effects": [{"when": {"budget": "2M"}, **effect}]}
        return oracle(samples, ORACLE.Settings(**law, words={"budget": "2M"}), tmp_path).forecast(
            samples.test
        )

    as_it_is, surer, louder = forecast(), forecast(stretch=3.0), forecast(noise=1.0)
    assert roc_auc(target, surer) == pytest.approx(roc_auc(target, as_it_is)), "it knows no more"
    assert roc_auc(target, louder) < roc_auc(target, as_it_is) - 0.01
    for worse in (surer, louder):
        assert log_loss_per_sample(target, worse).mean() > log_loss_per_sample(target, as_it_is).mean() + 0.02


def test_an_oracle_is_told_the_words_of_its_run_and_refused_on_other_data(frame):
    plan = planned(["control_law"])
    run = plan.runs[-1]
    resolved = resolve(plan.specification(run))
    assert resolved.architecture is None
    assert not plan.has_weights(run.model, run.budget)
    samples = samples_for(resolved, frame)
    assert model_for(resolved, samples).share == pytest.approx(0.8)
    with pytest.raises(ModelError, match="source embedded has none"):
        model_for(resolved.model_copy(update={"source": "embedded"}), samples)


def test_an_oracle_in_a_question_on_real_data_is_refused_before_any_work(tmp_path):
    shutil.copytree(CONFIG, tmp_path / "config")
    path = tmp_path / "config/experiments/quickstart.yaml"
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | {"models": ["oracle"]}))
    content = yaml.safe_load((CONFIG / "config.yaml").read_text()) | {"experiments": ["quickstart"]}
    with pytest.raises(
        ConfigError, match="oracle knows the planted signal of source synthetic, and source embedded"
    ):
        plan_study(content, tmp_path / "config", {})
