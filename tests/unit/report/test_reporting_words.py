"""How numbers and names are written, and where marks are drawn."""

import math
from itertools import pairwise

import pytest

from lib.report.svg import Scale, Strip, kind_of, ticks
from lib.report.wording import (
    Names,
    ahead,
    count,
    dataset_words,
    duration,
    interval,
    listed,
    models_words,
    number,
    parameters,
    percent,
    prose,
)
from lib.scaling.words import of_all


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.69314, "0.6931"), (-0.0031, "−0.0031"), (0.0, "0.0000"), (0.00051234, "0.000512"), (0.005, "0.0050"),
     (4.1e-7, "4.1e−07"), (None, "–"),
     (math.nan, "–"), (math.inf, "–"), ("x", "–"), (True, "–")],
)  # fmt: skip
def test_a_number_has_fixed_decimals_and_a_true_minus(value, text):
    assert number(value) == text


def test_an_interval_that_is_not_known_is_said_to_be_missing():
    assert interval(0.5, 0.4, 0.6, 2) == "0.50 [0.40, 0.60]"
    assert interval(0.5, None, 0.6, 2) == "0.50 [no interval]"
    assert interval(None, 0.4, 0.6) == "–"


def test_numbers_and_their_ends_can_be_told_apart_and_have_the_same_decimals():
    assert interval(0.681, 0.6725, 0.6895) == "0.6810 [0.6725, 0.6895]"
    assert interval(0.000512, 0.000481, 0.000543) == "0.000512 [0.000481, 0.000543]"
    assert interval(-8.0e-5, -0.0007, 0.0005) == "−0.0001 [−0.0007, 0.0005]"
    assert interval(0.5, 0.5, 0.5, 3) == "0.500 [0.500, 0.500]"


def test_what_varies_in_a_dataset_is_said_in_words():
    assert dataset_words("Aa20") == "Aa20"
    assert dataset_words("*a20") == "all rows, column a, 20 channels"
    assert dataset_words("A*20") == "row A, all columns, 20 channels"
    assert dataset_words("Aa*") == "row A, column a, all tiers"
    assert ahead("2d", 5) == "5 two-day bars ahead"


def test_counts_times_and_shares_are_written_for_people():
    assert count(12345) == "12\u202f345"
    assert parameters(201_612_289) == "202M"
    assert parameters(2_021_953) == "2.02M"
    assert parameters(21) == "21"
    assert duration(5.25) == "5.2 s"
    assert duration(200) == "3 min 20 s"
    assert duration(18_600) == "5 h 10 min"
    assert percent(0.553) == "55.3 %"
    assert listed([]) == ""
    assert listed(["a"]) == "a"
    assert listed(["a", "b", "c"]) == "a, b and c"


def test_shares_of_a_few_are_counted_in_words():
    said = [of_all(k, n, "curve") for n in (1, 2, 4) for k in range(n + 1)]
    assert said == [
        "0 of 1 curve", "1 of 1 curve", "neither curve", "1 of 2 curves", "both curves",
        "none of 4 curves", "1 of 4 curves", "2 of 4 curves", "3 of 4 curves", "all 4 curves",
    ]  # fmt: skip


def test_a_minus_is_put_only_before_numbers():
    assert prose("gain -0.0031 [-0.01, 0.02] from 2013-01-01, single-seed") == (
        "gain −0.0031 [−0.01, 0.02] from 2013-01-01, single-seed"
    )


def test_the_sizes_of_one_model_are_named_together():
    rows = [
        {"model": "p", "budget": "2M"},
        {"model": "xgboost", "budget": "none"},
        {"model": "p", "budget": "20M"},
    ]
    assert models_words(rows) == "p (2M, 20M) and xgboost"


def test_problems_are_named_by_what_differs():
    one = {"condition": "base", "dataset": "Aa20", "timescale": "daily", "task": "threshold_1pct",
           "horizon": 1, "train_fraction": 1.0, "context_length": 80}  # fmt: skip
    assert Names([one]).problem(one) == "Touch of +1 %, 1 daily bar ahead"
    other = one | {"dataset": "Ab50", "timescale": "2wk", "horizon": 3, "condition": "matched"}
    assert Names([one, other]).problem(other) == "Touch of +1 %, 3 two-week bars ahead, Ab50, variant matched"
    share, window = one | {"train_fraction": 0.125}, one | {"context_length": 60}
    assert Names([one, share]).problem(share) == "Touch of +1 %, 1 daily bar ahead, 12.5 % of the dates"
    assert Names([one, window]).problem(window) == "Touch of +1 %, 1 daily bar ahead, windows of 60 bars"
    assert Names([one]).problem(one | {"fold": 3}) == "Touch of +1 %, 1 daily bar ahead, fold 3", (
        "of single runs"
    )


def test_colour_and_shape_belong_to_the_budget():
    assert [kind_of(b) for b in ("2M", "20M", "200M", "none", None, "<x>")] == [
        "b2", "b20", "b200", "base", "base", "base",
    ]  # fmt: skip


@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (0.683, 0.705), (-3.2, 3.1), (0, 200), (1e-6, 4e-6)])
def test_ticks_are_round_inside_the_range_and_enough(low, high):
    found = ticks(low, high)
    assert 4 <= len(found) <= 11
    assert all(low - 1e-12 <= value <= high + 1e-12 for value in found)
    steps = {round(b - a, 12) for a, b in pairwise(found)}
    assert len(steps) == 1


def test_a_log_scale_puts_equal_factors_at_equal_distances():
    scale = Scale(1e6, 1e9, 0, 300, log=True)
    assert [round(scale(v)) for v in (1e6, 1e7, 1e8, 1e9)] == [0, 100, 200, 300]


def test_a_strip_keeps_what_lies_outside_at_its_edge():
    strip = Strip(-1.0, 1.0, references=(0.0,))
    assert strip.at(0.0) == "50.00%"
    assert strip.at(9.0) == strip.at(1.0)
    drawn = strip.draw(0.5, -2.0, 2.0, "b2")
    assert 'x1="4.00%"' in drawn
    assert 'x2="96.00%"' in drawn
    assert "<circle" in drawn
    assert "whisker" not in strip.draw(0.5, None, None, "b2")
