"""The columns of runs.parquet: unit, meaning and type of each, in one place."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from lib.scoring.backtest import EXCESS as EXCESS_MEASURES
from lib.scoring.measures import BINARY_INTERVALS, REGRESSION_INTERVALS

Meanings = Mapping[str, tuple[str, str]]
"""Unit (empty for words and flags) and meaning, by column."""
Schema = dict[str, type[pl.DataType]]
PARTS = ("selection", "calibration", "test")
"""Beginnings of the columns of `MEASURES` in the table of runs."""

INTERVALS = BINARY_INTERVALS + REGRESSION_INTERVALS
"""Those of `MEASURES` that have `…_low` and `…_high` beside them."""

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
    "searched": ("", "Key of that search, which may be one at another size; null without one."),
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
HOLDING = {name: TRADING[name] for name in ("sharpe", "total_return", "max_drawdown")}
EXCESS = {name: TRADING[name] for name in EXCESS_MEASURES}
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


def _typed(columns: Meanings, usual: type[pl.DataType], **others: type[pl.DataType]) -> Schema:
    return dict.fromkeys(columns, usual) | others


_ENDS = {f"{name}_{end}": pl.Float64 for name in INTERVALS for end in ("low", "high")}
_SPAN: Schema = {"block_length": pl.Int64, "first": pl.String, "last": pl.String}
_WITHOUT_SPAN = {name: said for name, said in MEASURES.items() if name not in _SPAN}
MEASURED: Schema = {
    **_typed(_WITHOUT_SPAN, pl.Float64, n_invalid=pl.Int64, collapsed=pl.Boolean, zero_recall=pl.Boolean),
    **_ENDS,
    **_SPAN,
}
"""Columns of one part, without its name before them."""
_DECLARED = _typed(
    DECLARED, pl.String, horizon=pl.Int64, seed=pl.Int64, fold=pl.Int64, train_fraction=pl.Float64,
    context_length=pl.Int64, search=pl.Int64, tier=pl.Int64,
)  # fmt: skip
RUNS_SCHEMA: Schema = {
    **{name: kind for name, kind in _DECLARED.items() if name != "path"},
    **_typed(NETWORK, pl.Int64, channel_mode=pl.String, normalisation=pl.String, pooling=pl.String),
    **{f"{part}_{name}": kind for part in PARTS for name, kind in MEASURED.items()},
    **_typed(CHECKED, pl.Float64, too_good=pl.Boolean, calibration_method=pl.String),
    **{f"trading_{name}": pl.Float64 for name in TRADING},
    **{f"trading_hold_{name}": pl.Float64 for name in HOLDING},
    **{f"trading_excess_{name}": pl.Float64 for name in EXCESS},
    **_typed(LEARNED, pl.Float64, best_step=pl.Int64),
    **_typed(
        COST, pl.Float64, n_train=pl.Int64, n_selection=pl.Int64, n_calibration=pl.Int64, n_test=pl.Int64,
        hpo_trials=pl.Int64, steps=pl.Int64, started=pl.String, device=pl.String, precision=pl.String,
        micro_batch=pl.Int64, effective_batch=pl.Int64,
    ),
    "path": pl.String,
}  # fmt: skip
"""Columns of runs.parquet in order."""
