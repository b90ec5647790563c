"""The verdict of a cell, an interaction and a question: scales, flat or undecidable, in one sentence.

*scales*: the Holm-adjusted interval of the slope (of the gain, where levels have no sizes) excludes 0, loss
falls, and the gain from the first to the last level is at least the margin. *flat*: the Holm-adjusted
interval of the gain lies within ± margin. Everything else is *undecidable*, as is what rests on one seed,
missing or collapsed levels or failed controls. All that is compared passes the same gates (`Standing`).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from lib.evaluation.comparisons import Estimate
from lib.evaluation.standing import LEAST_SEEDS, Standing

Verdict = Literal["scales", "flat", "undecidable"]


@dataclass(frozen=True)
class Evidence(Standing):
    """All that decides one cell. `margin` is in the unit of the loss, `confidence` Holm's for this cell."""

    metric_name: str
    first: str
    last: str
    margin: float
    unit: str = "parameters"
    """What the slope is per tenfold of; empty where levels have no sizes and the gain alone decides."""
    slope: Estimate | None = None
    gain: Estimate | None = None
    pairs: Sequence[tuple[str, str, Estimate]] = ()
    """Gain from each level to each later one: all must lie within the margin for the cell to be flat."""
    confidence: float = 0.95
    adjusted: bool = False
    detectable_gain: float | None = None
    """Smallest gain that would be shown at `confidence`."""

    @property
    def deciding(self) -> Estimate | None:
        """The estimate whose interval must exclude 0."""
        return self.slope if self.unit else self.gain


def cell_verdict(evidence: Evidence) -> tuple[Verdict, str]:
    """Verdict and reason of one cell."""
    e = evidence
    if e.absent:
        text = (
            f"No usable run at {', '.join(e.absent)}: the gain from {e.first} to {e.last} cannot be measured."
        )
        return "undecidable", text
    if e.deciding is None or e.gain is None:
        return "undecidable", "The runs of this cell cannot be compared (see the warnings)."
    gain_low, gain_high = e.gain.interval(e.confidence)
    if gain_low is None or gain_high is None:
        text = f"The test set is too short to be resampled in blocks of {e.gain.block} bars."
        return "undecidable", text
    gain = f"{_number(e.gain.value)} [{_number(gain_low)}, {_number(gain_high)}]"
    measured = f"the gain in {e.metric_name} from {e.first} to {e.last} is {gain}"
    if e.obstacle:
        return "undecidable", f"{e.obstacle}; {measured}."
    verdict, text = _judged(e, measured, gain_low, gain_high)
    return verdict, text + e.weaknesses


def _judged(e: Evidence, measured: str, gain_low: float, gain_high: float) -> tuple[Verdict, str]:
    assert e.deciding is not None
    assert e.gain is not None
    slope_low, slope_high = e.deciding.interval(e.confidence)
    if slope_low is None or slope_high is None:
        return "undecidable", f"The test set is too short to be resampled in blocks of {e.gain.block} bars."
    # A slope falls where size helps, a gain rises: in both cases "better" is made positive.
    better, worse = (slope_high < 0, slope_low > 0) if e.unit else (gain_low > 0, gain_high < 0)
    adjusted = ", adjusted for the number of cells" if e.adjusted else ""
    slope = (
        f"the slope {{}} 0 ({_number(e.deciding.value)} [{_number(slope_low)}, {_number(slope_high)}] per "
        f"tenfold {e.unit}{adjusted})"
    )
    margin = _number(e.margin)
    if better and e.gain.value >= e.margin:
        name = f"{_sentence(e.metric_name)} falls from {e.first} to {e.last}"
        why = f"{slope.format('excludes')} and {measured}" if e.unit else f"{measured}{adjusted}"
        return "scales", f"{name}: {why}, at least the margin of {margin}."
    within = -e.margin <= gain_low and gain_high <= e.margin
    bend = _bend(e)
    if within and bend is None:
        return "flat", f"{_sentence(measured)}, wholly within the margin of ±{margin}."
    power = f"; this test set could have shown {_number(e.detectable_gain)}" if e.detectable_gain else ""
    if within:
        text = f"{_sentence(measured)}, within ±{margin}, but {bend}: the loss does not stay level between."
    elif better:
        why = f"{_sentence(slope.format('excludes'))} but {measured}" if e.unit else _sentence(measured)
        text = f"{why}, less than the margin of {margin}{power}."
    elif worse:
        larger = "Larger models are" if e.unit == "parameters" else f"{e.last} is"
        why = f" ({slope.format('excludes')})" if e.unit else ""
        text = f"{larger} worse{why}: {measured}, not within the margin of ±{margin}{power}."
    elif e.unit:
        open_ = f"{_sentence(slope.format('includes'))} and {measured}"
        text = f"{open_}, not within the margin of ±{margin}{power}."
    else:
        text = f"{_sentence(measured)}{adjusted}: neither clear of 0 nor within ±{margin}{power}."
    return "undecidable", text


def _bend(e: Evidence) -> str | None:
    """The pair of levels that lies furthest from staying within the margin, in words; None if all do.

    Flatness asks every pair for the same thing, so each may be tested at the full level (intersection-union).
    """
    worst: tuple[float, str] | None = None
    for before, after, gain in e.pairs:
        low, high = gain.interval(e.confidence)
        if low is None or high is None:
            continue
        span = f"from {before} to {after} it is {_number(gain.value)} [{_number(low)}, {_number(high)}]"
        reach = max(-low, high)
        if reach > e.margin and (worst is None or reach > worst[0]):
            worst = reach, span
    return None if worst is None else worst[1]


def change_of_mind(verdict: Verdict, evidence: Evidence) -> str:
    """What would change the verdict of a cell, in one sentence."""
    e = evidence
    margin = _number(e.margin)
    if e.failed_controls:
        return "The controls must pass before anything here can be read."
    if e.absent:
        return f"Runs at {', '.join(e.absent)}."
    if e.few_seeds:
        wanted = max(LEAST_SEEDS - n for n in e.few_seeds.values())
        more = "one more seed" if wanted == 1 else "two more seeds"
        return f"At least {more} at {', '.join(e.few_seeds)}."
    if e.collapsed:
        return f"Runs at {', '.join(e.collapsed)} that learn something: other training, not a longer test."
    if verdict == "scales":
        return (
            f"Another test period in which the gain falls below {margin}, or a confound between the levels."
        )
    if verdict == "flat":
        return (
            f"A gain beyond ±{margin} in another test period, or with a better recipe for the larger levels."
        )
    if e.detectable_gain is None or e.gain is None:
        return "A longer test set."
    if e.detectable_gain <= e.margin:
        return f"An effect clearly beyond or clearly within {margin}: the test set is long enough to show it."
    times = (e.detectable_gain / e.margin) ** 2
    seeds = e.gain.se_seeds
    dates = e.gain.se_dates or 0.0
    source = "seeds" if seeds > dates else "independent test days"
    return f"About {_times(times)} times as many {source}, so that a gain of {margin} could be shown."


def interaction_verdict(
    effect: Estimate | None, confidence: float, margin: float, words: tuple[str, str], standing: Standing
) -> tuple[Verdict, str]:
    """Verdict of a difference in differences.

    *scales*: the two help each other by at least the margin; *flat*: the effect lies within ± margin.

    Args:
        effect: gain along the first axis at the last level of the second minus that at its first level.
        confidence: Holm's for this interaction.
        margin: in the unit of the loss.
        words: labels of the two axes.
        standing: of the four corners.
    """
    if standing.absent:
        text = f"No usable run at {', '.join(standing.absent)}: the interaction cannot be measured."
        return "undecidable", text
    if effect is None:
        return "undecidable", "Corners of the interaction are missing."
    low, high = effect.interval(confidence)
    if low is None or high is None:
        return "undecidable", f"The test set is too short to be resampled in blocks of {effect.block} bars."
    first, second = words
    measured = (
        f"the gain from more {first} changes by {_number(effect.value)} [{_number(low)}, {_number(high)}] "
        f"from the first to the last level of {second}"
    )
    if standing.obstacle:
        return "undecidable", f"{standing.obstacle}; {measured}."
    verdict: Verdict = "undecidable"
    if low > 0 and effect.value >= margin:
        verdict = "scales"
        text = f"They help each other: {measured}, at least the margin of {_number(margin)}."
    elif -margin <= low and high <= margin:
        verdict, text = "flat", f"{_sentence(measured)}, wholly within the margin of ±{_number(margin)}."
    elif high < 0:
        text = f"They get in each other's way: {measured}."
    else:
        text = f"{_sentence(measured)}, not within the margin of ±{_number(margin)}."
    return verdict, text + standing.weaknesses


def question_verdict(cells: Sequence[tuple[Verdict, str]], along: str = "size") -> tuple[Verdict, str]:
    """Verdict of a question from the verdicts and reasons of its cells, already adjusted for their number.

    A question is answered only if all its cells agree; otherwise the counts say how they disagree.
    """
    if not cells:
        return "undecidable", "No cell of this question has been measured."
    n = len(cells)
    if n == 1:
        return cells[0]
    counts = Counter(verdict for verdict, _ in cells)
    if counts["scales"] == n:
        return "scales", f"In all {n} cells the loss falls with {along} by at least the margin."
    if counts["flat"] == n:
        return "flat", f"In all {n} cells the loss changes with {along} by less than the margin."
    scale, flat, open_ = counts["scales"], counts["flat"], counts["undecidable"]
    if open_ == n:
        return "undecidable", f"All {n} cells are undecidable; the first: {cells[0][1]}"
    text = f"The {n} cells give no common answer: {scale} scale, {flat} flat, {open_} undecidable."
    return "undecidable", text


def _number(value: float | None) -> str:
    if value is None:
        return "unknown"
    return f"{value:.4f}" if abs(value) >= 0.001 or value == 0 else f"{value:.2g}"


def _times(value: float) -> str:
    if value >= 1000:
        return "a thousand or more"
    return f"{value:.1f}" if value < 10 else str(math.ceil(value))


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]
