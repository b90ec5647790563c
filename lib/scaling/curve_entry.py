"""A measured and judged curve as an entry of scaling.json. Computes nothing that decides."""

from __future__ import annotations

from typing import Any

from lib.config.base import is_classification
from lib.inference.comparisons import holm_confidences
from lib.scaling import entries as describe
from lib.scaling import rival_forms, scaling_law
from lib.scaling.curves import Curve
from lib.scaling.decision import Decision, equivalence_confidence
from lib.scaling.predicted import came_true
from lib.scaling.run_index import StudyRuns
from lib.scaling.scale_points import point_draws
from lib.scaling.verdicts import Evidence
from lib.scoring.measures import primary_metric


def cell_entry(
    cell: Curve, evidence: Evidence, decision: Decision, change_mind: list[str], material: StudyRuns
) -> dict[str, Any]:
    """What was measured, what decided, and what would change it."""
    return {
        "prediction": came_true(cell, material.predicted),
        **_measured(cell, evidence, material),
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
                "level": label,
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


def _measured(cell: Curve, evidence: Evidence, material: StudyRuns) -> dict[str, Any]:
    confidence, adjusted = material.cfg.confidence, evidence.confidence
    on_scale = len(cell.levels) > 1 and cell.slope is not None
    draws = (
        point_draws(cell.levels, cell.horizon, material.cfg, scaling_law.LAW_DRAWS)
        if len(cell.levels) > 1
        else None
    )
    slope = describe.described(cell.slope, confidence)
    slope["unit"] = f"{evidence.metric_name} per tenfold {cell.axis.unit}" if cell.axis.unit else None
    slope["degrees_of_freedom"] = max(0, len(cell.levels) - 2) if cell.axis.unit else None
    found = scaling_law.saturation(cell.levels, draws, evidence.margin)
    law = scaling_law.fit_law_with_floor(cell.levels, cell.horizon, material.cfg) if on_scale else None
    return {
        **cell.words,
        "budget": None if cell.words["budget"] == "*" else cell.words["budget"],
        "axis": cell.axis.name,
        "folds": cell.folds,
        "label": describe.label_of(cell.words),
        "metric": primary_metric(cell.task),
        "margin": evidence.margin,
        "points": cell.points,
        "slope": slope,
        "log_log_slope": describe.described(cell.log_log_slope, confidence),
        "gain": describe.described(cell.gain, confidence, adjusted),
        "detectable_gain": evidence.detectable_gain,
        "steps": [
            {"from": before, "to": after, **describe.described(step, confidence)}
            for before, after, step in evidence.steps
        ],
        "forms": describe.forms_table(rival_forms.rival_forms(cell.levels)) if on_scale else [],
        "law": describe.law(law),
        "band": scaling_law.straight_band(cell.levels, draws, confidence) if on_scale else [],
        "saturation": describe.saturation(found, evidence.margin),
    }


def note_weaknesses(cell: Curve, evidence: Evidence, material: StudyRuns) -> None:
    """Record what weakens a curve's verdict."""
    for label, n in evidence.few_seeds.items():
        text = f"{cell.where}: only {'one seed' if n == 1 else f'{n} seeds'} at {label}."
        material.notice("single_seed" if n == 1 else "few_seeds", cell.where, text)
    for control in evidence.undeclared_controls:
        material.notice("control", cell.where, f"{cell.where}: {control} is declared.")
    if len(cell.levels) == 1:
        text = f"{cell.where}: only {cell.levels[0].label} can be used; nothing is compared."
        material.notice("one_size", cell.where, text)
    if any(point["auc"] is None for point in cell.points) and is_classification(cell.task):
        material.notice("one_class", cell.where, f"{cell.where}: the test set holds one class only; no AUC.")
