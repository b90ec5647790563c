"""The verdict of a cell and of a question: scales, flat or undecidable, in one sentence with its numbers.

*scales*: the Holm-adjusted interval of the slope excludes 0, loss falls, and the gain from the smallest to
the largest size is at least the margin. *flat*: the Holm-adjusted interval of the gain lies within
± margin. Everything else is *undecidable*, as is what rests on one seed, missing sizes or failed controls.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from lib.evaluation.comparisons import Estimate

Verdict = Literal["scales", "flat", "undecidable"]


@dataclass(frozen=True)
class Evidence:
    """All that decides one cell. `margin` is in the unit of the loss, `confidence` Holm's for this cell."""

    metric_name: str
    smallest: str
    largest: str
    margin: float
    slope: Estimate | None = None
    gain: Estimate | None = None
    confidence: float = 0.95
    adjusted: bool = False
    detectable_gain: float | None = None
    absent_budgets: Sequence[str] = ()
    single_seed_budgets: Sequence[str] = ()
    failed_controls: Sequence[str] = field(default=())


def cell_verdict(evidence: Evidence) -> tuple[Verdict, str]:
    """Verdict and reason of one cell."""
    e = evidence
    if e.absent_budgets:
        missing = ", ".join(e.absent_budgets)
        text = f"No usable run at {missing}: the gain from {e.smallest} to {e.largest} cannot be measured."
        return "undecidable", text
    if e.slope is None or e.gain is None:
        return "undecidable", "The runs of this cell cannot be compared (see the warnings)."
    slope_low, slope_high = e.slope.interval(e.confidence)
    gain_low, gain_high = e.gain.interval(e.confidence)
    if slope_low is None or slope_high is None or gain_low is None or gain_high is None:
        text = f"The test set is too short to be resampled in blocks of {e.gain.block} bars."
        return "undecidable", text
    gain = f"{_number(e.gain.value)} [{_number(gain_low)}, {_number(gain_high)}]"
    measured = f"the gain in {e.metric_name} from {e.smallest} to {e.largest} is {gain}"
    if e.failed_controls:
        text = (
            f"A control did not pass ({'; '.join(e.failed_controls)}), so nothing is concluded: {measured}."
        )
        return "undecidable", text
    if e.single_seed_budgets:
        where = ", ".join(e.single_seed_budgets)
        text = (
            f"Only one seed at {where}: the noise between seeds is unknown, so neither scaling nor flatness "
            f"can be claimed; counting the noise of dates alone, {measured}."
        )
        return "undecidable", text
    slope = (
        f"{_number(e.slope.value)} [{_number(slope_low)}, {_number(slope_high)}] per tenfold parameters"
        f"{', adjusted for the number of cells' if e.adjusted else ''}"
    )
    margin = _number(e.margin)
    if slope_high < 0 and e.gain.value >= e.margin:
        name = _sentence(e.metric_name)
        return "scales", f"{name} falls with size ({slope}) and {measured}, at least the margin of {margin}."
    if -e.margin <= gain_low and gain_high <= e.margin:
        return "flat", f"{_sentence(measured)}, wholly within the margin of ±{margin}."
    power = f"; this test set could have shown {_number(e.detectable_gain)}" if e.detectable_gain else ""
    if slope_high < 0:
        text = f"The slope excludes 0 ({slope}) but {measured}, less than the margin of {margin}{power}."
    elif slope_low > 0:
        text = f"Larger models are worse ({slope}): {measured}, not within the margin of ±{margin}{power}."
    else:
        text = f"The slope includes 0 ({slope}) and {measured}, not within the margin of ±{margin}{power}."
    return "undecidable", text


def question_verdict(cells: Sequence[tuple[Verdict, str]]) -> tuple[Verdict, str]:
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
        return "scales", f"In all {n} cells the loss falls with size by at least the margin."
    if counts["flat"] == n:
        return "flat", f"In all {n} cells the loss changes with size by less than the margin."
    scale, flat, open_ = counts["scales"], counts["flat"], counts["undecidable"]
    if open_ == n:
        return "undecidable", f"All {n} cells are undecidable; the first: {cells[0][1]}"
    text = f"The {n} cells give no common answer: {scale} scale, {flat} flat, {open_} undecidable."
    return "undecidable", text


def _number(value: float | None) -> str:
    if value is None:
        return "unknown"
    return f"{value:.4f}" if abs(value) >= 0.001 or value == 0 else f"{value:.2g}"


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]
