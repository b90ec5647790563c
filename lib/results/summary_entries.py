"""What the main entries of scaling.json mean, one sentence each."""

from __future__ import annotations

from collections.abc import Mapping

from lib.scaling.axes import CURVE_KEY
from lib.scaling.run_columns import DECLARED

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
    **{name: f"As in runs.parquet: {DECLARED[name][1]}" for name in CURVE_KEY},
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
