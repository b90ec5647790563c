"""Families of contrasts that are corrected for their number together. Measures and judges nothing.

All gains and interactions of confirmatory questions are one family, whichever experiment or phase they belong
to; an exploratory question, and the interactions of an exploratory experiment, are one each.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lib.config.experiment import Analysis
from lib.inference.comparisons import Estimate, holm_confidences


@dataclass(frozen=True)
class Family:
    """The contrasts of one question (or of one experiment's interactions) within their family."""

    size: int
    """Number of contrasts in the whole family, including those that could not be measured."""
    what: str
    levels: Sequence[float]
    """Holm's confidence of each contrast of this question."""


def holm_families(
    groups: Sequence[tuple[Analysis, str, Sequence[Estimate | None]]], confidence: float, declared: int = 0
) -> list[Family]:
    """Holm's levels of all contrasts.

    Args:
        groups: for each question whether it is confirmatory, its contrasts in words, and their estimates;
            None for one that could not be measured, which counts as well.
        confidence: before any correction.
        declared: confirmatory contrasts of the whole study. Those that are not among `groups` (of another
            phase than a report is about) count like those that could not be measured.

    Returns:
        One entry per group, in order.
    """
    shared = [_p_value(one) for analysis, _, own in groups if analysis == "confirmatory" for one in own]
    shared += [1.0] * (declared - len(shared))
    levels = iter(holm_confidences(shared, confidence))
    out = []
    for analysis, what, own in groups:
        if analysis == "confirmatory":
            everything = "gains and interactions of all confirmatory questions"
            out.append(Family(len(shared), everything, [next(levels) for _ in own]))
        else:
            alone = holm_confidences([_p_value(one) for one in own], confidence)
            out.append(Family(len(own), what, alone))
    return out


def _p_value(estimate: Estimate | None) -> float:
    return 1.0 if estimate is None else estimate.p_value()
