"""Worlds in which the answer of every question is known, and what they are made of.

A world is a law: in which share of the windows a run knows the planted signal, by its words. At the signal of
the market (`study.MARKET`) all of it is worth .055 nats of the direction of five days, .40 of a touch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from lib.scaling.decision import Gate, Verdict

DIRECTION, TOUCH = {"task": "direction"}, {"task": "threshold_1pct"}
_ABLE = {"when": {"condition": "planted"}, "seen": 1.0}
"""In the positive control everything is seen, whatever the law of the study is."""


def effect(seen: float = 0.0, noise: float = 0.0, stretch: float = 1.0, **when: Any) -> dict[str, Any]:
    """What some words of a run change."""
    return {"when": when, "seen": seen, "noise": noise, "stretch": stretch}


@dataclass(frozen=True)
class World:
    """A law, and what must be found where it holds."""

    law: dict[str, Any]
    verdict: Verdict
    gate: Gate
    """What must decide."""
    models: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Laws of further models."""
    failed: tuple[str, ...] = ()
    """Roles of the controls that must fail here; all others must pass."""


def _law(seen: float, *effects: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"seen": seen, "effects": [_ABLE, *effects], **more}


_LARGER_IS_BETTER = (effect(0.4, budget="20M"), effect(0.8, budget="200M"))
SIZES = {
    "larger is better": World(_law(0.1, *_LARGER_IS_BETTER), "scales", "gain"),
    "size does not matter": World(_law(0.5), "flat", "equivalence"),
    "larger is worse": World(
        _law(0.9, effect(-0.4, budget="20M"), effect(-0.8, budget="200M")), "worsens", "gain"
    ),
    "nothing to know": World(_law(0.0), "undecidable", "skill"),
    "less than the margin": World(
        _law(0.3, effect(0.055, budget="200M", **DIRECTION), effect(0.018, budget="200M", **TOUCH)),
        "undecidable",
        "margin",
    ),
    "too noisy to tell": World(
        _law(
            0.85,
            effect(0.06, budget="200M", **DIRECTION),
            effect(0.01, budget="200M", **TOUCH),
            effect(noise=0.5, condition="base", **DIRECTION),
            effect(noise=1.0, condition="base", **TOUCH),
        ),
        "undecidable",
        "gain",
    ),
    "the middle is worst": World(
        _law(0.4, effect(-0.35, budget="20M"), effect(0.5, budget="200M")), "undecidable", "reversal"
    ),
    "the small are too sure": World(
        _law(0.5, effect(budget="2M", stretch=3.0), effect(budget="20M", stretch=2.0)),
        "undecidable",
        "recalibration",
    ),
}
"""For questions about size."""
CONTROLS = {
    "small sizes are louder": World(
        _law(0.1, *_LARGER_IS_BETTER, effect(noise=1.0, budget="2M", condition="null")),
        "undecidable",
        "controls",
        failed=("null_control",),
    ),
    "leaks pass unseen": World(
        _law(0.1, *_LARGER_IS_BETTER, effect(-1.0, condition="leak"), sees_leaks=False),
        "undecidable",
        "controls",
        failed=("leak_control",),
    ),
    "the largest cannot learn": World(
        _law(0.1, *_LARGER_IS_BETTER, *2 * (effect(-0.95, budget="200M", condition="planted"),)),
        "undecidable",
        "controls",
        failed=("positive_control",),
    ),
    "the law is not found": World(
        _law(0.1, *_LARGER_IS_BETTER),
        "undecidable",
        "controls",
        models={"oracle": {"seen": 0.5}},
        failed=("law_control",),
    ),
}
"""The first of `SIZES`, each with a fault of the machinery that one control is there to see."""

_SEEN: dict[str, dict[str, float]] = {
    "Aa20": {"2M": 0.0, "20M": 0.0, "200M": 0.4},
    "Aa50": {"2M": 0.05, "20M": 0.12, "200M": 0.9},
    "Aa100": {"20M": 0.14},
    "Aa200": {"20M": 0.3},
    "Aa500": {"2M": 0.4, "20M": 0.5, "200M": 1.0},
    "Aa1000": {"20M": 0.7},
    "Aa2000": {"20M": 0.95},
    "Ba100": {"20M": 0.3},
    "Ca100": {"20M": 0.5},
    "Da100": {"20M": 0.7},
    "Ea100": {"2M": 0.1, "20M": 0.95, "200M": 1.0},
    "Ab100": {"20M": 0.35},
    "Ac100": {"20M": 0.65},
    "Ad100": {"20M": 0.98},
    "Ed500": {"20M": 0.05, "200M": 1.0},
}
"""Share of the windows that are seen by each dataset and budget of phases 1 to 5: more in every direction."""
_ABLATIONS = {"data", "context"}
"""Axes on which the growing law says nothing: they must come out flat."""


def _growing(question: str, axis: str) -> Verdict | None:
    if (question, axis) == ("p5_features", "parameters x features"):
        return None  # an interaction of .011 nats on direction is near what eighteen years can show
    return "flat" if set(axis.split(" x ")) & _ABLATIONS else "scales"


def _level(question: str, axis: str) -> Verdict | None:
    # An oracle learns two weights of its own, and from an eighth of the windows it learns them less well.
    return None if (question, axis) == ("ablation_data", "data") else "flat"


def _moot(question: str, axis: str) -> Verdict | None:
    return "undecidable"


Expected = Callable[[str, str], Verdict | None]
STUDY: dict[str, tuple[dict[str, Any], Expected]] = {
    "everything helps": (
        _law(0.0, *(effect(seen, dataset=dataset, budget=budget, condition="base")
                    for dataset, own in _SEEN.items() for budget, seen in own.items())),
        _growing,
    ),
    "nothing helps": (_law(0.5), _level),
    "nothing to know": (_law(0.0), _moot),
}  # fmt: skip
"""For all questions of the study: the law, and what must be said about a question and an axis (or the two of
an interaction); None where the design cannot show what was planted."""
