"""A measured and judged curve as an entry of scaling.json. Computes nothing that decides."""

from __future__ import annotations

from typing import Any

from lib.config.base import is_classification, primary_metric
from lib.inference.comparisons import holm_confidences
from lib.scaling import entries as describe
from lib.scaling import rival_forms, scaling_law
from lib.scaling.curves import Curve
from lib.scaling.decision import Decision, equivalence_confidence
from lib.scaling.predicted import came_true
from lib.scaling.run_index import StudyRuns
from lib.scaling.scale_points import point_draws
from lib.scaling.verdicts import Evidence


def curve_entry(
    curve: Curve, evidence: Evidence, decision: Decision, change_mind: list[str], material: StudyRuns
) -> dict[str, Any]:
    """What was measured, what decided, and what would change it."""
    return {
        "prediction": came_true(curve, material.predicted),
        **_measured(curve, evidence, material),
        **skill_entry(evidence),
        "verdict": decision.verdict,
        "gate": decision.gate,
        "moot": decision.moot,
        "reason": decision.reason,
        "change_mind": change_mind,
    }


def skill_entry(evidence: Evidence) -> dict[str, Any]:
    """The evidence that is not the gain itself: skill, recalibration, equivalence."""
    e, declared = evidence, evidence.declared_confidence
    levels = holm_confidences([one.p_value() for one in e.skill.values()], declared)
    inner = equivalence_confidence(declared)
    return {
        "skill": [
            {
                "point": label,
                "beats_base_rate": label in e.skilled,
                **describe.described(one, declared, level),
            }
            for (label, one), level in zip(e.skill.items(), levels, strict=True)
        ],
        "recalibrated": describe.described(e.recalibrated, declared, e.confidence),
        "equivalence": {
            "confidence": inner,
            "pairs": [
                {"from": before, "to": after, **describe.described(pair, inner)}
                for before, after, pair in e.pairs
            ],
        },
    }


def _measured(curve: Curve, evidence: Evidence, material: StudyRuns) -> dict[str, Any]:
    confidence, adjusted = material.cfg.confidence, evidence.confidence
    on_scale = len(curve.points) > 1 and curve.slope is not None
    draws = (
        point_draws(curve.points, curve.horizon, material.cfg, scaling_law.LAW_DRAWS)
        if len(curve.points) > 1
        else None
    )
    slope = describe.described(curve.slope, confidence)
    slope["unit"] = f"{evidence.metric_name} per tenfold {curve.axis.unit}" if curve.axis.unit else None
    slope["degrees_of_freedom"] = max(0, len(curve.points) - 2) if curve.axis.unit else None
    found = scaling_law.saturation(curve.points, draws, evidence.margin)
    law = scaling_law.fit_law_with_floor(curve.points, curve.horizon, material.cfg) if on_scale else None
    return {
        **curve.key,
        "budget": None if curve.key["budget"] == "*" else curve.key["budget"],
        "axis": curve.axis.name,
        "folds": curve.folds,
        "label": describe.label_of(curve.key),
        "metric": primary_metric(curve.task),
        "margin": evidence.margin,
        "points": curve.entries,
        "slope": slope,
        "log_log_slope": describe.described(curve.log_log_slope, confidence),
        "gain": describe.described(curve.gain, confidence, adjusted),
        "detectable_gain": evidence.detectable_gain,
        "steps": [
            {"from": before, "to": after, **describe.described(step, confidence)}
            for before, after, step in evidence.steps
        ],
        "forms": describe.forms_table(rival_forms.rival_forms(curve.points)) if on_scale else [],
        "law": describe.law(law),
        "band": scaling_law.straight_band(curve.points, draws, confidence) if on_scale else [],
        "saturation": describe.saturation(found, evidence.margin),
    }


def note_weaknesses(curve: Curve, evidence: Evidence, material: StudyRuns) -> None:
    """Record what weakens a curve's verdict."""
    for label, n in evidence.few_seeds.items():
        text = f"{curve.where}: only {'one seed' if n == 1 else f'{n} seeds'} at {label}."
        material.notice("single_seed" if n == 1 else "few_seeds", curve.where, text)
    for control in evidence.undeclared_controls:
        material.notice("control", curve.where, f"{curve.where}: {control} is declared.")
    if len(curve.points) == 1:
        text = f"{curve.where}: only {curve.points[0].label} can be used; nothing is compared."
        material.notice("one_size", curve.where, text)
    if any(entry["auc"] is None for entry in curve.entries) and is_classification(curve.task):
        material.notice(
            "one_class", curve.where, f"{curve.where}: the test set holds one class only; no AUC."
        )
