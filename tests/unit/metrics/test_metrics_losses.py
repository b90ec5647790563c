"""The loss by which every model is chosen: what a forecast says beyond a constant."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import expit, logit, softmax
from scipy.stats import entropy
from sklearn.linear_model import LogisticRegression

from lib.metrics.losses import intercept_refitted_loss, mean_loss

RANDOM = np.random.default_rng(5)
N = 400
SIGNAL = RANDOM.normal(size=N)
BINARY = (SIGNAL + RANDOM.normal(size=N) > 1).astype(float)
CLASSES = np.digitize(SIGNAL + RANDOM.normal(size=N), [-1.0, 0.5]) - 1.0
SCORES = np.stack([-SIGNAL, 0.3 * RANDOM.normal(size=N), SIGNAL], axis=1)
RETURNS = 0.01 * (SIGNAL + RANDOM.normal(size=N))


@pytest.mark.parametrize("constant", [1e-9, 0.02, 0.4, BINARY.mean(), 0.97, 1 - 1e-9])
def test_every_constant_probability_scores_the_entropy_of_the_targets(constant):
    loss = intercept_refitted_loss(BINARY, np.full(N, constant), binary=True)
    assert loss == pytest.approx(entropy([BINARY.mean(), 1 - BINARY.mean()]), abs=1e-9)


@pytest.mark.parametrize("constant", [[1 / 3] * 3, [0.98, 0.01, 0.01], [0.1, 0.2, 0.7]])
def test_every_constant_forecast_of_three_classes_scores_their_entropy(constant):
    loss = intercept_refitted_loss(CLASSES, np.tile(constant, (N, 1)), binary=False)
    assert loss == pytest.approx(entropy(np.unique(CLASSES, return_counts=True)[1]), abs=1e-9)


@pytest.mark.parametrize("constant", [-0.3, 0.0, 0.01])
def test_every_constant_return_scores_the_variance_of_the_returns(constant):
    loss = intercept_refitted_loss(RETURNS, np.full(N, constant), binary=False)
    assert loss == pytest.approx(RETURNS.var())


@pytest.mark.parametrize("added", [-9.0, -1.0, 0.5, 12.0])
def test_a_constant_that_is_added_to_the_logits_changes_nothing(added):
    expected = intercept_refitted_loss(BINARY, expit(SIGNAL), binary=True)
    moved = intercept_refitted_loss(BINARY, expit(SIGNAL + added), binary=True)
    assert moved == pytest.approx(expected, abs=1e-8)
    assert mean_loss(BINARY, expit(SIGNAL + added), binary=True) > expected

    expected = intercept_refitted_loss(CLASSES, softmax(SCORES, axis=1), binary=False)
    moved = softmax(SCORES + np.array([added, 0.0, -0.5 * added]), axis=1)
    assert intercept_refitted_loss(CLASSES, moved, binary=False) == pytest.approx(expected, abs=1e-8)
    assert mean_loss(CLASSES, moved, binary=False) > expected

    expected = intercept_refitted_loss(RETURNS, 0.01 * SIGNAL, binary=False)
    moved = intercept_refitted_loss(RETURNS, 0.01 * SIGNAL + added, binary=False)
    assert moved == pytest.approx(expected)


@pytest.mark.parametrize("sharpness", [0.3, 1.0, 3.0])
def test_of_two_classes_it_is_the_best_that_one_offset_can_do(sharpness):
    logits = sharpness * SIGNAL

    def loss(offset):
        return float(np.mean(np.logaddexp(0, logits + offset[0]) - BINARY * (logits + offset[0])))

    best = minimize(loss, [0.0], method="BFGS", options={"gtol": 1e-10})
    found = intercept_refitted_loss(BINARY, expit(logits), binary=True)
    assert found == pytest.approx(best.fun, abs=1e-8)
    free = LogisticRegression(C=np.inf).fit(logits[:, None], BINARY)
    free_loss = mean_loss(BINARY, free.predict_proba(logits[:, None])[:, 1], binary=True)
    assert free_loss - 1e-9 <= found, "with the slope free as well it can only be better"


@pytest.mark.parametrize("sharpness", [0.3, 1.0, 3.0])
def test_of_three_classes_it_is_the_best_that_one_offset_for_each_can_do(sharpness):
    scores, columns = sharpness * SCORES, CLASSES.astype(int) + 1

    def loss(offsets):
        probability = softmax(scores + np.array([*offsets, 0.0]), axis=1)
        return float(-np.log(probability[np.arange(N), columns]).mean())

    best = minimize(loss, [0.0, 0.0], method="BFGS", options={"gtol": 1e-10})
    found = intercept_refitted_loss(CLASSES, softmax(scores, axis=1), binary=False)
    assert found == pytest.approx(best.fun, abs=1e-8)


def test_where_one_class_alone_occurs_there_is_no_level_to_fit():
    ones, forecast = np.ones(N), expit(SIGNAL)
    assert intercept_refitted_loss(ones, forecast, True) == mean_loss(ones, forecast, True)
    shares = softmax(SCORES, axis=1)
    assert intercept_refitted_loss(ones, shares, False) == mean_loss(ones, shares, False)


def test_a_class_that_does_not_occur_takes_no_part():
    """As two classes: what was given to the third is nobody's."""
    two = np.where(CLASSES == 0, 1.0, CLASSES)
    scores = np.stack([-SIGNAL, np.full(N, 3.0), SIGNAL], axis=1)
    found = intercept_refitted_loss(two, softmax(scores, axis=1), binary=False)
    expected = intercept_refitted_loss((two == 1).astype(float), expit(2 * SIGNAL), binary=True)
    assert found == pytest.approx(expected, abs=1e-7)


def test_a_drift_of_the_selection_part_is_worth_nothing_to_a_constant():
    """Training says 50 %, the selection part 62 %: by the plain loss the constant that knows the drift is far
    better than one that does not, and than a model that can tell one day from another."""
    drifted = (expit(0.4 * SIGNAL + 0.5) > RANDOM.uniform(size=N)).astype(float)
    honest, lucky = np.full(N, 0.5), np.full(N, drifted.mean())
    model = expit(0.4 * SIGNAL)
    plain = [mean_loss(drifted, forecast, True) for forecast in (honest, lucky, model)]
    assert plain[1] < plain[0] - 0.0125, "two and a half margins of 0.005"
    assert plain[1] < plain[2], "the plain loss prefers the constant to the model"
    honest_loss, lucky_loss, model_loss = (
        intercept_refitted_loss(drifted, forecast, True) for forecast in (honest, lucky, model)
    )
    assert lucky_loss == pytest.approx(honest_loss, abs=1e-9)
    assert model_loss < lucky_loss - 0.005


def test_extreme_logits_neither_fail_nor_count_as_nothing():
    forecast = np.where(SIGNAL > 0, 1.0, 0.0)
    found = intercept_refitted_loss(BINARY, forecast, binary=True)
    assert np.isfinite(found)
    assert logit(BINARY.mean()) < 0
    assert found > intercept_refitted_loss(BINARY, expit(SIGNAL), binary=True)
