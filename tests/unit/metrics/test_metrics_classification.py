"""Binary measures: equal to scikit-learn's, None where undefined, loud where a model is broken."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lib.metrics.classification import (
    average_precision,
    classification_metrics,
    is_collapsed,
    log_loss_per_sample,
    roc_auc,
)


def sample(seed: int, n: int = 400, decimals: int = 6) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    target = (rng.random(n) < 0.3).astype(float)
    probability = np.clip(0.3 + 0.2 * target + 0.2 * rng.normal(size=n), 0.01, 0.99)
    return target, np.clip(np.round(probability, decimals), 0.01, 0.99)


@pytest.mark.parametrize("decimals", [6, 1], ids=["distinct scores", "many ties"])
@pytest.mark.parametrize("seed", [0, 1])
def test_every_measure_equals_scikit_learns(seed: int, decimals: int) -> None:
    from sklearn import metrics

    target, probability = sample(seed, decimals=decimals)
    predicted = (probability >= 0.5).astype(int)
    ours = classification_metrics(target, probability, reference_rate=0.25)
    expected = {
        "n": 400,
        "base_rate": target.mean(),
        "auc": metrics.roc_auc_score(target, probability),
        "pr_auc": metrics.average_precision_score(target, probability),
        "accuracy": metrics.accuracy_score(target, predicted),
        "precision": metrics.precision_score(target, predicted),
        "recall": metrics.recall_score(target, predicted),
        "f1": metrics.f1_score(target, predicted),
        "brier": metrics.brier_score_loss(target, probability),
        "log_loss": metrics.log_loss(target, probability),
        "base_rate_log_loss": metrics.log_loss(target, np.full(400, 0.25)),
        "majority_accuracy": max(target.mean(), 1 - target.mean()),
        "prediction_min": probability.min(),
        "prediction_max": probability.max(),
    }
    for name, value in expected.items():
        assert ours[name] == pytest.approx(value, rel=1e-12), name
    assert ours["collapsed"] is False
    assert ours["zero_recall"] is False


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 5)), min_size=2, max_size=30))
def test_auc_is_the_share_of_pairs_ranked_rightly(pairs: list[tuple[bool, int]]) -> None:
    positives = [score for label, score in pairs if label]
    negatives = [score for label, score in pairs if not label]
    auc = roc_auc([label for label, _ in pairs], [score for _, score in pairs])
    if not positives or not negatives:
        assert auc is None
    else:
        wins = [(p > q) + 0.5 * (p == q) for p in positives for q in negatives]
        assert auc == pytest.approx(np.mean(wins))


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_one_class_leaves_rank_measures_undefined_but_keeps_the_losses(value: float) -> None:
    ours = classification_metrics(np.full(10, value), np.linspace(0.2, 0.8, 10))
    assert ours["auc"] is None
    assert ours["pr_auc"] is None
    assert ours["log_loss"] is not None
    assert average_precision(np.full(3, value), [0.1, 0.2, 0.3]) is None


def test_no_positive_found_rings_the_alarm() -> None:
    ours = classification_metrics([0, 1, 0, 1], [0.1, 0.2, 0.3, 0.4])
    assert ours["zero_recall"] is True
    assert ours["recall"] == 0.0
    assert ours["precision"] is None


def test_a_sure_error_costs_much_but_not_infinitely() -> None:
    assert log_loss_per_sample([1.0], [0.0])[0] == pytest.approx(-np.log(1e-7))


@pytest.mark.parametrize(
    ("probability", "collapsed"),
    [
        (np.full(50, 0.4), True),
        (np.linspace(0.40, 0.4199, 50), True),
        (np.linspace(0.2, 0.6, 50), False),
        (np.append(np.full(5000, 0.4), 0.7), True),
    ],
    ids=["constant", "narrow range", "alive", "constant but for one"],
)
def test_collapse_is_a_narrow_range_or_a_small_deviation(probability: np.ndarray, collapsed: bool) -> None:
    assert is_collapsed(probability) is collapsed


def test_a_prediction_that_is_not_finite_voids_every_measure_of_the_model() -> None:
    target, probability = sample(3)
    probability[7] = np.nan
    ours = classification_metrics(target, probability, 0.3)
    assert ours["n_invalid"] == 1
    assert ours["base_rate"] == pytest.approx(target.mean())
    assert ours["base_rate_log_loss"] is not None
    assert all(ours[name] is None for name in ("auc", "accuracy", "log_loss", "brier", "collapsed"))


def test_an_empty_split_has_no_measures() -> None:
    ours = classification_metrics([], [])
    assert ours["n"] == 0
    assert ours["log_loss"] is None
    assert ours["base_rate"] is None
