"""The table of models: all models of one problem on the same test samples, against the best of them.

"Best" is chosen on the selection part of validation, never on the test set. Draws no verdicts.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from lib.config.base import is_binary
from lib.config.workflow import EvaluationConfig
from lib.evaluation.cells import PROBLEM, Material, Problem, Row, estimate_auc, estimate_loss
from lib.evaluation.comparisons import Estimate, compare_losses
from lib.evaluation.measures import primary_metric
from lib.evaluation.samples import Aligned, align


def baseline_tables(problems: Sequence[Problem], material: Material) -> list[dict[str, Any]]:
    """One table per problem that has any usable run; what is noticed is appended to the warnings."""
    tables = []
    for problem in problems:
        runs = material.usable(material.index.of_problem(problem))
        if not runs:
            continue
        where = "/".join(map(str, problem))
        aligned, noticed = align([samples for _, samples in runs], problem[3], f"models of {where}")
        material.warnings += noticed
        if aligned is not None:
            tables.append(_table(problem, [row for row, _ in runs], aligned, material.cfg))
    return tables


def _table(problem: Problem, rows: Sequence[Row], aligned: Aligned, cfg: EvaluationConfig) -> dict[str, Any]:
    metric = primary_metric(problem[3])
    groups: dict[tuple[str, str], list[int]] = {}
    for position, row in enumerate(rows):
        groups.setdefault((row["model"], row["budget"]), []).append(position)
    reference = min(groups, key=lambda group: _selection_loss([rows[i] for i in groups[group]], metric))
    best = aligned.losses(groups[reference])
    described = []
    for (model, budget), positions in groups.items():
        losses = aligned.losses(positions)
        loss = estimate_loss(losses, problem[4], cfg)
        auc = estimate_auc(aligned, positions, problem[4], cfg) if is_binary(problem[3]) else None
        line: dict[str, Any] = {"model": model, "budget": budget, "seeds": len(positions)}
        line |= dict(zip(("auc", "auc_low", "auc_high"), _bounds(auc, cfg), strict=True))
        line |= dict(zip((metric, f"{metric}_low", f"{metric}_high"), _bounds(loss, cfg), strict=True))
        itself = (model, budget) == reference
        gap = None if itself else compare_losses(losses, best, problem[4], cfg)
        line |= dict(zip(("difference", "difference_low", "difference_high"), _bounds(gap, cfg), strict=True))
        described.append(line)
    return {
        **dict(zip(PROBLEM, problem, strict=True)),
        "split": "test",
        "metric": metric,
        "rows": described,
        "reference": reference[0],
        "reference_budget": reference[1],
    }


def _bounds(estimate: Estimate | None, cfg: EvaluationConfig) -> tuple[float | None, ...]:
    return (None, None, None) if estimate is None else (estimate.value, *estimate.interval(cfg.confidence))


def _selection_loss(rows: Sequence[Row], metric: str) -> float:
    values = [row[f"selection_{metric}"] for row in rows]
    known = [value for value in values if value is not None and math.isfinite(value)]
    return sum(known) / len(known) if known else math.inf
