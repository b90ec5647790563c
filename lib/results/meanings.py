"""What every column of the tables of results means: its unit and one sentence, in one place.

Names and types are those of the schemas by which the tables are written; a test holds both together.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl

from lib.jobs.outputs import HISTORY, IMPORTANCE
from lib.models.predictions import Predictions
from lib.scaling.run_table import RUNS_SCHEMA
from lib.scoring.evaluation_tables import METRICS_SCHEMA
from lib.scoring.measures import BINARY_INTERVALS, REGRESSION_INTERVALS
from lib.scoring.run_scores import DAILY_SCHEMA

Meanings = Mapping[str, tuple[str, str]]
"""Unit (empty for words and flags) and meaning, by column."""
PARTS = ("selection", "calibration", "test")
"""Beginnings of the columns of `MEASURES` in the table of runs."""

DECLARED: Meanings = {
    "experiment": ("", "The experiment that declared it (a file of config/experiments/)."),
    "role": ("", "Of the experiment: a question, an ablation, a kind of control, …"),
    "question": ("", "What the experiment asks."),
    "variant": ("", "First folder of its path; a label from which nothing is read."),
    "dataset": ("", "Row, column and tier of the data matrix: Aa20."),
    "timescale": ("", "Of the bars: daily, weekly, …"),
    "task": ("", "What is forecast: direction, threshold_1pct, …, regression, triple_barrier."),
    "horizon": ("bars", "How far ahead."),
    "model": ("", "File of config/models/, with the values of `vary`, if any."),
    "family": ("", "Of the model: naive, linear, boosting, neural, timeseries, transformer, reference."),
    "budget": ("parameters", "Declared size, 2M, 20M or 200M; `none` for models without one."),
    "seed": ("", "Of initial weights, draws and order of training."),
    "id": ("", "Name of its part of the grid (`ids:` of the experiment); null without one."),
    "condition": ("", "Declared variant: what runs share, whatever fold or share of the dates they are of."),
    "fold": ("", "Walk-forward fold from 1; null for the study's own split."),
    "train_fraction": ("0 to 1", "Share of the training dates it learned from, the latest ones."),
    "context_length": ("bars", "Length of a window."),
    "labels": ("", "`true`, or `shifted` for a null control."),
    "search": ("", "Number of the hyperparameter search whose recipe it has; null without one."),
    "searched": ("", "Words of that search, which may be one at another size; null without one."),
    "row": ("", "Of the data matrix: which symbols and series there are, A to E."),
    "column": ("", "Of the data matrix: what joins them, a to d."),
    "tier": ("channels", "Of the data matrix."),
    "status": ("", "`done`, `missing`, or `failed` if its files are there and cannot be used."),
    "problem": ("", "Why it failed."),
    "path": ("", "Its folder, from the study's; `lib.results.runs` gives it from where you are."),
}  # fmt: skip
NETWORK: Meanings = {
    "channel_mode": ("", "How channels meet: mixed, independent or cross."),
    "normalisation": (
        "",
        "How a window is scaled before the network sees it: zscore, revin, revin_stats or none.",
    ),
    "pooling": ("", "How patches become one vector: last, mean, flatten or attention."),
    "d_model": ("", "Width of a transformer."),
    "n_layers": ("", "Its layers."),
    "n_heads": ("", "Attention heads of a layer."),
    "d_ff": ("", "Width of its feed-forward part."),
    "param_count": ("parameters", "Trainable parameters, counted; null where the word means nothing."),
    "embedding_count": ("parameters", "Those that embed patches and positions."),
    "head_count": ("parameters", "Those of the head."),
}
MEASURES: Meanings = {
    "n_invalid": ("samples", "Targets or forecasts that are not finite; if any, the measures are null."),
    "base_rate": ("0 to 1", "Share of class 1 (of three classes: of +1)."),
    "auc": ("0 to 1", "Area under the ROC curve; of three classes the mean of one against the rest."),
    "pr_auc": ("0 to 1", "Area under the precision-recall curve (average precision)."),
    "accuracy": ("0 to 1", "Share of right forecasts, at probability 0.5 or by the most probable class."),
    "majority_accuracy": ("0 to 1", "The accuracy of always naming the commoner class of this part."),
    "precision": ("0 to 1", "Share of forecasts of class 1 that came true; of three classes the macro mean."),
    "recall": ("0 to 1", "Share of class 1 that was forecast; of three classes the macro mean."),
    "f1": ("0 to 1", "Harmonic mean of precision and recall."),
    "brier": ("0 to 1", "Mean squared distance of probability and outcome (three classes: summed, 0 to 2)."),
    "log_loss": ("nats", "Mean negative log-likelihood: the primary measure of classes."),
    "base_rate_log_loss": ("nats", "The log loss of always stating the share of each class in training."),
    "ece": ("0 to 1", "Expected calibration error; two classes only."),
    "ece_by_chance": ("0 to 1", "What `ece` would be if the probabilities were right, by chance alone."),
    "mse": ("squared return", "Mean squared error: the primary measure of regression."),
    "mae": ("return", "Mean absolute error."),
    "mape": ("fraction", "Mean absolute error relative to the return, returns of 0 left out."),
    "r2": ("at most 1", "Share of the variance explained; below 0 worse than the part's own mean."),
    "directional_accuracy": ("0 to 1", "Share of returns whose sign was forecast, returns of 0 left out."),
    "zero_mse": ("squared return", "The squared error of always forecasting 0."),
    "prediction_min": ("", "Least forecast: of P(1), of the return, or of P(+1) - P(-1)."),
    "prediction_max": ("", "Greatest forecast, likewise."),
    "collapsed": ("", "Nearly the same forecast for every sample."),
    "zero_recall": ("", "A class that occurs is never forecast (of two: class 1)."),
    "block_length": ("dates", "Mean block of the bootstrap behind the intervals."),
    "first": ("date", "First date of the part, as YYYY-MM-DD."),
    "last": ("date", "Last date of the part."),
}
CHECKED: Meanings = {
    "too_good": ("", "The alarm went off: too good on validation to be true."),
    "calibration_method": ("", "Calibration that cross-fitting chose: none, temperature, platt, isotonic."),
    "test_calibrated_log_loss": ("nats", "Log loss on test after that calibration."),
    "test_conformal_level": ("0 to 1", "Coverage that conformal intervals or sets promise."),
    "test_conformal_coverage": ("0 to 1", "Their coverage on test."),
    "test_conformal_width": ("return or classes", "Mean width of the intervals, or mean size of the sets."),
    "test_conformal_singletons": ("0 to 1", "Share of sets with one class; null for regression."),
}
TRADING: Meanings = {
    "n": ("bars", "Traded test bars; all of these are null where no position makes sense."),
    "bars_per_year": ("bars", "Counted from the dates."),
    "sharpe": ("per √year", "Mean over standard deviation of the returns after costs, annualised."),
    "sharpe_low": ("per √year", "Lower end of its interval."),
    "sharpe_high": ("per √year", "Upper end of its interval."),
    "bar_sharpe": ("per √bar", "The same per bar."),
    "skewness": ("", "Of the returns."),
    "kurtosis": ("", "Of the returns; 3 if normal."),
    "annual_return": ("fraction", "Compound, per year, after costs."),
    "annual_volatility": ("fraction", "Standard deviation of the returns, annualised."),
    "total_return": ("fraction", "Over the whole test, after costs."),
    "max_drawdown": ("fraction", "Largest fall from an earlier peak, as a positive number."),
    "exposure": ("0 to 1", "Mean absolute position."),
    "turnover": ("accounts per year", "How often the whole account is traded."),
    "probabilistic_sharpe": ("0 to 1", "Chance that the true ratio is above 0."),
}
LEARNED: Meanings = {
    "best_step": ("steps", "Optimiser step (round) whose weights are kept."),
    "best_train_loss": (
        "loss",
        "Mean training loss since the validation before that step; flatters the model.",
    ),
    "best_validation_loss": ("loss", "Loss on the selection part there, as it is."),
    "train_gap": ("loss", "The second less the first."),
}
COST: Meanings = {
    "n_train": ("windows", "Of training; all symbols of a row."),
    "n_selection": ("windows", "Of the selection part of validation."),
    "n_calibration": ("windows", "Of its calibration part."),
    "n_test": ("windows", "Of test."),
    "train_base_rate": (
        "0 to 1",
        "Share of class 1 (+1) in training, of the measured symbol if it was there.",
    ),
    "train_share_down": ("0 to 1", "Share of class -1 there; null unless there are three classes."),
    "train_share_neutral": ("0 to 1", "Share of class 0 there; likewise."),
    "effective_n_test": ("labels", "Test dates divided by the horizon: labels that do not overlap."),
    "hpo_trials": ("trials", "Of the search whose recipe it has; 0 without one."),
    "steps": ("steps", "Optimiser steps (rounds) of the training."),
    "started": ("time", "When the training was first begun, UTC, ISO 8601."),
    "train_seconds": ("s", "Training and its validations, over all interruptions."),
    "total_seconds": ("s", "The same with loading and predicting."),
    "samples_per_second": ("windows/s", "While training; null for models that learn in rounds."),
    "peak_memory_mb": ("MB", "Most memory in use: of the process on a CPU, of PyTorch on an accelerator."),
    "device": ("", "cpu, cuda or mps."),
    "precision": ("", "fp32 or bf16."),
    "micro_batch": ("windows", "At once on the device."),
    "effective_batch": ("windows", "Per optimiser step; null for models that learn in rounds."),
    "learning_rate": ("", "Peak."),
    "weight_decay": ("", "Of the optimiser; null for models that learn in rounds."),
}
_LOSS = "log loss in nats, or squared error"
PREDICTIONS: Meanings = {
    "date": ("date", "Of the window's last bar, at whose close the forecast is made."),
    "symbol": ("", "Whose future it is."),
    "horizon": ("bars", "How far ahead."),
    "target": ("class or return", "What happened; null where it is not known yet."),
    "prediction": (
        "class or return",
        "Class at probability 0.5 (most probable of three), or forecast return.",
    ),
    "probability_-1": ("0 to 1", "Of the lower barrier; only with three classes."),
    "probability_0": ("0 to 1", "Of class 0; absent for regression."),
    "probability_1": ("0 to 1", "Of class 1; absent for regression."),
    "uncertainty": ("as prediction", "The model's own, if it states one."),
    "part": ("", "`selection` and `calibration` (both of validation), or `test`."),
}
HISTORIES: Meanings = {
    "step": ("steps", "Optimiser step (round) of this validation."),
    "train_loss": ("loss", "Mean of the steps since the validation before."),
    "validation_loss": ("loss", f"Of the selection part as it is: {_LOSS}."),
    "selection_loss": ("loss", "The same with the intercept re-fitted: what stops training and chooses."),
    "learning_rate": ("", "Of the last step; null for models without one."),
    "seconds": ("s", "Since the validation before, this one with it."),
    "samples_per_second": ("windows/s", "Training only; null for models that learn in rounds."),
    "temperature": ("°C", "Last reading of the sensor; null without one."),
}
IMPORTANCES: Meanings = {
    "channel": ("", "Name of the channel (docs/features.md)."),
    "importance": ("the model's own", "Its weight, in falling order; comparable within a run only."),
}
DAILIES: Meanings = {
    "date": ("date", "As in the predictions."),
    "symbol": ("", "The primary symbol, where there is one."),
    "target": ("class or return", "What happened."),
    "score": ("", "P(1), P(+1) - P(-1), or the forecast return."),
    "loss": ("loss", f"Of this sample: {_LOSS}."),
    "covered": ("", "The conformal interval or set holds what happened."),
    "width": ("return or classes", "Width of the interval, or classes in the set."),
    "position": ("-1 to 1", "Share of the account in the market from the next open on."),
    "hold_return": ("fraction", "Next open to the open after it, of holding, after its one purchase."),
    "return_gross": ("fraction", "Of the position, before costs."),
    "return_net": ("fraction", "After costs."),
    "equity": ("of the start", "Account that began at 1."),
    "hold_equity": ("of the start", "The same of holding."),
    "drawdown": ("fraction", "Fall of `equity` below its highest value so far."),
}

TIDY: Meanings = {
    "path": ("", "Folder of the run; joins with the table of runs."),
    "split": ("", "selection, calibration or test."),
    "slice": (
        "",
        "`all`, `symbol SPY`, and of the test split `year 2008` and `regime high` (of volatility).",
    ),
    "metric": ("", "Name of the measure, as in the table of runs without the split."),
    "value": ("as there", "The measure; what could not be computed has no row."),
    "low": ("as there", "Lower end of its interval; null where it has none."),
    "high": ("as there", "Upper end."),
}


@dataclass(frozen=True)
class Described:
    """Some columns of a table that belong together."""

    title: str
    schema: Mapping[str, type[pl.DataType]]
    meanings: Meanings
    before: str = ""
    """Beginning of their names in the schema."""
    intervals: tuple[str, ...] = ()
    """Those that have `…_low` and `…_high` beside them."""

    def columns(self) -> list[str]:
        """Their names in the schema, ends of intervals among them."""
        ends = [f"{name}_{end}" for name in self.intervals for end in ("low", "high")]
        return [self.before + name for name in (*self.meanings, *ends)]


_WITH_INTERVAL = BINARY_INTERVALS + REGRESSION_INTERVALS
_OF_EXCESS = ("sharpe", "bar_sharpe", "skewness", "kurtosis", "probabilistic_sharpe")
_OF_HOLDING = ("sharpe", "total_return", "max_drawdown")
RUNS = [
    Described("What was declared", RUNS_SCHEMA, DECLARED),
    Described("The network", RUNS_SCHEMA, NETWORK),
    *(Described(f"Measures: {part}", RUNS_SCHEMA, MEASURES, f"{part}_", _WITH_INTERVAL) for part in PARTS),
    Described("Alarm, calibration, conformal intervals", RUNS_SCHEMA, CHECKED),
    Described("Hypothetical trading", RUNS_SCHEMA, TRADING, "trading_"),
    Described("Of holding", RUNS_SCHEMA, {name: TRADING[name] for name in _OF_HOLDING}, "trading_hold_"),
    Described(
        "Of the return above holding",
        RUNS_SCHEMA,
        {name: TRADING[name] for name in _OF_EXCESS},
        "trading_excess_",
    ),
    Described("How it learned", RUNS_SCHEMA, LEARNED),
    Described("Samples and cost", RUNS_SCHEMA, COST),
]
"""All columns of runs.parquet."""
HISTORY_COLUMNS = Described("history.parquet", HISTORY, HISTORIES)
IMPORTANCE_COLUMNS = Described("importance.parquet", IMPORTANCE, IMPORTANCES)
DAILY_COLUMNS = Described("daily.parquet", DAILY_SCHEMA, DAILIES)
METRICS_COLUMNS = Described("metrics.parquet", METRICS_SCHEMA, TIDY)


def _predictions_schema() -> dict[str, type[pl.DataType]]:
    """Of three classes, which have all columns."""
    one, classes = np.zeros(1), (-1, 0, 1)
    made = Predictions(
        one.astype("datetime64[D]"), one.astype(str), 1, one, one, np.full((1, 3), 1 / 3), None, classes
    )
    return {name: dtype.base_type() for name, dtype in made.to_frame("test").schema.items()}


PREDICTION_COLUMNS = Described("predictions/", _predictions_schema(), PREDICTIONS)
