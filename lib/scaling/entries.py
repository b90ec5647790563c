"""Estimates, forms and laws as the plain values of scaling.json. Computes nothing of its own."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from lib.inference.comparisons import Estimate
from lib.scaling.rival_forms import Form
from lib.scaling.scaling_law import Interval, Law, Saturation

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


def interval(found: Interval) -> dict[str, float]:
    """An estimate with its percentile interval."""
    return {"estimate": found.estimate, "low": found.low, "high": found.high}


def forms_table(forms: Sequence[Form]) -> list[dict[str, Any]]:
    """Rival forms with the distance from the best AICc and Akaike's weights."""
    known = [form.aicc for form in forms if form.aicc is not None]
    best = min(known, default=0.0)
    total = sum(math.exp(-(aicc - best) / 2.0) for aicc in known)
    return [
        {
            "form": form.form,
            "aicc": form.aicc,
            "delta_aicc": None if form.aicc is None else form.aicc - best,
            "weight": None if form.aicc is None else math.exp(-(form.aicc - best) / 2.0) / total,
            "loso_rmse": form.loso_rmse,
            "note": form.note,
            "parameters": form.parameters,
            "curve": form.curve,
        }
        for form in forms
    ]


def law(found: Law | None) -> dict[str, Any] | None:
    """The law with a floor."""
    if found is None:
        return None
    return {
        "identified": found.identified,
        "note": found.note,
        "E": interval(found.floor),
        "A": interval(found.amplitude),
        "alpha": interval(found.exponent),
        "curve": found.curve,
    }


def saturation(found: Saturation | None, margin: float) -> dict[str, Any] | None:
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
