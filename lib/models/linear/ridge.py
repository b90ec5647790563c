"""Ridge regression on the channels of the last bar; for classes the linear probability model.

Hoerl & Kennard (1970). Solved in closed form, for all penalties at once.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from lib.models.contract import ModelMetadata
from lib.models.linear._penalised import PenalisedLinear, PenaltySettings
from lib.models.linear._solver import Spectrum, ridge_path
from lib.models.registry import register

_LEAST = 1e-3
"""A straight line leaves [0, 1]; a probability must not, nor be 0 or 1 without reason."""


@register("linear:ridge")
class Ridge(PenalisedLinear):
    """Least squares on the target itself, or on the indicator of each class."""

    metadata = ModelMetadata(
        has_budget=False, input="last_bar", ternary=True, description="ridge regression, by least squares"
    )

    def solutions(self, spectrum: Spectrum, columns: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """In closed form."""
        own: PenaltySettings = self.settings  # type: ignore[assignment]
        yield from ridge_path(spectrum, columns, [1.0 / c for c in own.inverse_penalties])

    def answer(self, scores: np.ndarray) -> np.ndarray:
        """Cut to probabilities where classes are forecast; of three, they are made to add up to 1."""
        if not self.problem.classes:
            return scores
        cut: np.ndarray = np.clip(scores, _LEAST, 1 - _LEAST)
        return cut / cut.sum(axis=1, keepdims=True) if self.problem.ternary else cut
