"""Three classes: labels by the triple barrier, who may learn them, what is forecast, how it is measured."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import f1_score, precision_score, recall_score, roc_auc_score
from sklearn.metrics import log_loss as sklearn_log_loss

from lib.config.data import SplitConfig
from lib.config.experiment import BarrierConfig
from lib.config.model import Architecture
from lib.config.training import Recipe, Runtime
from lib.config.workflow import EvaluationConfig
from lib.config.yaml_files import read_yaml
from lib.datasets.barriers import volatility
from lib.datasets.splits import PARTS
from lib.datasets.targets import add_targets
from lib.datasets.windows import SplitSamples, base_rates, load_samples
from lib.errors import ConfigError, ModelError
from lib.metrics.losses import intercept_refitted_loss
from lib.metrics.ternary import brier_per_sample, confusion_matrix, ternary_metrics
from lib.models import registry
from lib.models.contract import Model, Problem
from lib.scoring.run_scores import evaluate_run
from lib.study.plan import plan_study
from lib.training.context import TrainingContext
from tests.unit.tables import FIRST, dataset_of

CONFIG = Path(__file__).parents[3] / "config"
ROWS = 900
SPLITS = SplitConfig(
    train_end=FIRST + timedelta(days=599),
    validation_start=FIRST + timedelta(days=600),
    validation_end=FIRST + timedelta(days=749),
    test_start=FIRST + timedelta(days=750),
)
NARROW = BarrierConfig(upper=1.0, lower=1.0, volatility_span=5)


def market(seed: int = 0, symbol: str = "X") -> pl.DataFrame:
    """A random walk whose next five days are hinted at by the first channel."""
    rng = np.random.default_rng(seed)
    returns = rng.normal(0, 0.01, ROWS)
    close = 100 * np.exp(np.cumsum(returns))
    ahead = np.convolve(returns, np.ones(5))[4:][1:]
    hint = np.append(ahead, 0.0)[:ROWS] / 0.02 + rng.normal(0, 0.5, ROWS)
    return dataset_of(close, symbol, width=0.002, hint=hint, noise=rng.normal(0, 1, ROWS))


def labels(frame: pl.DataFrame, horizon: int = 5, barriers: BarrierConfig = NARROW) -> pl.DataFrame:
    return add_targets(frame.sort("symbol", "date"), "triple_barrier", horizon, barriers)


def load(
    barriers: BarrierConfig = NARROW, horizon: int = 5, splits: SplitConfig = SPLITS, context: int = 1
) -> SplitSamples:
    return load_samples(market(), "triple_barrier", horizon, context, splits, barriers=barriers)


def by_definition(frame: pl.DataFrame, t: int, horizon: int, barriers: BarrierConfig) -> float | None:
    """The label of one bar, written out as the method describes it."""
    if t + horizon >= frame.height:
        return None
    sigma = frame.select(volatility(barriers.volatility_span)).to_series()[t]
    if sigma is None:
        return None
    close, reach = frame["close"][t], sigma * np.sqrt(horizon)
    for k in range(t + 1, t + horizon + 1):
        if frame["low"][k] <= close * np.exp(-barriers.lower * reach):
            return -1.0
        if frame["high"][k] >= close * np.exp(barriers.upper * reach):
            return 1.0
    return 0.0


@pytest.mark.parametrize("horizon", [5, 20])
def test_a_label_is_the_barrier_that_is_touched_first(horizon):
    frame = market()
    found = labels(frame, horizon, BarrierConfig(upper=0.8, lower=1.2, volatility_span=10))["target"]
    wanted = [
        by_definition(frame, t, horizon, BarrierConfig(upper=0.8, lower=1.2, volatility_span=10))
        for t in range(ROWS)
    ]
    assert found.to_list() == wanted
    assert set(found.drop_nulls()) == {-1.0, 0.0, 1.0}


def test_a_bar_that_touches_both_barriers_counts_as_a_loss():
    frame = market().with_columns(
        high=pl.when(pl.int_range(pl.len()) == 101).then(1e6).otherwise("high"),
        low=pl.when(pl.int_range(pl.len()) == 101).then(1e-6).otherwise("low"),
    )
    assert labels(frame)["target"][100] == -1.0


def test_barriers_widen_with_the_volatility_known_at_the_bar():
    """The same future after a calm and a stormy past: what touched a barrier no longer does."""
    calm = market()
    returns = (calm["close"].log().diff().fill_null(0.0)).to_numpy().copy()
    returns[:300] *= 4.0
    close = 100 * np.exp(np.cumsum(returns))
    stormy = calm.with_columns(close=close, high=close * 1.002, low=close * 0.998, open=close)
    labels_of = [labels(frame)["target"][299] for frame in (calm, stormy)]
    same_path = [frame["close"][304] / frame["close"][299] for frame in (calm, stormy)]
    assert same_path[0] == pytest.approx(same_path[1])
    assert labels_of[0] != 0
    assert labels_of[1] == 0


def test_the_future_beyond_the_horizon_changes_no_label_and_no_input():
    """Leakage, both ways: labels end at t+H, volatility ends at t."""
    frame, horizon, cut = market(), 5, 400
    after = pl.int_range(pl.len()) > cut
    wild = frame.with_columns(
        pl.when(after).then(pl.col(name) * 3.7).otherwise(name) for name in ("open", "high", "low", "close")
    )
    before, changed = labels(frame, horizon), labels(wild, horizon)
    rows = cut - horizon + 1  # the label of bar t reads bars up to t+H
    assert before["target"][:rows].to_list() == changed["target"][:rows].to_list()
    assert before["target"][rows : cut + 1].to_list() != changed["target"][rows : cut + 1].to_list()

    sigma = pl.Series(frame.select(volatility(5)))
    sigma_wild = pl.Series(wild.select(volatility(5)))
    assert sigma[: cut + 1].to_list() == sigma_wild[: cut + 1].to_list()
    assert sigma[cut + 1] != sigma_wild[cut + 1]

    names = ("hint", "noise")
    assert frame.select(names)[: cut + 1].equals(wild.select(names)[: cut + 1])
    inputs, inputs_wild = (
        load_samples(table, "triple_barrier", horizon, 1, SPLITS, barriers=NARROW).train.matrix[: cut + 1]
        for table in (frame, wild)
    )
    np.testing.assert_array_equal(inputs, inputs_wild)


def test_a_symbol_never_sees_another():
    alone = labels(market(1, "B"))
    beside = labels(pl.concat([market(0, "A"), market(1, "B")])).filter(pl.col("symbol") == "B")
    assert alone["target"].to_list() == beside["target"].to_list()


@pytest.mark.parametrize("barriers", [NARROW, NARROW.model_copy(update={"neutrals": "drop"})])
def test_no_label_reaches_into_the_next_part_and_the_embargo_widens_the_gap(barriers):
    """Purged by the end of the horizon, not by the touch: early touches must not be what survives."""
    for embargo in (0, 7):
        split = load(barriers, splits=SPLITS.model_copy(update={"embargo_days": embargo}))
        borders = [
            np.datetime64(SPLITS.validation_start),
            split.calibration.dates[0],
            np.datetime64(SPLITS.test_start),
        ]
        for part, border in zip(PARTS, borders, strict=False):
            last = getattr(split, part).dates[-1]
            assert last + np.timedelta64(5 + embargo, "D") < border
    kept = load().train
    late = kept.dates > np.datetime64(SPLITS.train_end) - np.timedelta64(30, "D")
    assert (kept.target[late] == 0).any(), "bars that touched nothing are not purged for it"


def test_dropped_neutrals_are_no_samples_and_their_absence_is_not_flagged():
    whole, touched = load(), load(NARROW.model_copy(update={"neutrals": "drop"}))
    assert len(touched.train) == int((whole.train.target != 0).sum())
    assert set(np.unique(touched.test.target)) == {-1.0, 1.0}
    rates = base_rates(touched, minimum_class_count=5)
    assert rates["test"].neutrals == 0
    assert not rates["test"].flagged
    assert base_rates(whole)["train"].neutrals == int((whole.train.target == 0).sum())


def fitted(name: str, split: SplitSamples, folder: Path) -> Model:
    names, context = split.train.channel_names, split.train.context_length
    problem = Problem(
        "triple_barrier", 5, len(names), context, names, split.channel_mean, split.channel_std, NARROW
    )
    model_class = registry.get(name)
    recipe = Recipe(max_steps=400, patience_steps=400, effective_batch=32, learning_rate=3e-3)
    architecture = ARCHITECTURE if model_class.metadata.has_budget else None
    model = model_class(model_class.Settings(), problem, architecture, recipe, 7)
    model.result = model.fit(
        split.train, split.selection, TrainingContext(seed=7, state_dir=folder, runtime=Runtime(device="cpu"))
    )
    return model


ABLE = [name for name in registry.names() if registry.get(name).metadata.ternary]
BY_THE_SAME_ENGINE = ("neural:lstm", "timeseries:nhits", "timeseries:tft")
"""The contract asks them as well; here two networks speak for all."""
ASKED = [name for name in ABLE if name not in (*BY_THE_SAME_ENGINE, "naive:persistence")]
ARCHITECTURE = Architecture(
    d_model=32, n_heads=2, n_layers=1, d_ff=32, patch_length=2, patch_stride=1, dropout=0.1
)


def test_all_models_answer_but_the_one_for_touches():
    assert [name for name in registry.names() if name not in ABLE] == ["naive:volatility", "reference:oracle"]


@pytest.mark.parametrize("neutrals", ["keep", "drop"])
@pytest.mark.parametrize("name", ASKED)
def test_models_that_can_give_three_probabilities(name, neutrals, tmp_path):
    context = 8 if registry.get(name).metadata.input == "window" else 1
    split = load(NARROW.model_copy(update={"neutrals": neutrals}), context=context)
    model = fitted(name, split, tmp_path)
    frame = model.predict(split.test).to_frame("test")
    probability = frame.select("probability_-1", "probability_0", "probability_1").to_numpy()
    np.testing.assert_allclose(probability.sum(axis=1), 1.0, atol=1e-6)
    if neutrals == "drop":
        assert (probability[:, 1] == 0).all(), "what was never seen is not forecast"
    assert set(frame["prediction"]) <= {-1.0, 0.0, 1.0}
    if name not in ("naive:base_rate",):
        measured = ternary_metrics(split.test.target, probability)
        assert measured["auc_signed"] > 0.8, "the planted hint is found"
        shares = [float((split.train.target == label).mean()) for label in (-1, 0, 1)]
        reference = ternary_metrics(split.test.target, probability, shares)
        assert measured["log_loss"] < reference["base_rate_log_loss"]

    said = model.predict(split.selection).probability
    own_loss = ternary_metrics(split.selection.target, said)["log_loss"]
    [best] = [row for row in model.result.history if row["step"] == model.result.best_step]
    assert own_loss == pytest.approx(best["validation_loss"], rel=2e-3), "in nats"
    refitted = intercept_refitted_loss(split.selection.target, said, binary=False)
    assert refitted == pytest.approx(model.result.best_loss, rel=2e-3), "and it is chosen by their refit"

    folder = tmp_path / "model"
    folder.mkdir()
    model.save(folder)
    loaded = type(model).load(folder)
    assert loaded.problem.barriers == NARROW
    again = loaded.predict(split.test).probability
    np.testing.assert_allclose(again, probability, rtol=1e-6)
    unknown = replace(split.test, target=np.full(len(split.test), np.nan, dtype=np.float32))
    np.testing.assert_array_equal(model.predict(unknown).probability, model.predict(split.test).probability)


@pytest.mark.parametrize("name", ["boosting:xgboost", "neural:mlp"])
def test_an_unseen_class_in_validation_is_explained(name, tmp_path):
    split = load()
    train = replace(split.train, target=np.where(split.train.target == 0, 1, split.train.target))
    with pytest.raises(ModelError, match="class 0 occurs in validation and never in training"):
        fitted(name, replace(split, train=train), tmp_path)


def study(tmp_path: Path, models: list[str], **changes: object) -> None:
    import shutil

    import yaml

    folder = tmp_path / "config"
    shutil.copytree(CONFIG, folder)
    experiment = read_yaml(CONFIG / "experiments" / "ternary.yaml") | {"models": models} | changes
    (folder / "experiments" / "ternary.yaml").write_text(yaml.safe_dump(experiment))
    content = read_yaml(CONFIG / "config.yaml") | {"experiments": ["ternary"]}
    plan_study(content, folder, {})


def test_models_that_cannot_are_refused_before_any_data_are_fetched(tmp_path):
    with pytest.raises(ConfigError, match=r"volatility cannot forecast three classes.*Models that can: "):
        study(tmp_path, ["logistic", "volatility"])


def test_the_shipped_experiments_of_three_classes_can_be_planned_with_all_models():
    names = sorted(path.stem for path in (CONFIG / "experiments").glob("ternary*.yaml"))
    assert names == [
        "ternary", "ternary_networks", "ternary_patchtst", "ternary_touched", "ternary_touched_patchtst",
    ]  # fmt: skip
    plan = plan_study(read_yaml(CONFIG / "config.yaml") | {"experiments": names}, CONFIG, {})
    asked = {registry.full_name(plan.study.models[run.model].model) for run in plan.runs}
    assert asked == set(ABLE)
    assert {run.task for run in plan.runs} == {"triple_barrier"}


def test_barriers_without_their_task_are_refused(tmp_path):
    with pytest.raises(ConfigError, match="`barriers:` belongs to task triple_barrier"):
        study(tmp_path, ["logistic"], tasks=["direction"])


def predictions(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    target = rng.choice([-1, 0, 1], n, p=[0.3, 0.5, 0.2])
    raw = rng.random((n, 3)) + 0.8 * (target[:, None] == np.array([-1, 0, 1]))
    return target, raw / raw.sum(axis=1, keepdims=True)


def test_measures_equal_scikit_learns():
    target, probability = predictions(500, 3)
    said = np.array([-1, 0, 1])[probability.argmax(axis=1)]
    ours = ternary_metrics(target, probability)
    assert ours["log_loss"] == pytest.approx(sklearn_log_loss(target, probability))
    assert ours["auc"] == pytest.approx(roc_auc_score(target, probability, multi_class="ovr"))
    for name, score in (("precision", precision_score), ("recall", recall_score), ("f1", f1_score)):
        assert ours[name] == pytest.approx(score(target, said, average="macro"))
        assert ours[f"{name}_up"] == pytest.approx(score(target, said, labels=[1], average="macro"))
    assert ours["accuracy"] == pytest.approx((said == target).mean())
    assert confusion_matrix(target, said, (-1, 0, 1)).sum() == 500
    assert brier_per_sample([1, -1], [[0, 0, 1], [0, 0, 1]]).tolist() == [0.0, 2.0]
    broken = probability.copy()
    broken[3, 1] = np.nan
    refused = ternary_metrics(target, broken)
    assert refused["n_invalid"] == 1
    assert refused["log_loss"] is None


def table(n: int, part: str, seed: int) -> pl.DataFrame:
    target, probability = predictions(n, seed)
    return pl.DataFrame(
        {
            "date": [FIRST + timedelta(days=i) for i in range(n)],
            "symbol": "X",
            "horizon": 5,
            "target": target.astype(float),
            "prediction": np.array([-1.0, 0.0, 1.0])[probability.argmax(axis=1)],
            **{f"probability_{label}": probability[:, i] for i, label in enumerate((-1, 0, 1))},
            "part": part,
        }
    )


def test_a_run_with_three_classes_is_evaluated_with_intervals():
    run = {"task": "triple_barrier", "horizon": 5}
    validation = pl.concat([table(200, "selection", 1), table(150, "calibration", 2)])
    params = {"run": run, "training_class_shares": [0.3, 0.5, 0.2]}
    settings = EvaluationConfig(bootstrap_draws=200, too_good={"triple_barrier": 0.999})
    found = evaluate_run(validation, table(300, "test", 3), params, {}, settings).metrics
    test = found["splits"]["test"]
    for name in ("auc", "log_loss", "brier"):
        assert test[f"{name}_low"] < test[name] < test[f"{name}_high"]
    assert test["log_loss"] < test["base_rate_log_loss"]
    assert found["warnings"] == []
    assert found["conformal"]["kind"] == "set"
    assert abs(found["conformal"]["coverage"] - 0.9) < 0.08
