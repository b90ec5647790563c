"""What every column of the tables of results, and every main entry of scaling.json, means, in one place.

Names and types are those of the schemas by which the tables are written; a test holds both together.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl

from lib.jobs.outputs import HISTORY, IMPORTANCE
from lib.models.predictions import Predictions
from lib.scaling import run_columns as runs
from lib.scaling.axes import CURVE_KEY
from lib.scaling.run_columns import RUNS_SCHEMA, Meanings
from lib.scoring.evaluation_tables import METRICS_SCHEMA
from lib.scoring.run_scores import DAILY_SCHEMA

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


RUNS = [
    Described("What was declared", RUNS_SCHEMA, runs.DECLARED),
    Described("The network", RUNS_SCHEMA, runs.NETWORK),
    *(
        Described(f"Measures: {part}", RUNS_SCHEMA, runs.MEASURES, f"{part}_", runs.INTERVALS)
        for part in runs.PARTS
    ),
    Described("Alarm, calibration, conformal intervals", RUNS_SCHEMA, runs.CHECKED),
    Described("Hypothetical trading", RUNS_SCHEMA, runs.TRADING, "trading_"),
    Described("Of holding", RUNS_SCHEMA, runs.HOLDING, "trading_hold_"),
    Described("Of the return above holding", RUNS_SCHEMA, runs.EXCESS, "trading_excess_"),
    Described("How it learned", RUNS_SCHEMA, runs.LEARNED),
    Described("Samples and cost", RUNS_SCHEMA, runs.COST),
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

SUMMARY: Mapping[str, str] = {
    "questions": "One entry per question and axis: see below.",
    "interactions": "Whether two kinds of growth help each other: the difference of two gains.",
    "joint_law": "E + A·N^-α + B·D^-β where shares of the training dates were trained on.",
    "diagnosis": "Whether the models are short of data, from runs on shares of the dates.",
    "walk_forward": "Losses and differences fold by fold, without tests of their own.",
    "baselines": "One table of all models per problem: test measures with intervals, tests against the best "
    "on validation and against the base rate.",
    "power": "What each test set can show: planned from its size, measured between its models.",
    "controls": "One entry per control and model: what it had to show, what it showed, `passed`.",
    "controls_passed": "Whether all did; null if none is declared.",
    "controls_text": "The same in a sentence.",
    "too_good": "Paths of runs whose alarm went off though nothing was planted.",
    "trading": "Sharpe ratios of hypothetical trading, deflated by the number of tries.",
    "ledger": "Test-set access, runs judged and search trials.",
    "test_access": "Distinct test predictions that were ever judged.",
    "problems": "What is wrong with a run or a curve: `kind`, `where`, `text`.",
    "warnings": "Their texts, each once.",
    "waiting": "Experiments that are declared and cannot be run yet, with what they wait for.",
    "confidence": "Level of all intervals without `holm` in their name.",
}
"""Entries of scaling.json."""
QUESTION: Mapping[str, str] = {
    "experiment": "Its name.",
    "question": "In words.",
    "analysis": "confirmatory or exploratory.",
    "axis": "What grows: parameters, features, data, context, assets or quality.",
    "axis_label": "The same for readers.",
    "scale": "log if its scale points have sizes, else ordinal.",
    "margin": "Smallest gain that would matter, in `margin_unit`.",
    "margin_unit": "nats; curves of returns have theirs in squared returns.",
    "verdict": "scales, flat, worsens, undecidable, …: docs/methods.md.",
    "gate": "The test of the rule that decided.",
    "moot": "No scale point beats the base rate, so how the loss changes means nothing.",
    "reason": "Why, in a sentence.",
    "change_mind": "What would change the verdict.",
    "family": "The contrasts that share a correction: `size`, `method`, `what`.",
    "power": "Whether the measured noise lets the question be answered.",
    "pooled": "Gain and slope over all its curves, by timescale.",
    "curves": "One entry per model and problem: see below.",
}
"""Entries of a question."""
_ESTIMATE = "`estimate`, `low`, `high`, `p_value`, `se_dates`, `se_seeds`, …"
CURVE: Mapping[str, str] = {
    **{name: f"As in runs.parquet: {runs.DECLARED[name][1]}" for name in CURVE_KEY},
    "axis": "As in its question.",
    "folds": "Walk-forward folds that are its test set; empty for the study's own split.",
    "label": "The key in one line.",
    "metric": "log_loss, or mse.",
    "margin": "In the unit of its loss.",
    "points": "One per scale point: size, loss, AUC, seeds and their intervals.",
    "slope": f"Loss per tenfold size: {_ESTIMATE}",
    "log_log_slope": "Exponent of a straight line in logarithms.",
    "gain": f"Loss of the first scale point less that of the last: {_ESTIMATE} `low_holm` and `high_holm` "
    "decide.",
    "detectable_gain": "The smallest gain that would be found with the declared power.",
    "steps": "The gain between neighbouring scale points.",
    "forms": "Rival forms of the curve, compared by AICc.",
    "law": "Power law with a floor; null without sizes.",
    "band": "Points of the straight line with its interval: size, loss, low, high.",
    "saturation": "From where on growth stops to pay.",
    "prediction": "What was predicted for the largest scale point before its training, and the outcome; or "
    "null.",
    "skill": "Of each scale point over the base rate.",
    "recalibrated": "The gain after both ends were recalibrated.",
    "equivalence": "Differences of all pairs of scale points at the level that `flat` asks for.",
    "verdict": "As of a question.",
    "gate": "As of a question.",
    "moot": "As of a question.",
    "reason": "As of a question.",
    "change_mind": "As of a question.",
    "confirmation": "The study's own test beside the folds' verdict, once it is open; else null.",
}
"""Entries of a curve."""
