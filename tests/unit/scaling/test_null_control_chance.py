"""How often sound machinery fails its null control by chance: at most once in a thousand studies.

Forecasts that know nothing, persistent as those of networks are, about labels of five bars that overlap. The
tail is computed from the spread of the AUC over the draws and from the interval that each draw gets.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.signal import lfilter
from scipy.special import ndtr

from lib.scaling.control_runs import chance_auc
from lib.scaling.controls import NULL_LEVEL, null_level
from lib.scaling.curves import estimate_auc
from lib.scaling.samples import Aligned

DAYS, HORIZON, SEEDS, SIZES = 500, 5, 3, 3
PERSISTENCE = 0.95
"""Correlation of a forecast with the day before's."""


def blind(folds: int, rng: np.random.Generator) -> Aligned:
    """Three seeds of one size in some folds, three fifths of whose forecasts are the same."""
    n = folds * DAYS
    rises = np.convolve(rng.normal(size=n + HORIZON - 1), np.ones(HORIZON), "valid") > -0.15
    noise = np.sqrt(1 - PERSISTENCE**2) * rng.normal(size=(SEEDS + 1, n + 200))
    walks = lfilter([1.0], [1.0, -PERSISTENCE], noise)[:, 200:]
    scores = 0.5 + 0.01 * (np.sqrt(0.6) * walks[:1] + np.sqrt(0.4) * walks[1:])
    parts = tuple(slice(i * DAYS, (i + 1) * DAYS) for i in range(folds))
    dates = np.datetime64("2007-01-01") + np.arange(n)
    return Aligned(dates, np.arange(n), rises.astype(float), scores, "direction", parts, (None,) * SEEDS)


def chance(estimates: list, level: float, intervals: int) -> float:
    """Probability that one of some intervals excludes 0.5, if they were independent."""
    spread = np.std([one.value for one in estimates])
    assert abs(np.mean([one.value for one in estimates]) - 0.5) < 4 * spread / np.sqrt(len(estimates))
    own = [replace(one, seed_noise=()) for one in estimates]  # as the control, for which chance is 0.5
    reach = [(one.interval(level)[1] - one.value) / spread for one in own]
    return intervals * 2 * float(np.mean(ndtr(-np.array(reach))))


def test_a_sound_study_fails_its_null_control_once_in_a_thousand() -> None:
    rng = np.random.default_rng(3)
    level = null_level(SIZES + 1)  # the sizes, and the gain between them
    found = [chance_auc(blind(3, rng), range(SEEDS), HORIZON) for _ in range(250)]
    assert all(one is not None for one in found)
    assert chance(found, level, SIZES) < 1 - NULL_LEVEL


def test_one_fold_at_the_same_level_for_each_size_would_fail_more_often() -> None:
    """What the control was: the reason for folds, longer blocks and one level for all."""
    rng = np.random.default_rng(3)
    found = [estimate_auc(blind(1, rng), range(SEEDS), HORIZON) for _ in range(250)]
    assert chance(found, NULL_LEVEL, SIZES) > 1 - NULL_LEVEL


@pytest.mark.parametrize("tests", [1, 3, 4, 12])
def test_the_levels_of_all_intervals_add_up_to_one_error_rate(tests: int) -> None:
    assert 4 * tests * (1 - null_level(tests)) == pytest.approx(1 - NULL_LEVEL)
