"""Gradient-boosted trees on the channels of the last bar (XGBoost), with early stopping on selection."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from pydantic import Field

from lib.config.base import StrictModel
from lib.datasets.windows import Samples
from lib.models import classes
from lib.models.base import Model, ModelMetadata, history_row, untrained_result
from lib.models.registry import register
from lib.models.storage import read_plain, write_plain
from lib.training.context import TrainingContext, TrainingResult

TREES = "trees.json"


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
class XGBoost(Model):
    """Trees; stored as XGBoost's JSON."""

    metadata = ModelMetadata(
        has_budget=False, input="last_bar", ternary=True, description="gradient-boosted trees"
    )
    Settings: ClassVar[type[StrictModel]] = XGBoostSettings
    booster: Any = None
    rounds: int = 0
    present: list[int]
    """Columns of the classes seen in training, where there are three."""

    def fit(self, train: Samples, selection: Samples, context: TrainingContext) -> TrainingResult:
        """Grow trees until the selection loss has not fallen for `early_stopping_rounds`."""
        import xgboost

        self.check(train)
        begin = time.monotonic()
        own = self.settings.model_dump()
        rounds, patience = own.pop("n_estimators"), own.pop("early_stopping_rounds")
        parameters = own | {
            **self._objective(train),
            "seed": self.seed,
            "nthread": context.job_threads or 0,
            "tree_method": "hist",
        }
        matrices = {
            part: self._matrix(samples, self._label(samples))
            for part, samples in (("train", train), ("selection", selection))
        }
        record: dict[str, dict[str, list[float]]] = {}
        self.booster = xgboost.train(
            parameters,
            matrices["train"],
            num_boost_round=rounds,
            evals=[(matrix, part) for part, matrix in matrices.items()],
            early_stopping_rounds=patience,
            evals_result=record,
            verbose_eval=False,
        )
        self.rounds = int(self.booster.best_iteration) + 1
        seconds = time.monotonic() - begin
        curves = [np.array(next(iter(record[part].values()))) for part in matrices]
        if not self.problem.classes:
            curves = [curve**2 for curve in curves]
        history = [
            history_row(number, float(a), float(b), seconds / len(curves[0]))
            for number, (a, b) in enumerate(zip(*curves, strict=True), start=1)
        ]
        return untrained_result(float(curves[1].min()), seconds, history)

    def forecast(self, samples: Samples) -> np.ndarray:
        """From the trees up to the best round."""
        out: np.ndarray = self.booster.predict(self._matrix(samples), iteration_range=(0, self.rounds))
        return classes.spread(out, self.present, self.problem.classes) if self.problem.ternary else out

    def save(self, folder: Path) -> None:
        """Trees as XGBoost JSON."""
        self.booster.save_model(folder / TREES)
        write_plain(folder, self, {"rounds": self.rounds, "present": self.present})

    @classmethod
    def load(cls, folder: Path) -> Self:
        """From its folder."""
        import xgboost

        model, content = read_plain(folder, cls)
        model.booster = xgboost.Booster(model_file=str(folder / TREES))
        model.rounds, model.present = int(content["rounds"]), content["present"]
        return model

    def feature_importance(self) -> dict[str, float]:
        """Total gain of the splits on each channel; 0 for channels that are never split on."""
        gains = self.booster.get_score(importance_type="total_gain")
        return {name: float(gains.get(name, 0.0)) for name in self.problem.channel_names}

    def _objective(self, train: Samples) -> dict[str, Any]:
        self.present = []
        if self.problem.ternary:
            self.present = classes.seen(train.target, self.problem.classes)
            return {"objective": "multi:softprob", "num_class": len(self.present), "eval_metric": "mlogloss"}
        if self.problem.binary:
            return {"objective": "binary:logistic", "eval_metric": "logloss"}
        return {"objective": "reg:squarederror", "eval_metric": "rmse"}

    def _label(self, samples: Samples) -> np.ndarray:
        if self.problem.ternary:
            return classes.number(samples.target, self.present, self.problem.classes)
        return samples.target

    def _matrix(self, samples: Samples, label: np.ndarray | None = None) -> Any:
        import xgboost

        names = list(self.problem.channel_names)
        return xgboost.DMatrix(samples.last_bars(), label=label, feature_names=names)
