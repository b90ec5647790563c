"""Gradient-boosted trees grown leaf by leaf on the channels of the last bar (LightGBM), early stopping on
selection.

Ke et al. (2017).
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from pydantic import Field

from lib.config.base import StrictModel
from lib.datasets.windows import Samples
from lib.models.base import Model, ModelMetadata, history_row, untrained_result
from lib.models.registry import register
from lib.models.storage import read_plain, write_plain
from lib.training.context import TrainingContext, TrainingResult

TREES = "trees.txt"


class LightGBMSettings(StrictModel):
    """LightGBM's own names for its own settings."""

    num_iterations: int = Field(500, ge=1)
    num_leaves: int = Field(63, ge=2)
    max_depth: int = Field(8, ge=-1)
    learning_rate: float = Field(0.05, gt=0)
    min_data_in_leaf: int = Field(20, ge=1)
    feature_fraction: float = Field(0.8, gt=0, le=1)
    bagging_fraction: float = Field(0.8, gt=0, le=1)
    lambda_l2: float = Field(1.0, ge=0)
    early_stopping_rounds: int = Field(20, ge=1)


@register("boosting:lightgbm")
class LightGBM(Model):
    """Trees; stored as LightGBM's text."""

    metadata = ModelMetadata(
        has_budget=False, input="last_bar", description="gradient-boosted trees, grown leaf by leaf"
    )
    Settings: ClassVar[type[StrictModel]] = LightGBMSettings
    booster: Any = None
    rounds: int = 0

    def fit(self, train: Samples, selection: Samples, context: TrainingContext) -> TrainingResult:
        """Grow trees until the selection loss has not fallen for `early_stopping_rounds`."""
        import lightgbm

        self.check(train)
        begin = time.monotonic()
        own = self.settings.model_dump()
        rounds, patience = own.pop("num_iterations"), own.pop("early_stopping_rounds")
        metric = "binary_logloss" if self.problem.binary else "l2"
        parameters = own | {
            "objective": "binary" if self.problem.binary else "regression",
            "metric": metric,
            "bagging_freq": 1,
            "seed": self.seed,
            "deterministic": True,
            "force_row_wise": True,
            "num_threads": context.job_threads or 0,
            "verbosity": -1,
        }
        learnt = lightgbm.Dataset(train.last_bars(), label=train.target)
        parts = {"train": learnt, "selection": learnt.create_valid(selection.last_bars(), selection.target)}
        record: dict[str, dict[str, list[float]]] = {}
        self.booster = lightgbm.train(
            parameters,
            learnt,
            num_boost_round=rounds,
            valid_sets=list(parts.values()),
            valid_names=list(parts),
            callbacks=[
                lightgbm.record_evaluation(record),
                # Only the selection part may stop it: the training loss hardly ever rises.
                lightgbm.early_stopping(patience, verbose=False),
            ],
        )
        curves = [np.array(record[part][metric]) for part in parts]
        self.rounds = int(np.argmin(curves[1])) + 1
        seconds = time.monotonic() - begin
        history = [
            history_row(number, float(a), float(b), seconds / len(curves[0]))
            for number, (a, b) in enumerate(zip(*curves, strict=True), start=1)
        ]
        return untrained_result(float(curves[1].min()), seconds, history)

    def forecast(self, samples: Samples) -> np.ndarray:
        """From the trees up to the best round."""
        return np.asarray(self.booster.predict(samples.last_bars(), num_iteration=self.rounds))

    def save(self, folder: Path) -> None:
        """Trees as LightGBM's text."""
        self.booster.save_model(str(folder / TREES), num_iteration=self.rounds)
        write_plain(folder, self, {"rounds": self.rounds})

    @classmethod
    def load(cls, folder: Path) -> Self:
        """From its folder."""
        import lightgbm

        model, content = read_plain(folder, cls)
        model.booster = lightgbm.Booster(model_file=str(folder / TREES))
        model.rounds = int(content["rounds"])
        return model

    def feature_importance(self) -> dict[str, float]:
        """Total gain of the splits on each channel; 0 for channels that are never split on."""
        gains = self.booster.feature_importance(importance_type="gain", iteration=self.rounds)
        return dict(zip(self.problem.channel_names, map(float, gains), strict=True))
