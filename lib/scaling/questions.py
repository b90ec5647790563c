"""The questions of a study, one per axis of an experiment, and its interactions: measured, then judged.

Everything is measured first, then corrected for its number by family, then judged. Measures with `curves` and
`interactions`, judges with `verdicts`; writes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lib.config.base import is_classification, primary_metric
from lib.scaling import entries as describe
from lib.scaling import scaling_law
from lib.scaling.axes import Axis
from lib.scaling.confirmation import confirmation
from lib.scaling.controls import failed_controls, undeclared_controls
from lib.scaling.curves import Curve, curves_of, margin_of
from lib.scaling.decision import Decision, question_verdict
from lib.scaling.families import Family, holm_families
from lib.scaling.hypotheses import Hypothesis
from lib.scaling.interactions import Interaction, interactions_of, measure_interaction
from lib.scaling.pooling import Pooled, pool
from lib.scaling.preconditions import Preconditions
from lib.scaling.remedies import change_of_mind, question_power
from lib.scaling.run_index import StudyRuns
from lib.scaling.verdicts import Evidence, curve_verdict, interaction_verdict
from lib.scaling.words import metric_words

Entries = Sequence[Mapping[str, Any]]
"""Outcomes of controls."""


@dataclass(frozen=True)
class Answers:
    """Entries of scaling.json."""

    questions: list[dict[str, Any]]
    interactions: list[dict[str, Any]]


def answers_of(
    hypotheses: Sequence[Hypothesis], material: StudyRuns, controls: Entries, confirmatory: int = 0
) -> Answers:
    """Measure and judge all hypotheses of a study.

    Args:
        hypotheses: in order of declaration.
        material: runs, predictions and settings; problems are recorded there.
        controls: outcomes of the controls.
        confirmatory: number of contrasts of the whole study's confirmatory questions, including those not in
            `hypotheses`.

    Returns:
        One entry per axis that an experiment varies, and one per interaction of two of its axes.
    """
    curves = [(one, axis, curves_of(axis, one.rows, material)) for one in hypotheses for axis in one.judged]
    grids = [(one, [measure_interaction(*of, material) for of in _grids(one)]) for one in hypotheses]
    families = holm_families(
        [
            (one.analysis, "gains of all curves of this question", [c.gain for c in own])
            for one, _, own in curves
        ]
        + [(one.analysis, "interactions of this experiment", [i.effect for i in own]) for one, own in grids],
        material.cfg.confidence,
        confirmatory,
    )
    questions = [
        _question(one, axis, own, family, material, controls)
        for (one, axis, own), family in zip(curves, families[: len(curves)], strict=True)
    ]
    interactions = [
        _interaction(one, found, level, family, material, controls)
        for (one, own), family in zip(grids, families[len(curves) :], strict=True)
        for found, level in zip(own, family.levels, strict=True)
    ]
    return Answers(questions, interactions)


def _grids(hypothesis: Hypothesis) -> list[tuple[Axis, Axis, list[Any]]]:
    return list(interactions_of(hypothesis.axes, hypothesis.rows))


def _question(
    hypothesis: Hypothesis,
    axis: Axis,
    curves: Sequence[Curve],
    family: Family,
    material: StudyRuns,
    controls: Entries,
) -> dict[str, Any]:
    described, decisions, minds, evidences = [], [], [], []
    for curve, level in zip(curves, family.levels, strict=True):
        judged = hypothesis.analysis == "confirmatory"
        evidence = _evidence(curve, hypothesis.margin, level, material, controls, judged)
        evidences.append(evidence)
        decision = curve_verdict(evidence)
        decisions.append(decision)
        minds.append(change_of_mind(decision, evidence, material.cfg.power))
        beside = confirmation(curve, decision.verdict, evidence.margin, material.cfg, material.opened)
        described.append(
            describe.curve_entry(curve, evidence, decision, minds[-1], material) | {"confirmation": beside}
        )
        describe.note_weaknesses(curve, evidence, material)
    decision = question_verdict(decisions, axis.label)
    return {
        "experiment": hypothesis.name,
        "question": hypothesis.question,
        "analysis": hypothesis.analysis,
        "axis": axis.name,
        "axis_label": axis.label,
        "scale": "log" if axis.is_log else "ordinal",
        "margin": hypothesis.margin,
        "margin_unit": "nats",
        "verdict": decision.verdict,
        "gate": decision.gate,
        "moot": decision.moot,
        "reason": decision.reason,
        "change_mind": _first_of(decision, decisions, minds),
        "family": {"size": family.size, "method": "Holm", "what": family.what},
        "power": question_power(evidences, [curve.nats_per_loss for curve in curves], material.cfg.power),
        "pooled": [_pooled(found, axis, material.cfg.confidence) for found in pool(curves)],
        "curves": described,
    }


def _first_of(decision: Decision, curves: Sequence[Decision], minds: Sequence[list[str]]) -> list[str]:
    """The sentences of the first curve that stands in the way of another verdict."""
    for own, mind in zip(curves, minds, strict=True):
        if decision.verdict in (own.verdict, "undecidable"):
            return mind
    return ["Runs of this question."]


def _evidence(
    curve: Curve, declared: float, level: float, material: StudyRuns, controls: Entries, judged: bool
) -> Evidence:
    """Evidence of a curve; `judged` marks a confirmatory question, whose intervals must include the luck of
    searches."""
    labels, cfg, model = list(curve.seeds), material.cfg, str(curve.key["model"])
    undeclared = undeclared_controls(controls, model, labels if curve.axis.name == "parameters" else ())
    preconditions = Preconditions.of(curve, failed_controls(controls, model), undeclared, judged)
    return Evidence(
        **vars(preconditions),
        metric_name=metric_words(primary_metric(curve.task)),
        first=labels[0],
        last=labels[-1],
        margin=curve.margin(declared),
        gain=curve.gain,
        steps=scaling_law.steps(curve.points, curve.horizon),
        pairs=scaling_law.pairs(curve.points, curve.horizon),
        skill=curve.skill,
        recalibrated=curve.recalibrated,
        confidence=level,
        declared_confidence=cfg.confidence,
        detectable_gain=curve.gain.detectable(level, cfg.power) if curve.gain else None,
        horizon=curve.horizon,
        baseline=baseline_of(curve.task),
    )


def baseline_of(task: str) -> str:
    """What a forecast without skill predicts, in words."""
    return "the base rate" if is_classification(task) else "a forecast of 0"


def verdict_of(curve: Curve, declared: float, material: StudyRuns) -> Decision:
    """The decision on a curve of a law control, which is a family of its own and needs no controls.

    Args:
        curve: as measured.
        declared: margin, in nats.
        material: settings.
    """
    return curve_verdict(_evidence(curve, declared, material.cfg.confidence, material, (), judged=False))


def _pooled(found: Pooled, axis: Axis, confidence: float) -> dict[str, Any]:
    return {
        "timescale": found.timescale,
        "curves": found.curves,
        "unit": f"nats per tenfold {axis.unit}" if axis.unit else "nats",
        "slope": describe.described(found.slope, confidence),
        "gain": describe.described(found.gain, confidence),
        "between_curves_sd": found.between_curves_sd,
        "heterogeneity_p": found.heterogeneity_p,
    }


def _interaction(
    hypothesis: Hypothesis,
    found: Interaction,
    level: float,
    family: Family,
    material: StudyRuns,
    controls: Entries,
) -> dict[str, Any]:
    confidence, model = material.cfg.confidence, str(found.key["model"])
    margin = margin_of(hypothesis.margin, found.zero_loss)
    budgets = next(
        (own for axis, own in zip(found.axes, found.points, strict=True) if axis.name == "parameters"), ()
    )
    preconditions = Preconditions.of(
        found, failed_controls(controls, model), undeclared_controls(controls, model, budgets),
        judged=hypothesis.analysis == "confirmatory",
    )  # fmt: skip
    labels = (found.axes[0].label, found.axes[1].label)
    baseline = baseline_of(str(found.key["task"]))
    decision = interaction_verdict(
        found.effect, level, margin, labels, preconditions, found.skill, confidence, baseline
    )
    return {
        "experiment": hypothesis.name,
        "question": hypothesis.question,
        "analysis": hypothesis.analysis,
        "axes": [axis.name for axis in found.axes],
        "axis_labels": list(labels),
        "key": found.key,
        "label": describe.label_of(found.key),
        "metric": primary_metric(str(found.key["task"])),
        "points": [list(own) for own in found.points],
        "grid": found.grid,
        "effect": describe.described(found.effect, confidence, level),
        "detectable": found.effect.detectable(level, material.cfg.power) if found.effect else None,
        "simple_gains": [
            {"at": at, **describe.described(gain, confidence)} for at, gain in found.simple_gains
        ],
        "margin": margin,
        "family": {"size": family.size, "method": "Holm", "what": family.what},
        "verdict": decision.verdict,
        "gate": decision.gate,
        "moot": decision.moot,
        "reason": decision.reason,
    }
