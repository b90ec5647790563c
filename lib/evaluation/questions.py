"""The questions of a study: for each axis of each experiment its cells, judged within one declared family.

Measures with `cells` and `interactions`, judges with `verdicts`; writes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lib.config.base import is_classification
from lib.evaluation import describe, rival_forms, scaling_law
from lib.evaluation.asked import Asked
from lib.evaluation.axes import Axis
from lib.evaluation.cells import Cell, cells_of, margin_of
from lib.evaluation.comparisons import holm_confidences
from lib.evaluation.confirmation import confirmation
from lib.evaluation.control_runs import failed_controls, undeclared_controls
from lib.evaluation.interactions import Interaction, interactions_of, measure_interaction
from lib.evaluation.levels import level_draws
from lib.evaluation.material import Material
from lib.evaluation.measures import primary_metric
from lib.evaluation.pooling import Pooled, pool
from lib.evaluation.standing import Standing
from lib.evaluation.verdicts import (
    Evidence,
    Verdict,
    cell_verdict,
    change_of_mind,
    interaction_verdict,
    question_verdict,
)

Entries = Sequence[Mapping[str, Any]]
"""Outcomes of controls."""


def questions_of(
    asked: Asked, material: Material, controls: Entries
) -> list[tuple[dict[str, Any], list[Cell]]]:
    """One entry per axis that the experiment varies, and its cells."""
    out = []
    for axis in asked.judged:
        cells = cells_of(axis, asked.rows, material)
        out.append((_question(asked, axis, cells, material, controls), cells))
    return out


def _question(
    asked: Asked, axis: Axis, cells: Sequence[Cell], material: Material, controls: Entries
) -> dict[str, Any]:
    cfg = material.cfg
    deciding = [cell.slope if axis.is_log else cell.gain for cell in cells]
    levels = holm_confidences([e.p_value() if e else 1.0 for e in deciding], cfg.confidence)
    described, judged, minds = [], [], []
    for cell, level in zip(cells, levels, strict=True):
        evidence = _evidence(cell, asked.margin, level, material, controls)
        verdict, reason = cell_verdict(evidence)
        judged.append((verdict, reason))
        minds.append(change_of_mind(verdict, evidence))
        described.append(
            _describe(cell, evidence, material)
            | {"verdict": verdict, "reason": reason, "change_mind": minds[-1]}
            | {"confirmation": confirmation(cell, verdict, evidence.margin, cfg)}
        )
        _note(cell, evidence, material)
    verdict, reason = question_verdict(judged, axis.label)
    deciding_word = "slopes" if axis.is_log else "gains"
    return {
        "experiment": asked.name,
        "question": asked.question,
        "axis": axis.name,
        "axis_label": axis.label,
        "scale": "log" if axis.is_log else "ordinal",
        "margin": asked.margin,
        "margin_unit": "nats",
        "verdict": verdict,
        "reason": reason,
        "change_mind": _first_of(verdict, judged, minds),
        "family": {
            "size": len(cells),
            "method": "Holm",
            "what": f"{deciding_word} of all cells of this question",
        },
        "pooled": [_pooled(found, axis, cfg.confidence) for found in pool(cells)],
        "cells": described,
    }


def _first_of(verdict: Verdict, judged: Sequence[tuple[Verdict, str]], minds: Sequence[str]) -> str:
    """The sentence of the first cell that stands in the way of another verdict."""
    for (own, _), mind in zip(judged, minds, strict=True):
        if verdict in (own, "undecidable"):
            return mind
    return "Runs of this question."


def _evidence(cell: Cell, declared: float, level: float, material: Material, controls: Entries) -> Evidence:
    labels, cfg, model = list(cell.seeds), material.cfg, str(cell.words["model"])
    undeclared = undeclared_controls(controls, model, sizes=cell.axis.name == "parameters")
    standing = Standing.of(
        cell.declared,
        cell.seeds,
        cell.collapsed,
        cell.dates_lost,
        failed_controls(controls, model),
        undeclared,
        cell.lost_folds,
    )
    return Evidence(
        **vars(standing),
        metric_name=primary_metric(cell.task).replace("_", " "),
        first=labels[0],
        last=labels[-1],
        margin=cell.margin(declared),
        unit=cell.axis.unit,
        slope=cell.slope,
        gain=cell.gain,
        pairs=scaling_law.pairs(cell.levels, cell.horizon),
        confidence=level,
        adjusted=level > cfg.confidence,
        detectable_gain=cell.gain.detectable(level, cfg.power) if cell.gain else None,
    )


def _describe(cell: Cell, evidence: Evidence, material: Material) -> dict[str, Any]:
    confidence, adjusted = material.cfg.confidence, evidence.confidence
    on_scale = len(cell.levels) > 1 and cell.slope is not None
    draws = (
        level_draws(cell.levels, cell.horizon, material.cfg, scaling_law.LAW_DRAWS)
        if len(cell.levels) > 1
        else None
    )
    slope = describe.described(cell.slope, confidence, adjusted)
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
        "log_log_slope": describe.described(cell.log_log_slope, confidence, adjusted),
        "gain": describe.described(cell.gain, confidence, adjusted),
        "detectable_gain": evidence.detectable_gain,
        "steps": [
            {"from": before, "to": after, **describe.described(step, confidence)}
            for before, after, step in scaling_law.steps(cell.levels, cell.horizon)
        ],
        "forms": describe.forms_table(rival_forms.rival_forms(cell.levels)) if on_scale else [],
        "law": describe.law(law),
        "band": scaling_law.straight_band(cell.levels, draws, confidence) if on_scale else [],
        "saturation": describe.saturation(found, evidence.margin),
    }


def _note(cell: Cell, evidence: Evidence, material: Material) -> None:
    """Put on record what weakens a cell's verdict."""
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


def _pooled(found: Pooled, axis: Axis, confidence: float) -> dict[str, Any]:
    return {
        "timescale": found.timescale,
        "cells": found.cells,
        "unit": f"nats per tenfold {axis.unit}" if axis.unit else "nats",
        "slope": describe.described(found.slope, confidence),
        "gain": describe.described(found.gain, confidence),
        "between_cells_sd": found.between_cells_sd,
        "heterogeneity_p": found.heterogeneity_p,
    }


def interactions_asked(asked: Asked, material: Material, controls: Entries) -> list[dict[str, Any]]:
    """Interactions between every two axes of an experiment, judged within one family."""
    measured = [
        measure_interaction(first, second, rows, material)
        for first, second, rows in interactions_of(asked.axes, asked.rows)
    ]
    p_values = [m.effect.p_value() if m.effect else 1.0 for m in measured]
    levels = holm_confidences(p_values, material.cfg.confidence)
    return [
        _interaction(asked, found, level, len(measured), material, controls)
        for found, level in zip(measured, levels, strict=True)
    ]


def _interaction(
    asked: Asked, found: Interaction, level: float, size: int, material: Material, controls: Entries
) -> dict[str, Any]:
    confidence, model = material.cfg.confidence, str(found.words["model"])
    margin = margin_of(asked.margin, found.zero_loss)
    standing = Standing.of(
        found.declared,
        found.seeds,
        found.collapsed,
        found.dates_lost,
        failed_controls(controls, model),
        undeclared_controls(controls, model, sizes="parameters" in (axis.name for axis in found.axes)),
        found.lost_folds,
    )
    labels = (found.axes[0].label, found.axes[1].label)
    verdict, reason = interaction_verdict(found.effect, level, margin, labels, standing)
    return {
        "experiment": asked.name,
        "question": asked.question,
        "axes": [axis.name for axis in found.axes],
        "axis_labels": list(labels),
        "cell": found.words,
        "label": describe.label_of(found.words),
        "metric": primary_metric(str(found.words["task"])),
        "levels": [list(own) for own in found.levels],
        "grid": found.grid,
        "effect": describe.described(found.effect, confidence, level),
        "detectable": found.effect.detectable(level, material.cfg.power) if found.effect else None,
        "simple_gains": [
            {"at": at, **describe.described(gain, confidence)} for at, gain in found.simple_gains
        ],
        "margin": margin,
        "family": {"size": size, "method": "Holm", "what": "interactions of this experiment"},
        "verdict": verdict,
        "reason": reason,
    }
