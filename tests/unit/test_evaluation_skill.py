"""Skill over the base rate, and what is left of a gain once both models are recalibrated."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import expit, log_softmax, logit, softmax
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics import log_loss

from lib.evaluation.skill import base_rate_losses, recalibrate
from lib.metrics.classification import log_loss_per_sample
from lib.metrics.ternary import log_loss_per_sample as ternary_loss

RNG = np.random.default_rng(3)


def binary(n: int, factor: float = 1.0, shift: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Scores of an over-confident model (its log-odds are `factor` times the true ones) and what happened."""
    odds = RNG.normal(0, 0.5, n)
    return expit(factor * odds + shift), (RNG.random(n) < expit(odds)).astype(float)


def ternary(n: int, factor: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    odds = RNG.normal(0, 0.7, (n, 3)) + np.array([0.0, -0.4, 0.3])
    happened = np.array([RNG.choice([-1.0, 0.0, 1.0], p=p) for p in softmax(odds, axis=1)])
    return softmax(factor * odds, axis=1), happened


def test_the_base_rate_loses_what_scikit_learn_says() -> None:
    target = np.array([0.0, 1.0, 1.0, 0.0, 1.0])
    found = base_rate_losses(target, 0.4, "direction")
    assert found is not None
    assert found.mean() == pytest.approx(log_loss(target, np.full(5, 0.4)))
    three = base_rate_losses(np.array([-1.0, 0.0, 1.0]), [0.2, 0.5, 0.3], "triple_barrier")
    assert three == pytest.approx(-np.log([0.2, 0.5, 0.3]))
    assert base_rate_losses(np.array([0.1, -0.2]), None, "regression") == pytest.approx([0.01, 0.04])
    assert base_rate_losses(target, None, "direction") is None
    assert base_rate_losses(target, None, "triple_barrier") is None


def test_two_classes_are_recalibrated_as_scikit_learn_does() -> None:
    score, target = binary(400, 3.0, 0.5)
    new, _ = binary(100, 3.0, 0.5)
    found = recalibrate(score, target, new, "direction")
    model = LogisticRegression(C=np.inf, solver="newton-cholesky", tol=1e-10)
    model.fit(logit(score)[:, None], target)
    assert found == pytest.approx(model.predict_proba(logit(new)[:, None])[:, 1], abs=1e-6)


def test_returns_are_recalibrated_as_scikit_learn_does() -> None:
    score = RNG.normal(0, 0.01, 200)
    target = 0.3 * score + 0.002 + RNG.normal(0, 0.01, 200)
    new = RNG.normal(0, 0.01, 50)
    expected = LinearRegression().fit(score[:, None], target).predict(new[:, None])
    assert recalibrate(score, target, new, "regression") == pytest.approx(expected)
    assert recalibrate(np.zeros(200), target, new, "regression") == pytest.approx(np.full(50, target.mean()))


def test_three_classes_get_the_likeliest_slope_and_offsets() -> None:
    score, target = ternary(600, 2.5)
    found = recalibrate(score, target, score, "triple_barrier")
    assert found is not None

    def loss(b: np.ndarray) -> float:
        z = b[0] * np.log(score) + np.array([b[1], 0.0, b[2]])
        return -float(log_softmax(z, axis=1)[np.arange(600), target.astype(int) + 1].mean())

    best = minimize(
        loss, np.array([1.0, 0.0, 0.0]), method="Nelder-Mead", options={"xatol": 1e-7, "fatol": 1e-12}
    )
    assert ternary_loss(target, found).mean() == pytest.approx(best.fun, abs=1e-9)
    # The offsets make every class as likely as it was; scikit-learn's free weights can only fit better.
    assert found.mean(axis=0) == pytest.approx([(target == k).mean() for k in (-1, 0, 1)], abs=1e-6)
    free = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000).fit(np.log(score), target)
    at_best = log_loss(target, free.predict_proba(np.log(score)))
    assert at_best <= ternary_loss(target, found).mean() < at_best + 0.01


def test_recalibration_undoes_over_confidence_and_adds_no_knowledge() -> None:
    score, target = binary(20_000, 4.0, 1.0)
    new, happened = binary(20_000, 4.0, 1.0)
    repaired = recalibrate(score, target, new, "direction")
    assert repaired is not None
    honest = expit((logit(new) - 1.0) / 4.0)
    assert np.abs(repaired - honest).max() < 0.03
    gap = log_loss_per_sample(happened, repaired).mean() - log_loss_per_sample(happened, honest).mean()
    assert abs(gap) < 0.001


@pytest.mark.parametrize(
    ("task", "n", "rare"), [("direction", 49, 20), ("direction", 200, 4), ("triple_barrier", 200, 4)]
)
def test_too_few_samples_recalibrate_nothing(task: str, n: int, rare: int) -> None:
    target = np.zeros(n)
    target[:rare] = 1.0
    if task == "triple_barrier":
        target[-50:] = -1.0
        score = softmax(RNG.normal(size=(n, 3)), axis=1)
    else:
        score = RNG.random(n)
    assert recalibrate(score, target, score, task) is None
    assert recalibrate(np.zeros(49), np.zeros(49), np.zeros(9), "regression") is None
