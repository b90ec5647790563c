"""Estimates and judged curves as the plain values of scaling.json. Computes nothing that decides."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from lib.config.base import is_classification, primary_metric
from lib.inference.comparisons import Estimate, holm_confidences
from lib.scaling.curves import Curve
from lib.scaling.decision import Decision, equivalence_confidence
from lib.scaling.predicted import came_true
from lib.scaling.rival_forms import Form, rival_forms
from lib.scaling.run_index import StudyRuns
from lib.scaling.scale_points import point_draws
from lib.scaling.scaling_law import LAW_DRAWS, Law, Saturation, fit_law_with_floor, saturation, straight_band
from lib.scaling.verdicts import Evidence, Pair

ESTIMATE_KEYS = (
    "estimate", "low", "high", "low_holm", "high_holm", "se_dates", "se_seeds", "p_value", "block_length",
)  # fmt: skip


def described(estimate: Estimate | None, confidence: float, adjusted: float | None = None) -> dict[str, Any]:
    """An estimate with both noises kept apart, at the declared and at Holm's confidence."""
    if estimate is None:
        return dict.fromkeys(ESTIMATE_KEYS)
    values = (
        estimate.value,
        *estimate.interval(confidence),
        *estimate.interval(confidence if adjusted is None else adjusted),
        estimate.se_dates,
        estimate.se_seeds if estimate.seed_noise else None,
        estimate.p_value(),
        estimate.block,
    )
    return dict(zip(ESTIMATE_KEYS, values, strict=True))


def named(name: str, estimate: Estimate | None, confidence: float) -> dict[str, float | None]:
    """An estimate and its interval as `name`, `name_low`, `name_high`."""
    low, high = estimate.interval(confidence) if estimate else (None, None)
    return {name: estimate.value if estimate else None, f"{name}_low": low, f"{name}_high": high}


def label_of(key: Mapping[str, Any]) -> str:
    """A short readable name of a curve."""
    parts = [key["model"], key["dataset"], key["timescale"], key["task"].replace("_", " ")]
    parts.append(f"h{key['horizon']}")
    if key["budget"] not in ("*", "none"):
        parts.insert(1, key["budget"])
    if key["condition"] != "base":
        parts.append(key["condition"])
    if key["train_fraction"] not in (1.0, "*"):
        parts.append(f"{100 * key['train_fraction']:g} % of the dates")
    return ", ".join(str(part) for part in parts)


def curve_entry(
    curve: Curve, evidence: Evidence, decision: Decision, change_mind: list[str], material: StudyRuns
) -> dict[str, Any]:
    """What was measured, what decided, and what would change it."""
    return {
        "prediction": came_true(curve, material.predicted),
        **_measured(curve, evidence, material),
        **_skill(evidence),
        "verdict": decision.verdict,
        "gate": decision.gate,
        "moot": decision.moot,
        "reason": decision.reason,
        "change_mind": change_mind,
    }


def _skill(evidence: Evidence) -> dict[str, Any]:
    """The evidence that is not the gain itself: skill, recalibration, equivalence."""
    e, declared = evidence, evidence.declared_confidence
    levels = holm_confidences([one.p_value() for one in e.skill.values()], declared)
    inner = equivalence_confidence(declared)
    return {
        "skill": [
            {"point": label, "beats_base_rate": label in e.skilled, **described(one, declared, level)}
            for (label, one), level in zip(e.skill.items(), levels, strict=True)
        ],
        "recalibrated": described(e.recalibrated, declared, e.confidence),
        "equivalence": {"confidence": inner, "pairs": _pairs(e.pairs, inner)},
    }


def _measured(curve: Curve, evidence: Evidence, material: StudyRuns) -> dict[str, Any]:
    confidence, points = material.cfg.confidence, curve.points
    draws = point_draws(points, curve.horizon, material.cfg, LAW_DRAWS) if len(points) > 1 else None
    on_scale = len(points) > 1 and curve.slope is not None
    slope = described(curve.slope, confidence)
    slope["unit"] = f"{evidence.metric_name} per tenfold {curve.axis.unit}" if curve.axis.unit else None
    slope["degrees_of_freedom"] = max(0, len(points) - 2) if curve.axis.unit else None
    return {
        **curve.key,
        "budget": None if curve.key["budget"] == "*" else curve.key["budget"],
        "axis": curve.axis.name,
        "folds": curve.folds,
        "label": label_of(curve.key),
        "metric": primary_metric(curve.task),
        "margin": evidence.margin,
        "points": curve.entries,
        "slope": slope,
        "log_log_slope": described(curve.log_log_slope, confidence),
        "gain": described(curve.gain, confidence, evidence.confidence),
        "detectable_gain": evidence.detectable_gain,
        "steps": _pairs(evidence.steps, confidence),
        "forms": _forms(rival_forms(points)) if on_scale else [],
        "law": _law(fit_law_with_floor(points, curve.horizon, material.cfg)) if on_scale else None,
        "band": straight_band(points, draws, confidence) if on_scale else [],
        "saturation": _saturation(saturation(points, draws, evidence.margin), evidence.margin),
    }


def _pairs(pairs: Sequence[Pair], confidence: float) -> list[dict[str, Any]]:
    return [{"from": first, "to": last, **described(gain, confidence)} for first, last, gain in pairs]


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
        text = f"{curve.where}: the test set holds one class only; no AUC."
        material.notice("one_class", curve.where, text)


def _forms(forms: Sequence[Form]) -> list[dict[str, Any]]:
    """Rival forms with the distance from the best AICc and Akaike's weights."""
    known = [form.aicc for form in forms if form.aicc is not None]
    best = min(known, default=0.0)
    total = sum(math.exp(-(aicc - best) / 2.0) for aicc in known)
    return [
        vars(form)
        | {
            "delta_aicc": None if form.aicc is None else form.aicc - best,
            "weight": None if form.aicc is None else math.exp(-(form.aicc - best) / 2.0) / total,
        }
        for form in forms
    ]


def _law(found: Law | None) -> dict[str, Any] | None:
    """The law with a floor."""
    if found is None:
        return None
    parameters = {"E": found.floor, "A": found.amplitude, "alpha": found.exponent}
    stated = {"identified": found.identified, "note": found.note, "curve": found.curve}
    return stated | {name: vars(interval) for name, interval in parameters.items()}


def _saturation(found: Saturation | None, margin: float) -> dict[str, Any] | None:
    """The smallest scale point within the margin of the best."""
    if found is None:
        return None
    share = found.shares[found.point]
    note = (
        f"{found.point} is the smallest scale point within {margin:.2g} of the best, and is that again in "
        f"{100 * share:.0f} % of the resampled test sets."
    )
    shares = [{"point": point, "share": value} for point, value in found.shares.items()]
    return {"point": found.point, "size": found.size, "note": note, "shares": shares}
