"""Gradient-boosted trees on the channels of the last bar (XGBoost), with early stopping on selection.

Chen & Guestrin (2016, arXiv:1603.02754).
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


class XGBoostSettings(StrictModel):
    """XGBoost's own names for its own settings."""

    n_estimators: int = Field(500, ge=1)
    max_depth: int = Field(8, ge=1)
    learning_rate: float = Field(0.05, gt=0)
    subsample: float = Field(0.8, gt=0, le=1)
    colsample_bytree: float = Field(0.8, gt=0, le=1)
    min_child_weight: float = Field(5.0, ge=0)
    reg_lambda: float = Field(1.0, ge=0)
    early_stopping_rounds: int = Field(20, ge=1)


@register("boosting:xgboost")
class XGBoost(BoostedTrees):
    """Trees; stored as XGBoost's JSON."""

    metadata = ModelMetadata(
        has_budget=False, input="last_bar", ternary=True, description="gradient-boosted trees"
    )
    Settings: ClassVar[type[StrictModel]] = XGBoostSettings
    trees_file = "trees.json"

    def grow(self, train: Samples, selection: Samples, threads: int | None) -> tuple[np.ndarray, np.ndarray]:
        """Histogram trees."""
        import xgboost

        own = self.settings.model_dump()
        rounds, patience = own.pop("n_estimators"), own.pop("early_stopping_rounds")
        matrices = {
            part: self._matrix(samples, self.label(samples))
            for part, samples in (("train", train), ("selection", selection))
        }
        record: dict[str, dict[str, list[float]]] = {}
        machine = {"seed": self.seed, "nthread": threads or 0, "tree_method": "hist"}
        self.booster = xgboost.train(
            own | self._objective() | machine,
            matrices["train"],
            num_boost_round=rounds,
            evals=[(matrix, part) for part, matrix in matrices.items()],
            early_stopping_rounds=patience,
            evals_result=record,
            verbose_eval=False,
        )
        curves = [self.as_losses(next(iter(record[part].values()))) for part in matrices]
        return curves[0], curves[1]

    def raw(self, samples: Samples, rounds: int) -> np.ndarray:
        """By XGBoost."""
        out: np.ndarray = self.booster.predict(self._matrix(samples), iteration_range=(0, rounds))
        return out

    def staged(self, samples: Samples, rounds: int) -> Iterator[np.ndarray]:
        """Each round on top of the margin before it."""
        matrix = self._matrix(samples)
        for number in range(rounds):
            margin = self.booster.predict(matrix, output_margin=True, iteration_range=(number, number + 1))
            matrix.set_base_margin(margin)
            yield self.from_margin(margin.astype(np.float64))

    def write_trees(self, path: Path) -> None:
        """As XGBoost's JSON."""
        self.booster.save_model(path)

    def read_trees(self, path: Path) -> Any:
        """From XGBoost's JSON."""
        import xgboost

        return xgboost.Booster(model_file=str(path))

    def feature_importance(self) -> dict[str, float]:
        """Total gain of the splits on each channel; 0 for channels that are never split on."""
        gains = self.booster.get_score(importance_type="total_gain")
        return {name: float(gains.get(name, 0.0)) for name in self.problem.channel_names}

    def _objective(self) -> dict[str, Any]:
        if self.problem.ternary:
            return {"objective": "multi:softprob", "num_class": len(self.present), "eval_metric": "mlogloss"}
        if self.problem.binary:
            return {"objective": "binary:logistic", "eval_metric": "logloss"}
        return {"objective": "reg:squarederror", "eval_metric": "rmse"}

    def _matrix(self, samples: Samples, label: np.ndarray | None = None) -> Any:
        import xgboost

        names = list(self.problem.channel_names)
        return xgboost.DMatrix(samples.last_bars(), label=label, feature_names=names)
