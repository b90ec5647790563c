"""Every gate of a verdict decides alone, in a sentence; controls at their edges."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations, pairwise

import pytest

from lib.inference.comparisons import Estimate, SeedNoise
from lib.scaling.controls import null_control, positive_control
from lib.scaling.decision import Decision, Gate, Verdict, number, question_verdict
from lib.scaling.families import holm_families
from lib.scaling.preconditions import Coverage, Preconditions
from lib.scaling.remedies import change_of_mind, question_power
from lib.scaling.verdicts import Evidence, curve_verdict, interaction_verdict

SEEDS = (SeedNoise(1e-12, 4),)
BUDGETS = ("2M", "20M", "200M")
BASE_RATE = 0.69


def measured(value: float, error: float) -> Estimate:
    return Estimate(value, error, 1000.0, SEEDS)


def losses(*means: float, error: float = 0.001, **changes: object) -> Evidence:
    """A curve whose sizes have these mean losses; recalibration changes nothing."""
    named = list(zip(BUDGETS, means, strict=True))
    pairs = [(a, b, measured(x - y, error)) for (a, x), (b, y) in combinations(named, 2)]
    base = Evidence(
        metric_name="log loss",
        first="2M",
        last="200M",
        margin=0.005,
        gain=measured(means[0] - means[-1], error),
        steps=[(a, b, measured(x - y, error)) for (a, x), (b, y) in pairwise(named)],
        pairs=pairs,
        skill={label: measured(BASE_RATE - mean, error) for label, mean in named},
        recalibrated=measured(means[0] - means[-1], error),
        detectable_gain=2.8 * error,
    )
    return replace(base, **changes)  # type: ignore[arg-type]


SCALES, FLAT, WORSENS = losses(0.66, 0.65, 0.64), losses(0.65, 0.65, 0.65), losses(0.64, 0.65, 0.66)


def decided(evidence: Evidence) -> tuple[Verdict, Gate]:
    decision = curve_verdict(evidence)
    return decision.verdict, decision.gate


def test_a_clear_gain_at_every_step_of_models_with_skill_scales() -> None:
    decision = curve_verdict(SCALES)
    assert (decision.verdict, decision.gate, decision.moot) == ("scales", "gain", False)
    assert decision.reason == (
        "Log loss falls from 2M to 200M: the gain in log loss from 2M to 200M is 0.0200 [0.0180, 0.0220], at "
        "least the margin of 0.0050. No step goes the other way, 200M beats the base rate, and after "
        "recalibration the gain is 0.0200 [0.0180, 0.0220]."
    )


def test_the_same_downwards_worsens() -> None:
    decision = curve_verdict(WORSENS)
    assert (decision.verdict, decision.gate) == ("worsens", "gain")
    assert "Log loss rises from 2M to 200M" in decision.reason
    assert "2M beats the base rate" in decision.reason


def test_scale_points_within_the_margin_of_each_other_are_flat() -> None:
    decision = curve_verdict(FLAT)
    assert (decision.verdict, decision.gate) == ("flat", "equivalence")
    assert "Every two scale points lie within ±0.0050" in decision.reason
    assert "(90% interval)" in decision.reason


STEP_BACK = losses(0.66, 0.664, 0.64, error=0.0002)
"""Not beyond the margin, and clear of 0."""
GATES: dict[str, tuple[Evidence, Gate, str]] = {
    "a scale point without runs": (
        replace(SCALES, absent=["200M"]), "absent", "No usable run at 200M: the gain from 2M to 200M"),
    "runs that cannot be compared": (
        replace(SCALES, gain=None), "unmeasured", "cannot be compared"),
    "a test set too short for blocks": (
        replace(SCALES, gain=Estimate(0.02, None, 1.0, SEEDS, 40)), "unmeasured", "blocks of 40 bars"),
    "a failed control": (
        replace(SCALES, failed_controls=["null, x 2M: AUC 0.700"]), "controls", "(null, x 2M: AUC 0.700)"),
    "one seed": (
        replace(SCALES, few_seeds={"200M": 1}), "seeds", "Only one seed at 200M: the noise between seeds is"),
    "two seeds": (
        replace(SCALES, few_seeds={"2M": 2}), "seeds", "Only two seeds at 2M: the noise between seeds"),
    "a collapsed scale point": (
        replace(SCALES, collapsed=["200M"]), "collapsed", "nothing was learned there"),
    "no skill at any size": (
        losses(0.72, 0.71, 0.70), "skill", "No scale point beats the base rate: the best, 200M, is worse by"),
    "an unknown base rate": (
        replace(SCALES, skill={}), "skill", "The loss of the base rate is not known"),
    "the best size without skill": (
        replace(SCALES, skill=SCALES.skill | {"200M": measured(0.05, 0.05)}), "skill",
        "but 200M, the best scale point, cannot be shown to beat the base rate (it is better by 0.0500"),
    "a gain that may be none": (
        losses(0.66, 0.65, 0.64, error=0.02), "gain", "neither clear of 0 nor within ±0.0050; this test set"),
    "a clear gain below the margin": (
        losses(0.66, 0.658, 0.6555, error=0.001), "margin", "clear of 0 but less than the margin of 0.0050"),
    "a step back beyond the margin": (
        losses(0.66, 0.68, 0.64), "reversal", "from 2M to 20M the log loss rises: the gain there is -0.0200"),
    "a small step back that is clear": (
        STEP_BACK, "reversal", "from 2M to 20M the log loss rises: the gain there is -0.0040"),
    "a gain that recalibration takes away": (
        replace(SCALES, recalibrated=measured(0.001, 0.001)), "recalibration",
        "but once both ends are recalibrated it is 0.0010 [-0.00096, 0.0030]: what differs is how sure"),
    "no recalibration": (
        replace(SCALES, recalibrated=None), "recalibration", "both ends could not be recalibrated"),
    "a bend between equal ends": (
        losses(0.65, 0.62, 0.65), "equivalence", "within ±0.0050, but from 2M to 20M it is 0.0300"),
}  # fmt: skip


@pytest.mark.parametrize(("made", "gate", "words"), GATES.values(), ids=GATES)
def test_every_gate_decides_alone(made: Evidence, gate: Gate, words: str) -> None:
    decision = curve_verdict(made)
    assert (decision.verdict, decision.gate) == ("undecidable", gate)
    assert words in decision.reason
    assert decision.moot == (words.startswith("No scale point beats"))


def test_gates_are_asked_in_their_order() -> None:
    shut = replace(
        losses(0.72, 0.80, 0.70), absent=["200M"], failed_controls=["null"], few_seeds={"2M": 1},
        collapsed=["2M"],
    )  # fmt: skip
    order = []
    for opened in ({}, {"absent": ()}, {"failed_controls": ()}, {"few_seeds": {}}, {"collapsed": ()}):
        shut = replace(shut, **opened)  # type: ignore[arg-type]
        order.append(curve_verdict(shut).gate)
    assert order == ["absent", "controls", "seeds", "collapsed", "skill"]


def test_a_middle_size_that_is_far_worse_is_no_scaling() -> None:
    """With three sizes a decade apart, slope and gain are one contrast that knows nothing of the middle."""
    assert decided(losses(0.678, 0.954, 0.618, error=0.01)) == ("undecidable", "reversal")


def test_models_that_are_all_worse_than_the_base_rate_are_moot_whatever_they_gain() -> None:
    decision = curve_verdict(losses(1.534, 1.464, 1.178, error=0.01))
    assert (decision.verdict, decision.gate, decision.moot) == ("undecidable", "skill", True)
    assert "moot" in decision.reason


def test_worsening_has_the_gates_of_scaling() -> None:
    assert decided(losses(0.64, 0.62, 0.66)) == ("undecidable", "reversal")
    assert decided(replace(WORSENS, recalibrated=measured(-0.001, 0.001))) == ("undecidable", "recalibration")
    assert decided(replace(WORSENS, recalibrated=None)) == ("undecidable", "recalibration")
    weak = WORSENS.skill | {"2M": measured(0.05, 0.05)}
    assert decided(replace(WORSENS, skill=weak)) == ("undecidable", "skill")
    assert decided(losses(0.64, 0.642, 0.6445, error=0.001)) == ("undecidable", "margin")


def test_a_gain_of_exactly_the_margin_is_enough() -> None:
    assert decided(losses(0.66, 0.6575, 0.655, error=0.0005)) == ("scales", "gain")


def test_a_clear_gain_well_within_the_margin_is_flat() -> None:
    assert decided(losses(0.66, 0.658, 0.656, error=0.0002)) == ("flat", "equivalence")


def test_skill_is_adjusted_for_the_number_of_sizes() -> None:
    barely = {
        label: measured(0.0022, 0.001) for label in BUDGETS
    }  # 95 % alone excludes 0, of three it does not
    assert curve_verdict(replace(FLAT, skill=barely)).moot
    assert not curve_verdict(replace(FLAT, skill={"2M": barely["2M"]})).moot


def test_a_stricter_level_can_take_a_finding_back() -> None:
    made = losses(0.66, 0.655, 0.65, error=0.004)
    assert decided(made) == ("scales", "gain")
    assert decided(replace(made, confidence=0.999)) == ("undecidable", "gain")


def test_flatness_needs_no_adjustment_for_the_number_of_curves() -> None:
    assert decided(replace(FLAT, confidence=0.9999)) == ("flat", "equivalence")
    edge = losses(0.65, 0.65, 0.65, error=0.005 / 1.7)  # within the margin at 90 %, not at 95 %
    assert decided(edge) == ("flat", "equivalence")
    assert decided(losses(0.65, 0.65, 0.65, error=0.005 / 1.6)) == ("undecidable", "gain")


def test_returns_are_held_against_a_forecast_of_zero() -> None:
    made = losses(0.72, 0.71, 0.70, baseline="a forecast of 0")
    assert "No scale point beats a forecast of 0" in curve_verdict(made).reason


def test_what_is_missing_weakens_a_verdict_in_words() -> None:
    decision = curve_verdict(replace(SCALES, incomplete=["2M"], shared_dates=10))
    assert decision.verdict == "scales"
    assert "Weakened: some seeds are missing at 2M; 10 test samples" in decision.reason
    decision = curve_verdict(replace(SCALES, undeclared_controls=["no null control"]))
    assert decision.reason.endswith("Weakened: no null control is declared.")


def test_what_stands_behind_scale_points_is_read_from_their_runs() -> None:
    declared, usable = {"a": 5, "b": 5, "c": 3, "d": 2}, {"a": 5, "b": 4, "c": 0, "d": 2}
    runs = Coverage(declared=declared, seeds=usable, collapsed=["b"], dates_lost=7)
    preconditions = Preconditions.of(runs)
    assert (preconditions.absent, preconditions.incomplete, preconditions.collapsed) == (["c"], ["b"], ["b"])
    assert preconditions.few_seeds == {"d": 2}
    assert preconditions.shared_dates == 7


def minds(evidence: Evidence) -> list[str]:
    return change_of_mind(curve_verdict(evidence), evidence, power=0.8)


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (SCALES, "falls below 0.0050"),
        (FLAT, "beyond ±0.0050"),
        (WORSENS, "under which 200M is no worse than 2M"),
        (replace(FLAT, absent=["200M"]), "Runs at 200M."),
        (replace(FLAT, few_seeds={"2M": 1}), "At least two more seeds at 2M."),
        (replace(FLAT, few_seeds={"2M": 2}), "At least one more seed at 2M."),
        (replace(FLAT, failed_controls=["null"]), "controls must pass"),
        (replace(FLAT, collapsed=["2M"]), "Runs at 2M that learn something"),
        (losses(0.72, 0.71, 0.70), "with which some scale point beats the base rate"),
        (replace(SCALES, skill={}), "The base rate of the training labels"),
        (losses(0.66, 0.68, 0.64), "Training in between that does not fall behind"),
        (replace(SCALES, recalibrated=measured(0.0, 0.001)), "left after recalibration"),
        (replace(SCALES, recalibrated=None), "A calibration part of at least 50 samples"),
        (losses(0.66, 0.658, 0.6555, error=0.001), "clearly beyond or clearly within 0.0050"),
        (replace(FLAT, undeclared_controls=["no null control"]), "does not declare: no null control."),
    ],
)
def test_what_would_change_our_mind(made: Evidence, words: str) -> None:
    assert any(words in said for said in minds(made)), minds(made)


def test_everything_that_is_lacking_is_named_not_only_what_decided() -> None:
    made = losses(
        0.72, 0.71, 0.70, error=0.02, few_seeds={"2M": 1}, failed_controls=["null"], recalibrated=None,
        horizon=5,        undeclared_controls=["no positive control of x"],
    )  # fmt: skip
    assert minds(made) == [
        "The controls must pass before anything here can be read.",
        "At least two more seeds at 2M.",
        "A task, data or a recipe with which some scale point beats the base rate.",
        "A calibration part of at least 50 samples with five of either class at both ends.",
        "About 126 times as many test dates (walk-forward folds, or a longer test), so that a gain of 0.0050 "
        "could be shown.",
        "A horizon of 1 bar: the same dates hold 5 times as many labels that do not overlap.",
        "Controls that the study does not declare: no positive control of x.",
    ]


def test_as_many_dates_and_seeds_as_are_asked_for_would_show_the_margin() -> None:
    def wide(dates: float, seeds: float) -> Evidence:
        gain = Estimate(0.0, 0.006 / dates**0.5, 1e9, (SeedNoise(0.009**2 / seeds, 10**9),))
        return replace(losses(0.65, 0.64, 0.65, error=0.01), gain=gain)

    dates, seeds = (float(said.split()[1]) for said in minds(wide(1, 1)) if "times as many" in said)
    enough = wide(dates, seeds).gain
    assert enough is not None
    assert enough.detectable(0.95) == pytest.approx(0.005, rel=0.05)


def test_a_question_can_answer_only_if_its_weakest_curve_shows_the_margin() -> None:
    sharp, blunt = (replace(losses(0.65, 0.65, 0.65), detectable_gain=shown) for shown in (0.004, 0.02))
    assert sharp.margin == 0.005
    able = question_power([sharp], [1.0], 0.8)
    assert (able["enough"], able["remedies"]) == (True, [])
    assert able["text"].startswith("This question can answer: with a chance of 80% it shows a gain of 0.0040")
    both = question_power([sharp, blunt], [1.0, 1.0], 0.8)
    assert (both["enough"], both["able"], both["detectable_gain"]) == (False, 1, 0.02)
    assert "cannot show its margin" in both["text"]
    assert "0.0200 nats in the weakest of 2 curves" in both["text"]
    nothing = question_power([replace(sharp, detectable_gain=None)], [1.0], 0.8)
    assert nothing["enough"] is None
    partly = question_power([sharp, replace(sharp, detectable_gain=None)], [1.0, 1.0], 0.8)
    assert partly["enough"] is False, "a curve without a gain can show nothing"


def test_more_seeds_are_asked_for_only_where_seeds_are_noisy() -> None:
    quiet = losses(0.65, 0.65, 0.65, error=0.01)
    assert not any("seeds" in said for said in minds(quiet))
    noisy = replace(quiet, gain=Estimate(0.0, 0.0001, 1000.0, (SeedNoise(0.01**2, 4),)))
    assert any("times as many seeds" in said for said in minds(noisy))
    assert not any("test dates" in said for said in minds(noisy))


SKILL = {"2M 20": measured(-0.01, 0.002), "200M 50": measured(0.01, 0.002)}
"""Of two corners of an interaction, one of which beats the base rate."""


@pytest.mark.parametrize("value", [0.02, 0.0, -0.02])
def test_an_interaction_of_forecasts_without_skill_is_moot(value: float) -> None:
    """Only skill differs from what is judged *scales*, *flat* and *worsens* with it."""

    def judged(skill: dict[str, Estimate]) -> Decision:
        effect = measured(value, 0.001)
        return interaction_verdict(effect, 0.95, 0.005, ("parameters", "channels"), Preconditions(), skill)

    assert judged(SKILL).gate != "skill"
    blind = judged({"2M 20": measured(-0.01, 0.002), "200M 50": measured(0.001, 0.001)})
    assert (blind.verdict, blind.gate, blind.moot) == ("undecidable", "skill", True)
    assert "No scale point beats the base rate: the best, 200M 50, is better by 0.0010" in blind.reason
    assert (
        "moot how the loss changes between scale points; the gain from more parameters changes"
        in blind.reason
    )
    unknown = judged({})
    assert (unknown.verdict, unknown.gate, unknown.moot) == ("undecidable", "skill", False)
    assert "The loss of the base rate is not known" in unknown.reason


def test_skill_of_one_corner_among_four_is_corrected_for_their_number() -> None:
    faint = {str(n): measured(-0.01, 0.002) for n in range(3)} | {"3": measured(0.0022, 0.001)}
    effect, axes = measured(0.0, 0.001), ("parameters", "channels")
    assert interaction_verdict(effect, 0.95, 0.005, axes, Preconditions(), faint).verdict == "flat"
    faint = dict.fromkeys("abc", measured(0.0, 0.002)) | {"d": measured(0.0022, 0.001)}  # p of the last: .028
    assert interaction_verdict(effect, 0.95, 0.005, axes, Preconditions(), faint).moot


def test_interactions_are_judged_by_the_difference_in_differences() -> None:
    sound = Preconditions()

    def judged(value: float, error: float, preconditions: Preconditions = sound) -> Decision:
        axes = ("parameters", "channels")
        return interaction_verdict(measured(value, error), 0.95, 0.005, axes, preconditions, SKILL)

    def outcome(value: float, error: float) -> tuple[Verdict, Gate]:
        decision = judged(value, error)
        return decision.verdict, decision.gate

    assert outcome(0.02, 0.002) == ("scales", "gain")
    assert outcome(-0.02, 0.002) == ("worsens", "gain")
    assert "each other's way" in judged(-0.02, 0.002).reason
    assert outcome(0.0, 0.002) == ("flat", "equivalence")
    assert outcome(0.0, 0.02) == ("undecidable", "gain")
    assert outcome(0.004, 0.001) == ("undecidable", "margin")
    assert interaction_verdict(None, 0.95, 0.005, ("a", "b"), Preconditions(), SKILL).gate == "unmeasured"
    short = Estimate(0.02, None, 1.0, SEEDS)
    assert interaction_verdict(short, 0.95, 0.005, ("a", "b"), Preconditions(), SKILL).gate == "unmeasured"
    for blocked, gate, why in (
        (Preconditions(failed_controls=["null"]), "controls", "A control did not pass"),
        (Preconditions(few_seeds={"2M 20": 2}), "seeds", "two seeds at 2M 20"),
        (Preconditions(collapsed=["200M 50"]), "collapsed", "nothing was learned"),
        (Preconditions(absent=["200M 50"]), "absent", "No usable run at 200M 50"),
    ):
        decision = judged(0.02, 0.002, blocked)
        assert (decision.verdict, decision.gate) == ("undecidable", gate)
        assert why in decision.reason
    weaker = judged(0.02, 0.002, Preconditions(incomplete=["2M 20"], shared_dates=9))
    assert weaker.verdict == "scales"
    assert "Weakened: some seeds are missing at 2M 20; 9 test samples" in weaker.reason


def test_a_question_is_answered_only_if_its_curves_agree() -> None:
    scales, flat = Decision("scales", "gain", "S."), Decision("flat", "equivalence", "F.")
    worsens, unclear = Decision("worsens", "gain", "W."), Decision("undecidable", "gain", "U.")
    moot = Decision("undecidable", "skill", "M.", moot=True)
    assert question_verdict([scales]) == scales
    for one, words in ((scales, "falls"), (flat, "less than the margin"), (worsens, "rises")):
        both = question_verdict([one, one], "parameters")
        assert (both.verdict, both.gate) == (one.verdict, one.gate)
        assert words in both.reason
    mixed = question_verdict([scales, flat, worsens, unclear, moot])
    assert (mixed.verdict, mixed.gate, mixed.moot) == ("undecidable", "curves", False)
    assert "1 scales, 1 flat, 1 worsens, 2 undecidable (1 moot)" in mixed.reason
    nothing = question_verdict([moot, moot])
    assert (nothing.verdict, nothing.gate, nothing.moot) == ("undecidable", "skill", True)
    assert "In none of the 2 curves" in nothing.reason
    assert question_verdict([scales, moot]).verdict == "undecidable"
    assert question_verdict([unclear, unclear]).gate == "gain"
    assert question_verdict([unclear, moot]).gate == "curves"
    assert question_verdict([]).verdict == "undecidable"


def test_confirmatory_questions_share_one_family_and_exploratory_ones_have_their_own() -> None:
    clear, faint = measured(0.02, 0.002), measured(0.0022, 0.001)  # p of the faint one: 0.028
    families = holm_families(
        [
            ("confirmatory", "gains", [faint]),
            ("exploratory", "gains", [faint]),
            ("confirmatory", "gains", [clear, None]),
            ("exploratory", "interactions", []),
        ],
        0.95,
    )
    assert [family.size for family in families] == [3, 1, 3, 0]
    shared, alone, others, _ = (family.levels for family in families)
    assert alone == [0.95]
    assert shared == [
        pytest.approx(1 - 0.05 / 2)
    ]  # the clear one is out of the way, the unmeasured one counts
    assert others == [pytest.approx(1 - 0.05 / 3), pytest.approx(1 - 0.05 / 2)]
    assert {family.what for family in families} == {
        "gains and interactions of all confirmatory questions", "gains", "interactions",
    }  # fmt: skip


def test_a_report_of_one_phase_is_judged_in_the_family_of_the_whole_study() -> None:
    faint = measured(0.003, 0.001)  # p: 0.003
    [of_its_phase], [of_the_study] = (
        holm_families([("confirmatory", "gains", [faint])], 0.95, declared) for declared in (1, 22)
    )
    assert [of_its_phase.size, of_the_study.size] == [1, 22]
    assert faint.interval(of_its_phase.levels[0])[0] > 0.0  # type: ignore[operator]
    assert of_the_study.levels == [pytest.approx(1 - 0.05 / 22)]
    assert faint.interval(of_the_study.levels[0])[0] < 0.0  # type: ignore[operator]


NORMAL_999 = 3.2905267


@pytest.mark.parametrize(("distance", "passed"), [(0.99, True), (1.01, False), (-0.99, True), (-1.01, False)])
def test_null_control_fails_where_its_interval_just_excludes_one_half(distance: float, passed: bool) -> None:
    error = 0.01
    auc = Estimate(0.5 + distance * NORMAL_999 * error, error, 1e9)
    assert null_control(auc, 0.999).passed is passed


def test_null_control_of_a_constant_model_passes() -> None:
    assert null_control(Estimate(0.5, 0.0, 10.0), 0.999).passed


def test_null_control_fails_if_size_alone_seems_to_help() -> None:
    result = null_control(Estimate(0.5, 0.01, 100.0), 0.999, false_gain=(0.03, 0.01))
    assert not result.passed
    assert "size" in result.reason


@pytest.mark.parametrize(("auc", "passed"), [(0.64, True), (0.6399, False), (0.75, True)])
def test_positive_control_needs_seven_tenths_of_the_planted_signal(auc: float, passed: bool) -> None:
    result = positive_control(Estimate(auc, 0.01, 100.0), planted_auc=0.70)
    assert result.passed is passed
    assert result.required_auc == pytest.approx(0.64)


def test_a_control_that_could_not_be_measured_has_not_passed() -> None:
    assert not null_control(None, 0.999).passed
    assert not null_control(Estimate(0.5, None, 1.0), 0.999).passed
    assert not positive_control(None, 0.7).passed
    assert not positive_control(Estimate(0.7, 0.01, 100.0), None).passed


def test_small_numbers_of_a_reason_have_two_digits_and_no_exponent() -> None:
    assert [number(v) for v in (0.0123, -0.00058, 5.2e-05, 0.0, 4.1e-07, None)] == [
        "0.0123", "-0.00058", "0.000052", "0.0000", "4.1e-07", "unknown",
    ]  # fmt: skip
