"""Gradient-boosted trees grown leaf by leaf, on the channels of the last bar (LightGBM).

Ke et al. (2017), LightGBM: A Highly Efficient Gradient Boosting Decision Tree.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from pydantic import Field

from lib.config.base import StrictModel
from lib.datasets.windows import Samples
from lib.models.boosting._boosted import BoostedTrees
from lib.models.contract import ModelMetadata
from lib.models.registry import register


class LightGBMSettings(StrictModel):
    """LightGBM's own names for its own settings."""

    n_estimators: int = Field(500, ge=1)
    num_leaves: int = Field(31, ge=2)
    learning_rate: float = Field(0.05, gt=0)
    min_child_samples: int = Field(40, ge=1)
    subsample: float = Field(0.8, gt=0, le=1)
    colsample_bytree: float = Field(0.8, gt=0, le=1)
    reg_lambda: float = Field(1.0, ge=0)
    early_stopping_rounds: int = Field(20, ge=1)


@register("boosting:lightgbm")
class LightGBM(BoostedTrees):
    """Trees; stored as LightGBM's text."""

    metadata = ModelMetadata(
        has_budget=False, input="last_bar", ternary=True, description="trees grown leaf by leaf"
    )
    Settings: ClassVar[type[StrictModel]] = LightGBMSettings
    trees_file = "trees.txt"

    def grow(self, train: Samples, selection: Samples, threads: int | None) -> tuple[np.ndarray, np.ndarray]:
        """Histogram trees, repeatable whatever the number of threads."""
        import lightgbm

        own = self.settings.model_dump()
        rounds, patience = own.pop("n_estimators"), own.pop("early_stopping_rounds")
        machine = {
            "seed": self.seed, "num_threads": threads or 0, "verbosity": -1, "deterministic": True,
            "force_row_wise": True, "subsample_freq": 1,
        }  # fmt: skip
        names = [f"c{number}" for number in range(train.matrix.shape[1])]  # it takes no names with marks
        data = lightgbm.Dataset(train.last_bars(), self.label(train), feature_name=names)
        held_out = lightgbm.Dataset(selection.last_bars(), self.label(selection), reference=data)
        record: dict[str, dict[str, list[float]]] = {}
        self.booster = lightgbm.train(
            own | self._objective() | machine,
            data,
            num_boost_round=rounds,
            valid_sets=[data, held_out],
            valid_names=["train", "selection"],
            callbacks=[
                lightgbm.early_stopping(patience, verbose=False),
                lightgbm.record_evaluation(record),
            ],
        )
        curves = [self.as_losses(next(iter(record[part].values()))) for part in ("train", "selection")]
        return curves[0], curves[1]

    def raw(self, samples: Samples, rounds: int) -> np.ndarray:
        """By LightGBM."""
        out: np.ndarray = np.asarray(self.booster.predict(samples.last_bars(), num_iteration=rounds))
        return out

    def staged(self, samples: Samples, rounds: int) -> Iterator[np.ndarray]:
        """Each round's margin added; the first holds the constant that training began with."""
        bars, margin = samples.last_bars(), np.zeros(1)
        for number in range(rounds):
            margin = margin + self.booster.predict(
                bars, start_iteration=number, num_iteration=1, raw_score=True
            )
            yield self.from_margin(margin)

    def write_trees(self, path: Path) -> None:
        """As LightGBM's text."""
        self.booster.save_model(path, num_iteration=self.rounds)

    def read_trees(self, path: Path) -> Any:
        """From LightGBM's text."""
        import lightgbm

        return lightgbm.Booster(model_file=str(path))

    def feature_importance(self) -> dict[str, float]:
        """Total gain of the splits on each channel; 0 for channels that are never split on."""
        gains = self.booster.feature_importance("gain", iteration=self.rounds)
        return dict(zip(self.problem.channel_names, map(float, gains), strict=True))

    def _objective(self) -> dict[str, Any]:
        if self.problem.ternary:
            return {"objective": "multiclass", "num_class": len(self.present), "metric": "multi_logloss"}
        if self.problem.binary:
            return {"objective": "binary", "metric": "binary_logloss"}
        return {"objective": "regression", "metric": "rmse"}
