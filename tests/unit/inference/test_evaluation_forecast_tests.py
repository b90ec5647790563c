"""Diebold–Mariano and DeLong against published examples; SPA and confidence set in known worlds."""

from __future__ import annotations

import random

import numpy as np
import pytest

from lib.inference.forecast_tests import (
    auc_influence,
    confidence_set,
    delong,
    diebold_mariano,
    newey_west_lag,
    placements,
    superior_predictive_ability,
)
from lib.metrics.classification import roc_auc

# Ovarian cancer and albumin, total protein, Krebs-Goplerud score (DeLong et al. 1988), as printed in the
# SAS/STAT User's Guide, example "Comparing Receiver Operating Characteristic Curves".
PATIENTS = np.fromstring(
    """3.0 5.8 10 0 3.2 6.3 5 1 3.9 6.8 3 1 2.8 4.8 6 0 3.2 5.8 3 1 0.9 4.0 5 0 2.5 5.7 8 0 1.6 5.6 5 1
    3.8 5.7 5 1 3.7 6.7 6 1 3.2 5.4 4 1 3.8 6.6 6 1 4.1 6.6 5 1 3.6 5.7 5 1 4.3 7.0 4 1 3.6 6.7 4 0
    2.3 4.4 6 1 4.2 7.6 4 0 4.0 6.6 6 0 3.5 5.8 6 1 3.8 6.8 7 1 3.0 4.7 8 0 4.5 7.4 5 1 3.7 7.4 5 1
    3.1 6.6 6 1 4.1 8.2 6 1 4.3 7.0 5 1 4.3 6.5 4 1 3.2 5.1 5 1 2.6 4.7 6 1 3.3 6.8 6 0 1.7 4.0 7 0
    3.7 6.1 5 1 3.3 6.3 7 1 4.2 7.7 6 1 3.5 6.2 5 1 2.9 5.7 9 0 2.1 4.8 7 1 2.8 6.2 8 0 4.0 7.0 7 1
    3.3 5.7 6 1 3.7 6.9 5 1 3.6 6.6 5 1""",
    sep=" ",
).reshape(-1, 4)
ALBUMIN, PROTEIN, SCORE, BENEFIT = PATIENTS.T


def test_delong_gives_the_published_areas_errors_and_tests() -> None:
    areas = {"albumin": (ALBUMIN, 0.7366, 0.0927), "score": (10 - SCORE, 0.7258, 0.1028),
             "protein": (PROTEIN, 0.6478, 0.1000)}  # fmt: skip
    for values, area, error in areas.values():
        found = placements(BENEFIT, values)
        assert found is not None
        assert found[0].mean() == pytest.approx(area, abs=5e-5)
        assert found[1].mean() == pytest.approx(area, abs=5e-5)
        assert sum(np.var(p, ddof=1) / p.size for p in found) ** 0.5 == pytest.approx(error, abs=5e-5)
    for values, difference, error, chi_square, p_value in (
        (ALBUMIN, 0.0108, 0.0953, 0.0127, 0.9102),
        (PROTEIN, -0.0780, 0.1046, 0.5554, 0.4561),
    ):
        compared = delong(BENEFIT, values, 10 - SCORE)
        assert compared is not None
        assert compared[0] == pytest.approx(difference, abs=5e-5)
        assert compared[1] == pytest.approx(error, abs=5e-5)
        assert compared[2].statistic ** 2 == pytest.approx(chi_square, abs=5e-5)
        assert compared[2].p_value == pytest.approx(p_value, abs=5e-5)


def python_2_sample(generator: random.Random, n: int) -> np.ndarray:
    """All of range(n) in the order that random.sample of Python 2 gave."""
    pool, out = list(range(n)), []
    for i in range(n):
        j = int(generator.random() * (n - i))
        out.append(pool[j])
        pool[j] = pool[n - i - 1]
    return np.array(out, dtype=float)


@pytest.mark.parametrize(
    ("power", "statistic", "p_value"),
    [
        (1, 1.3275742446369585, 0.18737195617455585),
        (2, 1.2112523589452902, 0.22868210381769466),
        (4, 0.9124498079287283, 0.36374861695187799),
    ],
)
def test_diebold_mariano_against_a_published_example(power: int, statistic: float, p_value: float) -> None:
    """The example of J. Tsang's implementation of Harvey, Leybourne & Newbold (1997), seed 123, h = 1."""
    generator = random.Random()
    generator.seed(123)
    actual, first, second = (python_2_sample(generator, 100) for _ in range(3))
    loss = np.abs(actual - first) ** power - np.abs(actual - second) ** power
    found = diebold_mariano(loss, 1, lag=0)
    assert found is not None
    assert found.statistic == pytest.approx(statistic, rel=1e-12)
    assert found.p_value == pytest.approx(p_value, rel=1e-12)


def test_diebold_mariano_equals_statsmodels_hac_with_uniform_weights() -> None:
    import statsmodels.api as sm
    from statsmodels.stats.sandwich_covariance import weights_uniform

    rng = np.random.default_rng(0)
    d = 0.2 + np.convolve(rng.normal(size=304), np.ones(5) / 5, "valid")
    model = sm.OLS(d, np.ones(d.size)).fit(
        cov_type="HAC", cov_kwds={"maxlags": 4, "weights_func": weights_uniform}
    )
    n, h = d.size, 5
    correction = ((n + 1 - 2 * h + h * (h - 1) / n) / n) ** 0.5
    found = diebold_mariano(d, h, lag=h - 1)
    assert found is not None
    assert found.statistic == pytest.approx(float(model.tvalues[0]) * correction)


def test_diebold_mariano_at_one_bar_equals_statsmodels_hac_at_the_automatic_lag() -> None:
    import statsmodels.api as sm

    rng = np.random.default_rng(3)
    d = 0.1 + np.convolve(rng.normal(size=302), np.ones(3) / 3, "valid")
    lag = newey_west_lag(d)
    model = sm.OLS(d, np.ones(d.size)).fit(cov_type="HAC", cov_kwds={"maxlags": lag})
    found = diebold_mariano(d, 1)
    assert found is not None
    assert 2 <= lag <= 12
    assert found.statistic == pytest.approx(float(model.tvalues[0]) * ((d.size - 1) / d.size) ** 0.5)


def test_losses_that_cluster_are_not_called_different_at_one_bar_more_often_than_declared() -> None:
    rng, wrong = np.random.default_rng(4), {"automatic": 0, "none": 0}
    for _ in range(400):
        d = np.convolve(rng.normal(size=504), np.ones(5) / 5, "valid")
        for name, lag in (("automatic", None), ("none", 0)):
            found = diebold_mariano(d, 1, lag)
            assert found is not None
            wrong[name] += found.p_value < 0.05
    assert wrong["none"] > 400 * 0.25
    assert wrong["automatic"] < 400 * 0.11


def test_overlap_makes_the_same_difference_less_certain() -> None:
    d = 0.1 + np.convolve(np.random.default_rng(1).normal(size=504), np.ones(5) / 5, "valid")
    naive, honest = diebold_mariano(d, 1, lag=0), diebold_mariano(d, 5)
    assert naive is not None
    assert honest is not None
    assert honest.p_value > naive.p_value
    assert diebold_mariano(np.zeros(100), 1) is None
    assert diebold_mariano(d[:10], 1) is None
    # A truncated sum of autocovariances below 0 is replaced, not turned into a certainty.
    alternating = np.tile([1.0, -1.0], 50) + 0.01 * np.arange(100) / 100
    replaced = diebold_mariano(alternating, 2)
    assert replaced is not None
    assert np.isfinite(replaced.statistic)


def test_the_linear_form_of_the_auc_has_delongs_variance_and_follows_a_reweighting() -> None:
    rng = np.random.default_rng(0)
    target = (rng.random(400) < 0.4).astype(float)
    score = np.round(target + 1.5 * rng.normal(size=400), 1)
    influence = auc_influence(target, score)
    assert influence is not None
    assert influence.mean() == pytest.approx(0, abs=1e-12)
    found = placements(target, score)
    assert found is not None
    delongs = sum(np.var(p) / p.size for p in found) ** 0.5
    assert influence.std() / 400**0.5 == pytest.approx(delongs, rel=1e-9)
    errors = []
    for draw in range(20):
        rows = np.random.default_rng(draw).integers(0, 400, 400)
        linear = roc_auc(target, score) + influence[rows].mean()
        errors.append(abs(linear - roc_auc(target[rows], score[rows])))
    assert np.mean(errors) < 0.1 * delongs
    assert auc_influence(np.ones(3), np.arange(3)) is None


def losses(seed: int = 0, n: int = 300) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    base = rng.normal(0.7, 0.1, n)
    return {
        "good": base - 0.03 + 0.05 * rng.normal(size=n),
        "also good": base - 0.03 + 0.05 * rng.normal(size=n),
        "bad": base + 0.05 + 0.05 * rng.normal(size=n),
    }


def test_spa_finds_a_better_model_and_is_not_fooled_by_many_equal_ones() -> None:
    rng = np.random.default_rng(0)
    base = rng.normal(0.7, 0.1, 300)
    better = superior_predictive_ability(base, np.column_stack(list(losses().values())), 1, 500, 0)
    assert better is not None
    assert better["p_consistent"] < 0.01
    equal = base[:, None] + 0.05 * rng.normal(size=(300, 30))
    naive = min(np.mean(equal - base[:, None], axis=0)) / (0.05 / 300**0.5)
    assert naive < -1.8  # the best of thirty looks significant by itself
    found = superior_predictive_ability(base, equal, 1, 500, 0)
    assert found is not None
    assert found["p_consistent"] > 0.1
    assert superior_predictive_ability(base, base[:, None], 1, 100, 0) is None


def test_the_confidence_set_keeps_what_could_be_best() -> None:
    kept = confidence_set(losses(), 1, 500, 0, 0.9)
    assert kept == ["good", "also good"]
    same = losses()
    same["twin"] = same["good"].copy()
    assert confidence_set(same, 1, 500, 0, 0.9) == ["good", "also good", "twin"]
    assert confidence_set({"one": np.ones(100)}, 1, 100, 0, 0.9) is None
