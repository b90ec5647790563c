"""What a test set can show, told before training, is what simulation then finds."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit

from lib.inference.forecast_tests import placements
from lib.inference.power import auc_standard_error, detectable, detectable_auc, detectable_log_loss
from lib.metrics.classification import log_loss_per_sample


def test_the_standard_error_of_hanley_and_mcneil() -> None:
    """Their table: AUC 0.893, 51 abnormal and 58 normal cases, standard error 0.032 to 0.033."""
    assert auc_standard_error(0.893, 51, 58) == pytest.approx(0.032, abs=0.001)
    # At 0.5 it is the null variance of the Mann-Whitney statistic.
    assert auc_standard_error(0.5, 40, 60) ** 2 == pytest.approx((40 + 60 + 1) / (12 * 40 * 60), rel=1e-9)


def test_a_model_with_the_detectable_auc_is_found_in_four_of_five_tests() -> None:
    auc = detectable_auc(300, 0.4)
    assert auc is not None
    from scipy.special import ndtri

    shift, rng, found = 2**0.5 * ndtri(auc), np.random.default_rng(0), []
    for _ in range(400):
        target = np.arange(300) < 120
        score = rng.normal(size=300) + shift * target
        parts = placements(target, score)
        assert parts is not None
        error = sum(np.var(p, ddof=1) / p.size for p in parts) ** 0.5
        found.append(parts[0].mean() - 0.5 > 1.96 * error)
    assert np.mean(found) == pytest.approx(0.8, abs=0.06)


def test_a_difference_of_the_detectable_size_is_found_in_four_of_five_tests() -> None:
    n, gap, rng = 500, 0.3, np.random.default_rng(1)
    smallest = detectable_log_loss(n, 0.5, logit_gap=gap)
    assert smallest is not None
    found = []
    for _ in range(400):
        odds, other = rng.normal(0, 0.2, n), gap * rng.normal(size=n)
        target = (rng.random(n) < expit(odds)).astype(float)
        d = log_loss_per_sample(target, expit(odds + other)) - log_loss_per_sample(target, expit(odds))
        d += smallest - 0.5 * 0.25 * gap**2  # the worse model loses exactly the detectable difference
        found.append(abs(d.mean()) > 1.96 * d.std(ddof=1) / n**0.5)
    assert np.mean(found) == pytest.approx(0.8, abs=0.06)


def test_overlap_and_rarity_cost_power() -> None:
    one, five = detectable(750, 0.5, 1), detectable(750, 0.5, 5)
    assert five.effective_n == 150
    assert one.auc < five.auc  # type: ignore[operator]
    assert one.log_loss == pytest.approx(five.log_loss / 5**0.5)  # type: ignore[operator]
    assert detectable(750, 0.05, 1).auc > one.auc  # type: ignore[operator]


def test_nothing_is_promised_where_nothing_can_be_shown() -> None:
    assert detectable(6, 0.5, 5).auc is None
    assert detectable(100, 0.0, 1).log_loss is None
    regression = detectable(750, None, 5)
    assert regression.auc is None
    assert regression.relative_mse is not None
