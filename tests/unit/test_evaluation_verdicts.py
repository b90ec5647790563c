"""Verdicts and controls at their edges."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lib.evaluation.comparisons import Estimate, SeedNoise
from lib.evaluation.controls import null_control, positive_control
from lib.evaluation.standing import Standing
from lib.evaluation.verdicts import (
    Evidence,
    Verdict,
    cell_verdict,
    change_of_mind,
    interaction_verdict,
    question_verdict,
)

SEEDS = (SeedNoise(1e-12, 4),)


def measured(value: float, error: float) -> Estimate:
    return Estimate(value, error, 1000.0, SEEDS)


def evidence(gain: float, error: float, margin: float = 0.005, **changes: object) -> Evidence:
    base = Evidence(
        metric_name="log loss",
        first="2M",
        last="200M",
        margin=margin,
        slope=measured(-gain / 2, error / 2),
        gain=measured(gain, error),
        detectable_gain=2.8 * error,
    )
    return replace(base, **changes)  # type: ignore[arg-type]


def test_a_clear_gain_beyond_the_margin_scales() -> None:
    verdict, reason = cell_verdict(evidence(0.02, 0.002))
    assert verdict == "scales"
    assert "0.0200" in reason
    assert "margin of 0.0050" in reason


def test_a_gain_of_exactly_the_margin_is_enough() -> None:
    assert cell_verdict(evidence(0.005, 0.0005))[0] == "scales"


def test_a_clear_gain_below_the_margin_is_not_scaling() -> None:
    assert cell_verdict(evidence(0.004, 0.0002))[0] == "flat"
    verdict, reason = cell_verdict(evidence(0.004, 0.001))
    assert verdict == "undecidable"
    assert "less than the margin" in reason


def test_no_gain_known_precisely_is_flat() -> None:
    assert cell_verdict(evidence(0.0, 0.002))[0] == "flat"


def test_no_gain_known_vaguely_is_undecidable_and_says_what_could_have_been_shown() -> None:
    verdict, reason = cell_verdict(evidence(0.0, 0.02))
    assert verdict == "undecidable"
    assert "0.0560" in reason


def test_larger_and_worse_never_scales() -> None:
    verdict, reason = cell_verdict(evidence(-0.05, 0.001))
    assert verdict == "undecidable"
    assert "worse" in reason


@pytest.mark.parametrize("gain", [0.5, 0.0], ids=["a large gain", "no gain"])
def test_one_seed_allows_neither_scales_nor_flat(gain: float) -> None:
    verdict, reason = cell_verdict(evidence(gain, 0.0001, few_seeds={"200M": 1}))
    assert verdict == "undecidable"
    assert "one seed at 200M" in reason


@pytest.mark.parametrize("gain", [0.5, 0.0], ids=["a large gain", "no gain"])
def test_two_seeds_allow_neither_scales_nor_flat(gain: float) -> None:
    verdict, reason = cell_verdict(evidence(gain, 0.0001, few_seeds={"2M": 2}))
    assert verdict == "undecidable"
    assert "Only two seeds at 2M: the noise between seeds is known too badly" in reason


def test_levels_that_bend_in_between_are_not_flat() -> None:
    bent = [("2M", "20M", measured(0.03, 0.001)), ("20M", "200M", measured(-0.03, 0.001))]
    ends = ("2M", "200M", measured(0.0, 0.001))
    verdict, reason = cell_verdict(evidence(0.0, 0.001, pairs=[*bent, ends]))
    assert verdict == "undecidable"
    assert "from 2M to 20M it is 0.0300" in reason
    level = [("2M", "20M", measured(0.001, 0.001)), ("20M", "200M", measured(-0.001, 0.001))]
    assert cell_verdict(evidence(0.0, 0.001, pairs=[*level, ends]))[0] == "flat"


def test_a_control_that_is_not_declared_weakens_a_verdict_in_words() -> None:
    verdict, reason = cell_verdict(evidence(0.02, 0.002, undeclared_controls=["no null control"]))
    assert verdict == "scales"
    assert reason.endswith("Weakened: no null control is declared.")


def test_what_stands_behind_levels_is_read_from_their_runs() -> None:
    standing = Standing.of({"a": 5, "b": 5, "c": 3, "d": 2}, {"a": 5, "b": 4, "c": 0, "d": 2}, ["b"], 7)
    assert (standing.absent, standing.incomplete, standing.collapsed) == (["c"], ["b"], ["b"])
    assert standing.few_seeds == {"d": 2}
    assert standing.shared_dates == 7


def test_failed_controls_and_missing_sizes_forbid_an_answer() -> None:
    verdict, reason = cell_verdict(evidence(0.5, 0.0001, failed_controls=["null, x 2M: AUC 0.700"]))
    assert (verdict, "AUC 0.700" in reason) == ("undecidable", True)
    verdict, reason = cell_verdict(evidence(0.5, 0.0001, absent=["200M"]))
    assert (verdict, "No usable run at 200M" in reason) == ("undecidable", True)


def test_collapsed_models_allow_neither_scales_nor_flat() -> None:
    for gain in (0.5, 0.0):
        verdict, reason = cell_verdict(evidence(gain, 0.0001, collapsed=["200M"]))
        assert verdict == "undecidable"
        assert "nothing was learned" in reason


def test_missing_seeds_and_samples_weaken_a_verdict_in_words() -> None:
    verdict, reason = cell_verdict(evidence(0.02, 0.002, incomplete=["2M"], shared_dates=10))
    assert verdict == "scales"
    assert "Weakened: some seeds are missing at 2M; 10 test samples" in reason


def test_levels_without_sizes_are_judged_by_their_gain() -> None:
    def columns(gain: float, error: float) -> tuple[Verdict, str]:
        return cell_verdict(evidence(gain, error, unit="", slope=None, first="a", last="d"))

    assert columns(0.02, 0.002)[0] == "scales"
    assert columns(0.0, 0.001)[0] == "flat"
    verdict, reason = columns(-0.05, 0.001)
    assert verdict == "undecidable"
    assert "d is worse" in reason


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (evidence(0.02, 0.002), "falls below 0.0050"),
        (evidence(0.0, 0.001), "beyond ±0.0050"),
        (evidence(0.0, 0.02), "About 126 times as many independent test days"),
        (evidence(0.0, 0.001, absent=["200M"]), "Runs at 200M"),
        (evidence(0.0, 0.001, few_seeds={"2M": 1}), "two more seeds at 2M"),
        (evidence(0.0, 0.001, few_seeds={"2M": 2}), "one more seed at 2M"),
        (evidence(0.0, 0.001, failed_controls=["null"]), "controls must pass"),
    ],
)
def test_what_would_change_our_mind(made: Evidence, words: str) -> None:
    assert words in change_of_mind(cell_verdict(made)[0], made)


def test_more_seeds_are_asked_for_where_seeds_are_the_larger_noise() -> None:
    noisy = Estimate(0.0, 0.001, 1000.0, (SeedNoise(0.01**2, 4),))
    made = replace(evidence(0.0, 0.01), gain=noisy, detectable_gain=0.03)
    assert "seeds" in change_of_mind("undecidable", made)


def test_interactions_are_judged_by_the_difference_in_differences() -> None:
    sound = Standing()

    def judged(value: float, error: float, standing: Standing = sound) -> tuple[Verdict, str]:
        return interaction_verdict(measured(value, error), 0.95, 0.005, ("parameters", "channels"), standing)

    assert judged(0.02, 0.002)[0] == "scales"
    assert judged(0.0, 0.002)[0] == "flat"
    assert judged(0.0, 0.02)[0] == "undecidable"
    assert "each other's way" in judged(-0.02, 0.002)[1]
    assert interaction_verdict(None, 0.95, 0.005, ("a", "b"), Standing())[0] == "undecidable"
    for blocked, why in (
        (Standing(failed_controls=["null"]), "A control did not pass"),
        (Standing(few_seeds={"2M 20": 2}), "two seeds at 2M 20"),
        (Standing(collapsed=["200M 50"]), "nothing was learned"),
        (Standing(absent=["200M 50"]), "No usable run at 200M 50"),
    ):
        verdict, reason = judged(0.02, 0.002, blocked)
        assert (verdict, why in reason) == ("undecidable", True), reason
    weaker = judged(0.02, 0.002, Standing(incomplete=["2M 20"], shared_dates=9))
    assert weaker[0] == "scales"
    assert "Weakened: some seeds are missing at 2M 20; 9 test samples" in weaker[1]


def test_a_stricter_level_can_take_a_finding_back() -> None:
    assert cell_verdict(evidence(0.01, 0.004))[0] == "scales"
    assert cell_verdict(evidence(0.01, 0.004, confidence=0.999))[0] == "undecidable"


def test_a_question_is_answered_only_if_its_cells_agree() -> None:
    scales: tuple[Verdict, str] = ("scales", "S.")
    flat: tuple[Verdict, str] = ("flat", "F.")
    unclear: tuple[Verdict, str] = ("undecidable", "U.")
    assert question_verdict([scales]) == scales
    assert question_verdict([scales, scales])[0] == "scales"
    assert question_verdict([flat, flat])[0] == "flat"
    verdict, reason = question_verdict([scales, flat, unclear])
    assert verdict == "undecidable"
    assert "1 scale, 1 flat, 1 undecidable" in reason
    assert question_verdict([])[0] == "undecidable"


NORMAL_999 = 3.2905267


@pytest.mark.parametrize(("distance", "passed"), [(0.99, True), (1.01, False), (-0.99, True), (-1.01, False)])
def test_null_control_fails_where_its_interval_just_excludes_one_half(distance: float, passed: bool) -> None:
    error = 0.01
    auc = Estimate(0.5 + distance * NORMAL_999 * error, error, 1e9)
    assert null_control(auc).passed is passed


def test_null_control_of_a_constant_model_passes() -> None:
    assert null_control(Estimate(0.5, 0.0, 10.0)).passed


def test_null_control_fails_if_size_alone_seems_to_help() -> None:
    result = null_control(Estimate(0.5, 0.01, 100.0), false_gain=(0.03, 0.01))
    assert not result.passed
    assert "size" in result.reason


@pytest.mark.parametrize(("auc", "passed"), [(0.64, True), (0.6399, False), (0.75, True)])
def test_positive_control_needs_seven_tenths_of_the_planted_signal(auc: float, passed: bool) -> None:
    result = positive_control(Estimate(auc, 0.01, 100.0), planted_auc=0.70)
    assert result.passed is passed
    assert result.required_auc == pytest.approx(0.64)


def test_a_control_that_could_not_be_measured_has_not_passed() -> None:
    assert not null_control(None).passed
    assert not null_control(Estimate(0.5, None, 1.0)).passed
    assert not positive_control(None, 0.7).passed
    assert not positive_control(Estimate(0.7, 0.01, 100.0), None).passed
