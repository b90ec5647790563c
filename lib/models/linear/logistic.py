"""Logistic regression on the channels of the last bar (ridge regression for returns).

A plain but strong baseline: for touch tasks the level of volatility is most of the signal, and it is linear
in the channels. Stored and applied as plain numbers.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from lib.models import classes
from lib.models.contract import ModelMetadata
from lib.models.linear._penalised import PenalisedLinear, PenaltySettings
from lib.models.linear._solver import Spectrum, logistic_path, ridge_path
from lib.models.registry import register


@register("linear:logistic")
class Logistic(PenalisedLinear):
    """Linear in the standardised channels of the last bar."""

    metadata = ModelMetadata(
        has_budget=False, input="last_bar", ternary=True, description="logistic or ridge regression"
    )

    def solutions(self, spectrum: Spectrum, columns: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """By penalised maximum likelihood; returns by least squares."""
        own: PenaltySettings = self.settings  # type: ignore[assignment]
        if not self.problem.classes:
            yield from ridge_path(spectrum, columns, [1.0 / c for c in own.inverse_penalties])
        else:
            yield from logistic_path(spectrum, columns, own.inverse_penalties, own.max_iterations)

    def answer(self, scores: np.ndarray) -> np.ndarray:
        """The logistic function, or softmax, or the scores themselves."""
        if self.problem.ternary:
            return classes.softmax(scores)
        return 1.0 / (1.0 + np.exp(-scores)) if self.problem.binary else scores
