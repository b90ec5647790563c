"""Noise of a study's past runs, read from its scaling.json, to plan the next ones.

Only standard errors are read, never a gain: what a design can show must not depend on what was found.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from statistics import median
from typing import Any

from lib.config.base import is_classification
from lib.scaling.axes import CURVE_KEY, Axis, Row
from lib.scaling.design import Design, Noise, measured_noise

Key = tuple[str, tuple[Any, ...]]
"""Name of the axis, and the key that the compared runs share (what varies is starred)."""
Past = Mapping[Key, Noise]
_ALIKE = slice(CURVE_KEY.index("timescale"), CURVE_KEY.index("horizon") + 1)
"""From that key: timescale, task and horizon."""


def past_noise(summaries: Iterable[Mapping[str, Any]]) -> dict[Key, Noise]:
    """Measured noise of gains; a later summary replaces an earlier one.

    Args:
        summaries: contents of scaling.json files of this study.
    """
    found: dict[Key, Noise] = {}
    for summary in summaries:
        # Summaries from before curves were named so teach nothing; the preview says that noise is assumed.
        for curve in (curve for question in summary["questions"] for curve in question.get("curves", ())):
            gain, points = curve["gain"], curve["points"]
            if not gain["se_dates"]:
                continue
            horizon, ends = int(curve["horizon"]), (points[0], points[-1])
            past = Design(
                dates=round(horizon * points[0]["effective_n"]),
                horizon=horizon,
                folds=max(1, len(curve["folds"])),
                seeds=min(int(point["seeds"]) for point in ends),
            )
            unit = 1.0 if is_classification(curve["task"]) else 0.5 / points[0]["base_rate_log_loss"]
            seeds = None if gain["se_seeds"] is None else unit * gain["se_seeds"]
            key = {column: curve[column] for column in CURVE_KEY} | {"budget": curve["budget"] or "*"}
            found[curve["axis"], tuple(key.values())] = measured_noise(unit * gain["se_dates"], seeds, past)
    return found


def noise_from(past: Past, axis: Axis, row: Row, corners: int = 2) -> Noise | None:
    """Noise of a run's comparison: its own, else the median of those alike, else None.

    Args:
        past: what has been measured.
        axis: along which the run is compared; of an interaction, the axis of its gains.
        row: the run.
        corners: 4 for an interaction, a difference of two gains whose noises are taken to be independent.
    """
    key = axis.rest(row)
    if corners == 2 and (own := past.get((axis.name, key))):
        return own
    alike = [
        noise for (name, others), noise in past.items() if name == axis.name and others[_ALIKE] == key[_ALIKE]
    ]
    if not alike:
        return None
    label, seed = (median(getattr(noise, part) for noise in alike) for part in ("label", "seed"))
    return Noise(label * math.sqrt(corners / 2.0), seed, "measured alike")
