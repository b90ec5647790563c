"""Decisions about a curve, an interaction or a question, and their wording.

A decision names the gate that decided; the rules are in `verdicts`.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from lib.inference.comparisons import Estimate
from lib.scaling.words import of_all, sentence

Verdict = Literal["scales", "flat", "worsens", "undecidable"]
Gate = Literal[
    "absent", "unmeasured", "controls", "seeds", "collapsed", "skill", "gain", "margin", "reversal",
    "recalibration", "equivalence", "curves",
]  # fmt: skip
"""What decided. `gain` carries *scales* and *worsens*, `equivalence` *flat*; under *undecidable* it is the
gate that stayed shut. `curves`: the curves of a question disagree."""


@dataclass(frozen=True)
class Decision:
    """A verdict, the gate that decided, and the reason in one or two sentences."""

    verdict: Verdict
    gate: Gate
    reason: str
    moot: bool = False
    """Whether no scale point beats the base rate: how the loss changes between them then says nothing."""


_ALL = {
    "scales": "In {all} the loss falls with {along} by at least the margin.",
    "flat": "In {all} the loss changes with {along} by less than the margin.",
    "worsens": "In {all} the loss rises with {along} by at least the margin.",
}


def question_verdict(curves: Sequence[Decision], along: str = "size") -> Decision:
    """The decision on a question from those on its curves, which are already corrected for their number.

    A question is answered only if all its curves agree; otherwise the counts show how they disagree.
    """
    if not curves:
        return Decision("undecidable", "absent", "No curve of this question has been measured.")
    n, first = len(curves), curves[0]
    if n == 1:
        return first
    every = of_all(n, n, "curve")
    counts = Counter(curve.verdict for curve in curves)
    if (text := _ALL.get(first.verdict)) and counts[first.verdict] == n:
        return Decision(first.verdict, first.gate, text.format(all=every, along=along))
    moot = sum(curve.moot for curve in curves)
    if moot == n:
        text = f"In none of the {n} curves does any scale point beat the base rate: the question is moot."
        return Decision("undecidable", "skill", text, moot=True)
    if counts["undecidable"] == n:
        gate: Gate = first.gate if len({curve.gate for curve in curves}) == 1 else "curves"
        return Decision("undecidable", gate, f"{sentence(every)} are undecidable; the first: {first.reason}")
    parts = [f"{counts[name]} {name}" for name in ("scales", "flat", "worsens") if counts[name]]
    parts.append(f"{counts['undecidable']} undecidable" + (f" ({moot} moot)" if moot else ""))
    text = f"The {n} curves give no common answer: {', '.join(parts)}."
    return Decision("undecidable", "curves", text)


def equivalence_confidence(confidence: float) -> float:
    """Confidence of the interval that two one-sided tests at level 1 - confidence need: 1 - 2 alpha.

    Schuirmann (1987). All pairs must pass, so none needs an adjustment (Berger 1982).
    """
    return 1.0 - 2.0 * (1.0 - confidence)


def too_short(estimate: Estimate) -> str:
    """Why a test set gives no interval."""
    return f"The test set is too short to be resampled in blocks of {estimate.block} bars."


def bounds(estimate: Estimate, confidence: float) -> tuple[float, float]:
    """The interval of an estimate whose noise is known."""
    low, high = estimate.interval(confidence)
    assert low is not None
    assert high is not None
    return low, high


def span(estimate: Estimate, confidence: float) -> str:
    """`0.0100 [0.0020, 0.0180]`."""
    low, high = estimate.interval(confidence)
    return f"{number(estimate.value)} [{number(low)}, {number(high)}]"


def number(value: float | None) -> str:
    """Four decimals; small values keep two significant digits, down to a millionth without an exponent."""
    if value is None:
        return "unknown"
    return f"{value:.2g}" if 0 < abs(value) < 1e-6 else f"{value:.{decimals(value)}f}"


def decimals(value: float) -> int:
    """How many show two significant digits; at least four.

    >>> decimals(0.25), decimals(0.000052)
    (4, 6)
    """
    return 4 if abs(value) >= 0.001 or value == 0 else 1 - math.floor(math.log10(abs(value)))
