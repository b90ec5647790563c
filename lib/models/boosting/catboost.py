"""Gradient-boosted symmetric trees on the channels of the last bar (CatBoost), early stopping on selection.

Prokhorenkova et al. (2018). Its ordered boosting corrects the optimism of residuals that a tree has seen.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from pydantic import Field

from lib.config.base import StrictModel
from lib.datasets.windows import Samples
from lib.errors import ModelError
from lib.models import classes
from lib.models.base import Model, ModelMetadata, history_row, untrained_result
from lib.models.registry import register
from lib.models.storage import read_plain, write_plain
from lib.training.context import TrainingContext, TrainingResult

TREES = "trees.cbm"


class CatBoostSettings(StrictModel):
    """CatBoost's own names for its own settings."""

    iterations: int = Field(500, ge=1)
    depth: int = Field(6, ge=1, le=16)
    learning_rate: float = Field(0.05, gt=0)
    l2_leaf_reg: float = Field(3.0, ge=0)
    boosting_type: str = Field("Ordered", pattern="^(Ordered|Plain)$")
    early_stopping_rounds: int = Field(20, ge=1)


@register("boosting:catboost")
class CatBoost(Model):
    """Trees; stored in CatBoost's own binary format."""

    metadata = ModelMetadata(
        has_budget=False, input="last_bar", ternary=True, description="gradient-boosted symmetric trees"
    )
    Settings: ClassVar[type[StrictModel]] = CatBoostSettings
    booster: Any = None
    present: list[int]
    """Columns of the classes seen in training, where there are three."""

    def fit(self, train: Samples, selection: Samples, context: TrainingContext) -> TrainingResult:
        """Grow trees until the selection loss has not fallen for `early_stopping_rounds`.

        Raises:
            ModelError: the training targets are all the same.
        """
        from catboost import CatBoost as Booster

        self.check(train)
        if np.ptp(train.target) == 0:
            raise ModelError("boosting:catboost: all training targets are the same; nothing can be learned.")
        begin = time.monotonic()
        own = self.settings.model_dump()
        patience = own.pop("early_stopping_rounds")
        self.present = classes.seen(train.target, self.problem.classes) if self.problem.ternary else []
        loss = "MultiClass" if self.problem.ternary else "Logloss" if self.problem.binary else "RMSE"
        self.booster = Booster(
            own
            | {
                "loss_function": loss,
                "random_seed": self.seed,
                "thread_count": context.job_threads or -1,
                "allow_writing_files": False,
            }
        )
        self.booster.fit(
            train.last_bars(),
            self._label(train),
            eval_set=(selection.last_bars(), self._label(selection)),
            early_stopping_rounds=patience,
            verbose=False,
        )
        seconds = time.monotonic() - begin
        record = self.booster.get_evals_result()
        curves = [np.array(record[part][loss]) for part in ("learn", "validation")]
        if not self.problem.classes:
            curves = [curve**2 for curve in curves]
        history = [
            history_row(number, float(a), float(b), seconds / len(curves[0]))
            for number, (a, b) in enumerate(zip(*curves, strict=True), start=1)
        ]
        return untrained_result(float(curves[1].min()), seconds, history)

    def forecast(self, samples: Samples) -> np.ndarray:
        """From the trees up to the best round."""
        kind = "Probability" if self.problem.classes else "RawFormulaVal"
        out: np.ndarray = np.asarray(self.booster.predict(samples.last_bars(), prediction_type=kind))
        if self.problem.ternary:
            return classes.spread(out, self.present, self.problem.classes)
        return out[:, 1] if self.problem.binary else out

    def save(self, folder: Path) -> None:
        """Trees as CatBoost's cbm."""
        self.booster.save_model(str(folder / TREES), format="cbm")
        write_plain(folder, self, {"present": self.present})

    @classmethod
    def load(cls, folder: Path) -> Self:
        """From its folder."""
        from catboost import CatBoost as Booster

        model, content = read_plain(folder, cls)
        model.booster, model.present = Booster(), content["present"]
        model.booster.load_model(str(folder / TREES), format="cbm")
        return model

    def feature_importance(self) -> dict[str, float]:
        """How much the forecast moves on average when a channel changes (CatBoost's own measure, in %)."""
        weights = self.booster.get_feature_importance()
        return dict(zip(self.problem.channel_names, map(float, weights), strict=True))

    def _label(self, samples: Samples) -> np.ndarray:
        if self.problem.ternary:
            return classes.number(samples.target, self.present, self.problem.classes)
        return samples.target
