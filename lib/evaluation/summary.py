"""The content of scaling.json: questions with cells and verdicts, controls, tables of models, warnings.

Puts together what the other modules of this room measure and judge; computes nothing of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from lib.config.experiment import Experiment
from lib.config.workflow import EvaluationConfig
from lib.evaluation.baselines import baseline_tables
from lib.evaluation.cells import PROBLEM, Cell, Material, RunIndex, measure_cell, problems_of
from lib.evaluation.comparisons import Estimate, holm_confidences
from lib.evaluation.control_runs import PlantedAuc, control_entries, failed_controls
from lib.evaluation.measures import primary_metric
from lib.evaluation.plain import plain
from lib.evaluation.samples import Predictions, Reader
from lib.evaluation.scaling_law import rival_forms
from lib.evaluation.verdicts import Evidence, cell_verdict, question_verdict

_LISTED = 10


def scaling_summary(
    experiments: Mapping[str, Experiment],
    runs: pl.DataFrame,
    predictions: Reader,
    cfg: EvaluationConfig,
    planted_auc: PlantedAuc | None = None,
    primary: str | None = None,
) -> dict[str, Any]:
    """Everything that the study answers, as strict JSON values.

    Args:
        experiments: by name, in the order of declaration.
        runs: the table of `collect_runs`.
        predictions: given a run's path and a split, its predictions; called once per finished run.
        cfg: draws, confidence and seed.
        planted_auc: for positive controls.
        primary: label of the symbol whose test windows decide; None or absent from a run: all symbols.

    Returns:
        `confidence, questions, controls, baselines, test_looks, warnings`. `questions` holds the experiments
        of role question that compare at least two sizes; the others appear in `baselines`.
    """
    material = Material(RunIndex(runs), Predictions(predictions, primary), cfg)
    material.usable(material.index.rows)  # a look at test counts, whatever becomes of it
    material.warnings += _missing(experiments, material.index) + _collapsed(material.index)
    controls = [
        entry
        for name, experiment in experiments.items()
        if experiment.role != "question"
        for entry in control_entries(name, experiment, material, planted_auc)
    ]
    if not controls:
        text = "No controls are declared: nothing shows that this study finds a signal, or finds none."
        material.warnings.append(text)
    asked = {name: e for name, e in experiments.items() if e.role == "question"}
    questions = [_question(n, e, material, controls) for n, e in asked.items() if len(set(e.budgets)) > 1]
    problems = list(dict.fromkeys(problem for e in asked.values() for problem in problems_of(e)))
    summary: dict[str, Any] = {
        "confidence": cfg.confidence,
        "questions": questions,
        "controls": controls,
        "baselines": baseline_tables(problems, material),
        "test_looks": material.predictions.looks,
    }
    summary["warnings"] = list(dict.fromkeys(material.warnings + material.predictions.warnings))
    plain_summary: dict[str, Any] = plain(summary)
    return plain_summary


def _question(
    name: str, experiment: Experiment, material: Material, controls: list[dict[str, Any]]
) -> dict[str, Any]:
    grid = [(problem, model) for problem in problems_of(experiment) for model in experiment.models]
    measured = [measure_cell(problem, model, experiment, material) for problem, model in grid]
    cells = [cell for cell in measured if cell is not None]
    p_values = [cell.slope.p_value() if cell.slope else 1.0 for cell in cells]
    levels = holm_confidences(p_values, material.cfg.confidence)
    described = []
    for cell, level in zip(cells, levels, strict=True):
        evidence = _evidence(cell, experiment, level, material.cfg, failed_controls(controls, cell.model))
        described.append(_describe(cell, evidence, material.cfg) | {"family_size": len(cells)})
    verdict, reason = question_verdict([(cell["verdict"], cell["reason"]) for cell in described])
    return {
        "experiment": name,
        "question": experiment.question,
        "axis": "parameters",
        "margin": experiment.margin,
        "verdict": verdict,
        "reason": reason,
        "cells": described,
    }


def _evidence(
    cell: Cell, experiment: Experiment, level: float, cfg: EvaluationConfig, failed: list[str]
) -> Evidence:
    return Evidence(
        metric_name=primary_metric(cell.problem[3]).replace("_", " "),
        smallest=cell.budgets[0],
        largest=cell.budgets[-1],
        margin=cell.margin(experiment.margin),
        slope=cell.slope,
        gain=cell.gain,
        confidence=level,
        adjusted=level > cfg.confidence,
        detectable_gain=cell.gain.detectable(cfg.confidence) if cell.gain else None,
        absent_budgets=cell.absent_budgets,
        single_seed_budgets=cell.single_seed_budgets,
        failed_controls=failed,
    )


def _describe(cell: Cell, evidence: Evidence, cfg: EvaluationConfig) -> dict[str, Any]:
    verdict, reason = cell_verdict(evidence)
    slope = _interval(cell.slope, cfg.confidence, evidence.confidence)
    slope["unit"] = f"{evidence.metric_name} per tenfold parameters"
    slope["degrees_of_freedom"] = max(0, len(cell.sizes) - 2)
    forms = rival_forms(cell.sizes) if len(cell.sizes) > 1 else []
    return {
        **dict(zip(PROBLEM, cell.problem, strict=True)),
        "model": cell.model,
        "metric": primary_metric(cell.problem[3]),
        "margin": evidence.margin,
        "points": cell.points,
        "slope": slope,
        "gain": _interval(cell.gain, cfg.confidence, evidence.confidence),
        "detectable_gain": evidence.detectable_gain,
        "forms": [vars(form) for form in forms],
        "verdict": verdict,
        "reason": reason,
    }


def _interval(estimate: Estimate | None, confidence: float, adjusted: float) -> dict[str, Any]:
    """An estimate with both noises told apart, at the declared and at Holm's level."""
    names = (
        "estimate",
        "low",
        "high",
        "low_holm",
        "high_holm",
        "se_dates",
        "se_seeds",
        "p_value",
        "block_length",
    )
    if estimate is None:
        return dict.fromkeys(names)
    values = (
        estimate.value,
        *estimate.interval(confidence),
        *estimate.interval(adjusted),
        estimate.se_dates,
        estimate.se_seeds if estimate.seed_noise else None,
        estimate.p_value(),
        estimate.block,
    )
    return dict(zip(names, values, strict=True))


def _missing(experiments: Mapping[str, Experiment], index: RunIndex) -> list[str]:
    out = []
    for name in dict.fromkeys([*experiments, *(row["experiment"] for row in index.rows)]):
        rows = [row for row in index.rows if row["experiment"] == name]
        paths = [str(row["path"]) for row in rows if row["status"] != "done"]
        if paths:
            out.append(f"{name}: {len(paths)} of {len(rows)} runs are missing: {_list(paths)}.")
    return out


def _collapsed(index: RunIndex) -> list[str]:
    paths = [str(row["path"]) for row in index.rows if row["test_collapsed"] and row["family"] != "naive"]
    if not paths:
        return []
    return [f"{len(paths)} runs say nearly the same for every test sample: {_list(paths)}."]


def _list(paths: list[str]) -> str:
    more = f" and {len(paths) - _LISTED} more" if len(paths) > _LISTED else ""
    return ", ".join(paths[:_LISTED]) + more
