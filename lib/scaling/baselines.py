"""The table of models: all models of one problem on the same test samples, compared with the best and with
the baselines.

"Best" is chosen on the selection part of validation, never on the test set. Draws no verdicts about scaling.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from lib.config.base import is_binary, is_classification, is_ternary, primary_metric
from lib.config.workflow import EvaluationConfig
from lib.inference.bootstrap import block_length
from lib.inference.comparisons import (
    DateLosses,
    Estimate,
    compare_losses,
    holm,
    holm_confidences,
    same_forecast,
)
from lib.inference.forecast_tests import confidence_set, delong, diebold_mariano, superior_predictive_ability
from lib.metrics.classification import Floats
from lib.scaling.axes import CASE, Case, Row, in_one_line, mean_of
from lib.scaling.curves import estimate_auc, estimate_loss
from lib.scaling.entries import named
from lib.scaling.folds import Joined, join
from lib.scaling.run_index import Group, StudyRuns, by_group
from lib.scaling.samples import Aligned
from lib.scaling.words import model_words

_DRAWS = 1000
"""Bootstrap draws of the two tests of many models."""
_SET_CONFIDENCE = 0.9
_AVERAGED = ("brier", "ece")


def baseline_tables(cases: Sequence[tuple[Case, bool]], material: StudyRuns) -> list[dict[str, Any]]:
    """One table per case with a usable run; problems are recorded in `material`.

    Args:
        cases: each with whether it is measured on the folds or on the study's own split.
        material: runs and predictions.
    """
    tables = []
    for case, folded in cases:
        rows = [row for row in material.index.of_case(case) if (row["fold"] is not None) == folded]
        where = in_one_line(dict(zip(CASE, case, strict=True)))
        joined = join(by_group(rows), material, case[5], f"models of {where}")
        if joined is not None:
            tables.append(_table(case, joined, material.cfg))
    return tables


def _table(case: Case, joined: Joined[Group], cfg: EvaluationConfig) -> dict[str, Any]:
    task, horizon, aligned, groups = case[5], case[6], joined.aligned, joined.positions
    metric = primary_metric(task)
    labels = {group: model_words(*group) for group in groups}
    losses = {group: aligned.losses(positions) for group, positions in groups.items()}
    reference = min(groups, key=lambda group: _selection_loss(joined.rows(group), metric))
    naive = _naive_losses(joined)
    linear = _linear_of(joined, metric)
    described: list[dict[str, Any]] = []
    compared: dict[str, list[Estimate | None]] = {"difference": [], "over_base_rate": [], "over_linear": []}
    for group, positions in groups.items():
        own = joined.rows(group)
        loss = estimate_loss(losses[group], horizon)
        auc = estimate_auc(aligned, positions, horizon) if is_classification(task) else None
        gap = None if group == reference else compare_losses(losses[group], losses[reference], horizon)
        is_naive = naive is not None and same_forecast(losses[group], naive)
        over = None if naive is None or is_naive else compare_losses(losses[group], naive, horizon)
        ahead = None if linear in (None, group) else compare_losses(losses[group], losses[linear], horizon)
        line: dict[str, Any] = {"model": group[0], "budget": group[1], "label": labels[group],
                                "seeds": len(positions), "is_base_rate": is_naive}  # fmt: skip
        line |= named("auc", auc, cfg.confidence) | named(metric, loss, cfg.confidence)
        for name, estimate in (("difference", gap), ("over_base_rate", over), ("over_linear", ahead)):
            line |= named(name, estimate, cfg.confidence)
            compared[name].append(estimate)
        line["detectable_difference"] = gap.detectable(cfg.confidence, cfg.power) if gap else None
        line |= {name: mean_of(own, f"test_{name}") for name in _AVERAGED}
        line["calibrated_log_loss"] = mean_of(own, "test_calibrated_log_loss")
        line["collapsed"] = all(bool(row["test_collapsed"]) for row in own)
        line |= _tests(aligned, positions, groups[reference], losses[group], losses[reference], horizon)
        described.append(line)
    for name, estimates in compared.items():
        _adjust(described, name, estimates, cfg)
    for line in described:
        line["beats_base_rate"] = _beats(line)
    return {
        **dict(zip(CASE, case, strict=True)),
        "folds": joined.folds,
        "n": int(aligned.target.size),
        "dates": int(aligned.dates.size),
        "base_rate": joined.mean(reference, "test_base_rate"),
        "split": "test",
        "metric": metric,
        "rows": described,
        "reference": reference[0],
        "reference_budget": reference[1],
        "linear": None if linear is None else linear[0],
        "base_rate_loss": None if naive is None else float(naive.means[0]),
        **_many(losses, labels, reference, naive, horizon, cfg, described),
    }


def _linear_of(joined: Joined[Group], metric: str) -> Group | None:
    """The linear model that is best on validation; None if none was run on these samples."""
    linear = [group for group in joined.positions if joined.rows(group)[0]["family"] == "linear"]
    return min(linear, key=lambda group: _selection_loss(joined.rows(group), metric), default=None)


def _naive_losses(joined: Joined[Group]) -> DateLosses | None:
    """Losses of always predicting the training base rate (of each fold's training), or a return of 0."""
    aligned = joined.aligned
    if is_ternary(aligned.task):
        return None  # this needs the shares of all classes, which the base-rate model records if it was run
    constant = np.zeros_like(aligned.target)
    for part, fold in zip(joined.parts, aligned.folds, strict=True):
        own = [row["train_base_rate"] for rows in part.rows.values() for row in rows]
        rates = {rate for rate in own if rate is not None}
        if is_binary(aligned.task) and not rates:
            return None
        constant[fold] = sum(rates) / len(rates) if rates else 0.0
    return replace(aligned, scores=constant[None, :]).losses([0])


def _beats(line: dict[str, Any]) -> bool | None:
    """True or False where Holm's interval of the difference to the base rate excludes 0, else None."""
    low, high = line["over_base_rate_low_holm"], line["over_base_rate_high_holm"]
    if low is None or high is None:
        return None
    return True if high < 0 else False if low > 0 else None


def _tests(
    aligned: Aligned, own: Sequence[int], best: Sequence[int], losses: DateLosses, reference: DateLosses,
    horizon: int,
) -> dict[str, float | None]:  # fmt: skip
    """Diebold–Mariano against the reference; DeLong too where labels do not overlap."""
    out: dict[str, float | None] = dict.fromkeys(("dm_statistic", "dm_p", "delong_difference", "delong_p"))
    if list(own) == list(best):
        return out
    by_date = (losses.sums.mean(axis=0) - reference.sums.mean(axis=0)) / losses.counts
    if (found := diebold_mariano(by_date, horizon)) is not None:
        out |= {"dm_statistic": found.statistic, "dm_p": found.p_value}
    if horizon == 1 and is_binary(aligned.task) and np.all(aligned.counts == 1):
        scores = (aligned.scores[list(rows)].mean(axis=0) for rows in (own, best))
        if (compared := delong(aligned.outcome, *scores)) is not None:
            out |= {"delong_difference": compared[0], "delong_p": compared[2].p_value}
    return out


def _adjust(
    lines: list[dict[str, Any]], name: str, estimates: Sequence[Estimate | None], cfg: EvaluationConfig
) -> None:
    """Holm's correction over the comparisons of one table with one baseline.

    Puts `<name>_p, <name>_p_holm, <name>_low_holm, <name>_high_holm` into the lines. The p-values are those
    of the paired differences, with the noise of dates and of seeds; those of Diebold–Mariano ignore seeds.
    """
    tested = [(line, e) for line, e in zip(lines, estimates, strict=True) if e is not None]
    p_values = [estimate.p_value() for _, estimate in tested]
    for line in lines:
        line.update(dict.fromkeys(f"{name}_{key}" for key in ("p", "p_holm", "low_holm", "high_holm")))
    adjusted = zip(tested, p_values, holm(p_values), holm_confidences(p_values, cfg.confidence), strict=True)
    for (line, estimate), p_value, p_holm, level in adjusted:
        low, high = estimate.interval(level)
        line.update({f"{name}_p": p_value, f"{name}_p_holm": p_holm})
        line.update({f"{name}_low_holm": low, f"{name}_high_holm": high})


def _many(
    losses: dict[Group, DateLosses], labels: dict[Group, str], reference: Group, naive: DateLosses | None,
    horizon: int, cfg: EvaluationConfig, lines: list[dict[str, Any]],
) -> dict[str, Any]:  # fmt: skip
    """Joint tests of all models: whether any beats the base rate, and which could be the best."""
    by_date = {labels[group]: own.sums.mean(axis=0) / own.counts for group, own in losses.items()}
    block = block_length([values - by_date[labels[reference]] for values in by_date.values()], horizon)
    kept = confidence_set(by_date, block, _DRAWS, cfg.seed, _SET_CONFIDENCE)
    for line in lines:
        line["in_confidence_set"] = None if kept is None else line["label"] in kept
    spa: dict[str, Any] | None = None
    if naive is not None:
        benchmark: Floats = naive.sums[0] / naive.counts
        tried = [by_date[line["label"]] for line in lines if not line["is_base_rate"]]
        models = np.column_stack(tried) if tried else np.empty((benchmark.size, 0))
        found = superior_predictive_ability(benchmark, models, block, _DRAWS, cfg.seed)
        spa = None if found is None else {**found, "benchmark": "base rate", "models": len(tried)}
    return {
        "spa": spa,
        "mcs": None if kept is None else {"level": _SET_CONFIDENCE, "models": kept},
        "text": _text(spa, kept, len(by_date)),
    }


def _text(spa: dict[str, Any] | None, kept: list[str] | None, models: int) -> str:
    parts = []
    if spa is not None:
        p_value, tries = spa["p_consistent"], spa["models"]
        verdict = "Some model beats" if p_value < 0.05 else "No model can be shown to beat"
        chance = "p < 0.001" if p_value < 0.001 else f"p = {p_value:.3f}"
        counted = "" if tries == 1 else f" once all {tries} tries are counted"
        parts.append(f"{verdict} the base rate{counted} (SPA, {chance}).")
    if kept is not None and models > 1:
        share = f"{len(kept)} of {models} models could be the best at {_SET_CONFIDENCE:.0%} confidence"
        parts.append(share + (f": {', '.join(kept)}." if len(kept) <= 4 else "."))
    return " ".join(parts)


def _selection_loss(rows: Sequence[Row], metric: str) -> float:
    values = [row[f"selection_{metric}"] for row in rows]
    known = [value for value in values if value is not None and math.isfinite(value)]
    return sum(known) / len(known) if known else math.inf
