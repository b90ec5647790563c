"""The verdict rule for a curve and an interaction: scales, flat, worsens or undecidable.

A decision names the gate that decided and the reason in plain English. The gates, in order: scale points
without runs; controls, seeds, collapse (`Preconditions`); skill over the base rate; then the gain. *scales*
needs a gain that is clear of 0 (Holm), at least the margin, reversed by no step in between, with a best point
that beats the base rate, and still there after recalibration. *worsens* is the same downwards. *flat* needs
every two points within ± margin. Measures nothing; `remedies` names what would change a decision.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from lib.inference.comparisons import Estimate, holm_confidences
from lib.scaling.decision import Decision, bounds, equivalence_confidence, number, span, too_short
from lib.scaling.preconditions import Preconditions
from lib.scaling.words import sentence

Pair = tuple[str, str, Estimate]
"""Two scale points, and the gain from the first to the second."""


@dataclass(frozen=True)
class Evidence(Preconditions):
    """All that decides one curve. `margin` is in the unit of the loss, `confidence` Holm's for this curve."""

    metric_name: str
    first: str
    last: str
    margin: float
    gain: Estimate | None = None
    """Loss of the first scale point minus that of the last."""
    steps: Sequence[Pair] = ()
    """Gain of each scale point over the one before it."""
    pairs: Sequence[Pair] = ()
    """Gain from each scale point to each later one."""
    skill: Mapping[str, Estimate] = field(default_factory=dict)
    """Loss of the base rate minus that of each scale point."""
    recalibrated: Estimate | None = None
    """The gain after both ends were recalibrated."""
    confidence: float = 0.95
    """Of the gain: Holm's within the family."""
    declared_confidence: float = 0.95
    """Of everything else, before any adjustment."""
    detectable_gain: float | None = None
    """Smallest gain that would be shown at `confidence`."""
    horizon: int = 1
    baseline: str = "the base rate"
    """What a forecast without skill predicts, in words."""

    @property
    def skilled(self) -> list[str]:
        """Scale points that beat the base rate, by Holm over the scale points."""
        return skilled_of(self.skill, self.declared_confidence)

    @property
    def best(self) -> str | None:
        """The scale point that is furthest ahead of the base rate."""
        return _best_of(self.skill)


def skilled_of(skill: Mapping[str, Estimate], confidence: float) -> list[str]:
    """Scale points that beat the base rate, by Holm over the scale points."""
    levels = holm_confidences([e.p_value() for e in skill.values()], confidence)
    pairs = zip(skill.items(), levels, strict=True)
    return [label for (label, e), level in pairs if (e.interval(level)[0] or 0.0) > 0.0]


def _best_of(skill: Mapping[str, Estimate]) -> str | None:
    return max(skill, key=lambda label: skill[label].value, default=None)


def curve_verdict(evidence: Evidence) -> Decision:
    """The decision on one curve."""
    e = evidence
    if e.absent:
        where = ", ".join(e.absent)
        text = f"No usable run at {where}: the gain from {e.first} to {e.last} cannot be measured."
        return Decision("undecidable", "absent", text)
    if e.gain is None:
        text = "The runs of this curve cannot be compared (see the warnings)."
        return Decision("undecidable", "unmeasured", text)
    if e.gain.standard_error is None:
        return Decision("undecidable", "unmeasured", too_short(e.gain))
    measured = f"the gain in {e.metric_name} from {e.first} to {e.last} is {span(e.gain, e.confidence)}"
    if e.blocked:
        return Decision("undecidable", e.blocked[0], f"{e.blocked[1]}; {measured}.")
    found = _without_skill(e.skill, e.declared_confidence, e.baseline, measured) or _judged(
        e, e.gain, measured
    )
    return Decision(found.verdict, found.gate, found.reason + e.weaknesses, found.moot)


def _without_skill(
    skill: Mapping[str, Estimate], confidence: float, baseline: str, measured: str
) -> Decision | None:
    """The question is moot if no scale point beats the base rate; None where that is unknown."""
    best = _best_of(skill)
    if best is None:
        text = f"The loss of {baseline} is not known, so no skill can be shown; {measured}."
        return Decision("undecidable", "skill", text)
    if skilled_of(skill, confidence):
        return None
    text = (
        f"No scale point beats {baseline}: the best, {best}, is {_beside(skill[best], confidence)}. Without "
        f"skill it is moot how the loss changes between scale points; {measured}."
    )
    return Decision("undecidable", "skill", text, moot=True)


def _judged(e: Evidence, gain: Estimate, measured: str) -> Decision:
    """What the gain shows, along a curve with skill at some scale point."""
    low, high = bounds(gain, e.confidence)
    sign = 1 if low > 0.0 else -1 if high < 0.0 else 0
    margin = number(e.margin)
    if sign and sign * gain.value >= e.margin:
        return _shut(e, measured, sign) or _clear(e, measured, sign)
    widest = _widest(e)
    if widest is not None and _reach(widest[2], e) <= e.margin:
        before, after, pair = widest
        text = (
            f"Every two scale points lie within ±{margin} of each other; the widest gain, from {before} to "
            f"{after}, is {_equivalence_span(pair, e)}."
        )
        return Decision("flat", "equivalence", text)
    power = f"; this test set could have shown {number(e.detectable_gain)}" if e.detectable_gain else ""
    if sign:
        how = "clear of 0 but less than" if sign > 0 else "clearly below 0 but within"
        return Decision(
            "undecidable", "margin", f"{sentence(measured)}, {how} the margin of {margin}{power}."
        )
    if widest is not None and _reach(gain, e) <= e.margin:
        before, after, pair = widest
        text = (
            f"{sentence(measured)}, within ±{margin}, but from {before} to {after} it is "
            f"{_equivalence_span(pair, e)}: the loss does not stay flat in between."
        )
        return Decision("undecidable", "equivalence", text)
    text = f"{sentence(measured)}: neither clear of 0 nor within ±{margin}{power}."
    return Decision("undecidable", "gain", text)


def _shut(e: Evidence, measured: str, sign: int) -> Decision | None:
    """The gate that blocks a clear gain (sign 1) or loss (sign -1) beyond the margin; None if none does."""
    if (against := _reversal(e, sign)) is not None:
        before, after, step = against
        turns = "rises" if sign > 0 else "falls"
        text = (
            f"{sentence(measured)}, but from {before} to {after} the {e.metric_name} {turns}: the gain there "
            f"is {span(step, e.declared_confidence)}."
        )
        return Decision("undecidable", "reversal", text)
    if e.best not in e.skilled:
        text = (
            f"{sentence(measured)}, but {e.best}, the best scale point, cannot be shown to beat {e.baseline} "
            f"(it is {_beside(e.skill[str(e.best)], e.declared_confidence)})."
        )
        return Decision("undecidable", "skill", text)
    if e.recalibrated is None or e.recalibrated.standard_error is None:
        text = (
            f"{sentence(measured)}, but both ends could not be recalibrated (too few calibration samples), "
            "so it may be a matter of how sure the models are."
        )
        return Decision("undecidable", "recalibration", text)
    low, high = bounds(e.recalibrated, e.confidence)
    if not (low > 0.0 if sign > 0 else high < 0.0):
        text = (
            f"{sentence(measured)}, but once both ends are recalibrated it is "
            f"{span(e.recalibrated, e.confidence)}: what differs is how sure the models are, not what they "
            "know."
        )
        return Decision("undecidable", "recalibration", text)
    return None


def _clear(e: Evidence, measured: str, sign: int) -> Decision:
    """All gates are open."""
    assert e.recalibrated is not None
    margin, after = number(e.margin), span(e.recalibrated, e.confidence)
    reached = f"at least the margin of {margin}" if sign > 0 else f"a loss of at least the margin of {margin}"
    turns = "falls" if sign > 0 else "rises"
    text = (
        f"{sentence(e.metric_name)} {turns} from {e.first} to {e.last}: {measured}, {reached}. No step goes "
        f"the other way, {e.best} beats {e.baseline}, and after recalibration the gain is {after}."
    )
    return Decision("scales" if sign > 0 else "worsens", "gain", text)


def _reversal(e: Evidence, sign: int) -> Pair | None:
    """The neighbouring step that goes furthest against the rest: beyond the margin, or clearly below 0."""
    found: list[Pair] = []
    for before, after, step in e.steps:
        low, high = step.interval(e.declared_confidence)
        clear = (high if sign > 0 else low) or 0.0
        if sign * step.value < -e.margin or sign * clear < 0.0:
            found.append((before, after, step))
    return min(found, key=lambda pair: sign * pair[2].value, default=None)


def _widest(e: Evidence) -> Pair | None:
    """The pair of scale points whose interval reaches furthest from 0; None if a pair has no interval."""
    if not e.pairs or any(pair.standard_error is None for *_, pair in e.pairs):
        return None
    return max(e.pairs, key=lambda pair: _reach(pair[2], e))


def _reach(gain: Estimate, e: Evidence) -> float:
    low, high = bounds(gain, equivalence_confidence(e.declared_confidence))
    return max(-low, high)


def interaction_verdict(
    effect: Estimate | None,
    confidence: float,
    margin: float,
    labels: tuple[str, str],
    preconditions: Preconditions,
    skill: Mapping[str, Estimate],
    declared_confidence: float = 0.95,
    baseline: str = "the base rate",
) -> Decision:
    """The decision on a difference in differences.

    *scales*: the two help each other by at least the margin; *worsens*: they get in each other's way by as
    much; *flat*: the effect lies within ± margin. It is moot if no corner beats the base rate.

    Args:
        effect: gain along the first axis at the last scale point of the second minus that at its first.
        confidence: Holm's for this interaction.
        margin: in the unit of the loss.
        labels: of the two axes.
        preconditions: preconditions of the four corners.
        skill: loss of the base rate minus that of each corner.
        declared_confidence: before any adjustment; decides skill and *flat*.
        baseline: what a forecast without skill predicts, in words.
    """
    if preconditions.absent:
        text = f"No usable run at {', '.join(preconditions.absent)}: the interaction cannot be measured."
        return Decision("undecidable", "absent", text)
    if effect is None:
        return Decision("undecidable", "unmeasured", "The corners of the interaction cannot be compared.")
    if effect.standard_error is None:
        return Decision("undecidable", "unmeasured", too_short(effect))
    first, second = labels
    measured = (
        f"the gain from more {first} changes by {span(effect, confidence)} from the first to the last scale "
        f"point of {second}"
    )
    if preconditions.blocked:
        return Decision("undecidable", preconditions.blocked[0], f"{preconditions.blocked[1]}; {measured}.")
    found = _without_skill(skill, declared_confidence, baseline, measured) or _judged_interaction(
        effect, confidence, margin, measured, declared_confidence
    )
    return Decision(found.verdict, found.gate, found.reason + preconditions.weaknesses, found.moot)


def _judged_interaction(
    effect: Estimate, confidence: float, margin: float, measured: str, declared: float
) -> Decision:
    (low, high), edge = bounds(effect, confidence), number(margin)
    inner_low, inner_high = bounds(effect, equivalence_confidence(declared))
    if low > 0.0 and effect.value >= margin:
        text = f"They help each other: {measured}, at least the margin of {edge}."
        return Decision("scales", "gain", text)
    if high < 0.0 and effect.value <= -margin:
        text = f"They get in each other's way: {measured}, a loss of at least the margin of {edge}."
        return Decision("worsens", "gain", text)
    if -margin <= inner_low and inner_high <= margin:
        level = equivalence_confidence(declared)
        text = f"{sentence(measured)}; its {level:.0%} interval lies within the margin of ±{edge}."
        return Decision("flat", "equivalence", text)
    if low > 0.0 or high < 0.0:
        text = f"{sentence(measured)}, clear of 0 but less than the margin of {edge}."
        return Decision("undecidable", "margin", text)
    text = f"{sentence(measured)}: neither clear of 0 nor within ±{edge}."
    return Decision("undecidable", "gain", text)


def _equivalence_span(estimate: Estimate, e: Evidence) -> str:
    level = equivalence_confidence(e.declared_confidence)
    return f"{span(estimate, level)} ({level:.0%} interval)"


def _beside(estimate: Estimate, confidence: float) -> str:
    """How far a scale point is ahead of the base rate or behind it."""
    if estimate.value >= 0.0:
        return f"better by {span(estimate, confidence)}"
    return f"worse by {span(replace(estimate, value=-estimate.value), confidence)}"
