"""Results as strict, repeatable JSON values: no NaN, no numpy types, no noise in the last digits."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import date
from typing import Any

import numpy as np

_DIGITS = 10
"""Significant digits kept: sums in another order (other thread counts) differ only in later ones."""


def plain(value: Any) -> Any:
    """`value` rebuilt from None, bool, int, float, str, list and dict alone."""
    if isinstance(value, Mapping):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [plain(inner) for inner in value]
    if value is None or isinstance(value, str | bool | np.bool_):
        return bool(value) if isinstance(value, np.bool_) else value
    if isinstance(value, int | np.integer):
        return int(value)
    if isinstance(value, float | np.floating):
        return float(f"{float(value):.{_DIGITS}g}") if math.isfinite(value) else None
    if isinstance(value, date | np.datetime64):
        return str(value)
    raise TypeError(f"cannot be written as JSON: {type(value).__name__}")
