"""Gradient-boosted symmetric trees on the channels of the last bar (CatBoost), early stopping on selection.

Prokhorenkova et al. (2018, arXiv:1706.09516). Its ordered boosting corrects the optimism of residuals that a
tree has seen.
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


class CatBoostSettings(StrictModel):
    """CatBoost's own names for its own settings."""

    iterations: int = Field(500, ge=1)
    depth: int = Field(6, ge=1, le=16)
    learning_rate: float = Field(0.05, gt=0)
    l2_leaf_reg: float = Field(3.0, ge=0)
    boosting_type: str = Field("Ordered", pattern="^(Ordered|Plain)$")
    early_stopping_rounds: int = Field(20, ge=1)


@register("boosting:catboost")
class CatBoost(BoostedTrees):
    """Trees; stored in CatBoost's own binary format."""

    metadata = ModelMetadata(
        has_budget=False, input="last_bar", ternary=True, description="gradient-boosted symmetric trees"
    )
    Settings: ClassVar[type[StrictModel]] = CatBoostSettings
    trees_file = "trees.cbm"

    def grow(self, train: Samples, selection: Samples, threads: int | None) -> tuple[np.ndarray, np.ndarray]:
        """Symmetric trees."""
        from catboost import CatBoost as Booster

        own = self.settings.model_dump()
        patience = own.pop("early_stopping_rounds")
        loss = "MultiClass" if self.problem.ternary else "Logloss" if self.problem.binary else "RMSE"
        self.booster = Booster(
            own
            | {
                "loss_function": loss,
                "random_seed": self.seed,
                "thread_count": threads or -1,
                "allow_writing_files": False,
            }
        )
        self.booster.fit(
            train.last_bars(),
            self.label(train),
            eval_set=(selection.last_bars(), self.label(selection)),
            early_stopping_rounds=patience,
            use_best_model=False,
            verbose=False,
        )
        record = self.booster.get_evals_result()
        curves = [self.as_losses(record[part][loss]) for part in ("learn", "validation")]
        return curves[0], curves[1]

    def raw(self, samples: Samples, rounds: int) -> np.ndarray:
        """By CatBoost."""
        return self._of_class_1(self.booster.predict(samples.last_bars(), self._kind, ntree_end=rounds))

    def staged(self, samples: Samples, rounds: int) -> Iterator[np.ndarray]:
        """By CatBoost."""
        for out in self.booster.staged_predict(samples.last_bars(), self._kind, ntree_end=rounds):
            yield self._of_class_1(out)

    @property
    def _kind(self) -> str:
        return "Probability" if self.problem.classes else "RawFormulaVal"

    def _of_class_1(self, out: np.ndarray) -> np.ndarray:
        return np.asarray(out)[:, 1] if self.problem.binary else np.asarray(out)

    def write_trees(self, path: Path) -> None:
        """As CatBoost's cbm."""
        self.booster.save_model(str(path), format="cbm")

    def read_trees(self, path: Path) -> Any:
        """From CatBoost's cbm."""
        from catboost import CatBoost as Booster

        booster = Booster()
        booster.load_model(str(path), format="cbm")
        return booster

    def feature_importance(self) -> dict[str, float]:
        """How much the forecast moves on average when a channel changes (CatBoost's own measure, in %)."""
        weights = self.booster.get_feature_importance()
        return dict(zip(self.problem.channel_names, map(float, weights), strict=True))
