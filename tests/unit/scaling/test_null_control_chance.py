"""How often sound machinery fails its null control by chance: at most once in a thousand studies.

Forecasts that know nothing, about labels that overlap or cluster, however much they resemble the day before.
`python -m tests.benchmarks.null_control` counts the same with more draws.
"""

from dataclasses import replace

import numpy as np
import pytest

from lib.metrics.classification import roc_auc
from lib.scaling.circular_shifts import auc_by_shift, shifted_auc
from lib.scaling.controls import NULL_LEVEL, null_control, null_level
from lib.scaling.curves import estimate_auc
from lib.scaling.samples import Aligned
from tests.benchmarks.null_control import CASES, Case, blind, distances, false_alarms, false_gains


def one(days: int, folds: int = 1, symbols: int = 1, seed: int = 2) -> Aligned:
    return blind(Case(5, 0.9, folds=folds), np.random.default_rng(seed), days=days, symbols=symbols)


def test_every_shift_is_the_auc_of_moved_labels():
    aligned = one(60)
    shifts = auc_by_shift(aligned, range(3), slice(0, 60))
    for by in (0, 1, 17, 59):
        moved = np.roll(aligned.target, by)
        expected = np.mean([roc_auc(moved, score) for score in aligned.scores])
        assert shifts[by] + 0.5 == pytest.approx(expected, abs=1e-12)


def test_the_value_is_that_of_every_table_and_folds_add_up_by_samples():
    aligned = one(80, folds=3)
    found, usual = shifted_auc(aligned, range(3), 5), estimate_auc(aligned, range(3), 5)
    assert found.value == pytest.approx(usual.value, abs=1e-12)
    alone = [np.mean(auc_by_shift(aligned, range(3), fold) ** 2) for fold in aligned.folds]
    assert found.se_dates == pytest.approx(np.sqrt(sum(alone)) / 3, abs=1e-12)


def test_what_cannot_be_shifted_has_no_interval_and_does_not_pass():
    short = one(9)
    assert 0 < short.target.sum() < 9
    assert shifted_auc(short, range(3), 5).se_dates is None
    assert shifted_auc(one(60, symbols=2), range(3), 5) is None
    same = one(60)
    assert shifted_auc(replace(same, target=np.ones(60)), range(3), 5) is None
    constant = shifted_auc(replace(same, scores=np.full((3, 60), 0.4)), range(3), 5)
    assert null_control(constant, null_level(1)).passed


def test_chance_spreads_the_auc_as_widely_as_the_control_thinks():
    """All cases together: 1,800 draws, of which one in a hundred lies beyond 99 % (± 0.0023)."""
    z = {case: distances(case, draws=150, seed=17) for case in CASES}
    for case, own in z.items():
        assert 0.8 < own.std() < 1.2, case  # 150 draws: 1 ± 0.06
    every = np.concatenate(list(z.values()))
    assert 0.95 < every.std() < 1.05
    assert false_alarms(every, 0.99) < 0.02
    assert false_alarms(every, null_level(4)) * every.size <= 4  # 0.45 are expected


def test_no_size_seems_to_gain_where_nothing_is_known():
    assert false_gains(Case(5, 0.95), draws=200, seed=17) < 1 - NULL_LEVEL


@pytest.mark.parametrize("tests", [1, 3, 4, 12])
def test_the_levels_of_all_intervals_add_up_to_one_error_rate(tests):
    assert tests * (1 - null_level(tests)) == pytest.approx(1 - NULL_LEVEL)
