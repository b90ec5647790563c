"""Confirmation: whether the study's own split agrees with the folds' verdict, contradicts it or cannot tell.

The split is tested once, when `evaluation.confirmation` is opened, which is recorded. It decides nothing.
"""

from __future__ import annotations

from typing import Any, Literal

from lib.config.workflow import EvaluationConfig
from lib.scaling import entries as describe
from lib.scaling.curves import Curve

Agreement = Literal["agrees", "contradicts", "cannot tell"]


def confirmation(
    curve: Curve, verdict: str, margin: float, cfg: EvaluationConfig, opened: str | None = None
) -> dict[str, Any] | None:
    """The confirmation of a curve's verdict: None where no folds decide, else `state` and what was found.

    Args:
        curve: measured on folds.
        verdict: that of the folds.
        margin: in the unit of the curve's loss.
        cfg: whether the confirmation is open, and the confidence of its interval.
        opened: when it was first opened; None: never.
    """
    if not curve.folds:
        return None
    if cfg.confirmation == "closed":
        if opened is None:
            text = "The study's own test is closed: no run of this question has been trained for it."
            return {"state": "closed", "text": text}
        text = f"The study's own test was opened on {opened[:10]} and closed again: its result is not shown."
        return {"state": "closed again", "text": text}
    own = curve.confirmation
    gain = own.gain if own and not own.absent else None
    low, high = gain.interval(cfg.confidence) if gain else (None, None)
    agrees = agreement(verdict, low, high, margin)
    found = {
        "state": "open",
        "gain": describe.described(gain, cfg.confidence),
        "n": 0 if own is None or own.dates is None else int(own.dates.size),
        "points": own.entries if own else [],
        "agreement": agrees,
    }
    if gain is None or low is None or high is None:
        return found | {"text": "On the study's own test the gain cannot be measured."}
    measured = f"{gain.value:.4f} [{low:.4f}, {high:.4f}]"
    return found | {"text": f"On the study's own test the gain is {measured}: it {_WORDS[agrees]}."}


_WORDS = {"agrees": "agrees", "contradicts": "contradicts the folds", "cannot tell": "cannot tell"}


def agreement(verdict: str, low: float | None, high: float | None, margin: float) -> Agreement:
    """Whether the interval of a gain agrees with a verdict, or excludes what it claims."""
    if low is None or high is None:
        return "cannot tell"
    if verdict == "worsens":
        return agreement("scales", -high, -low, margin)
    if verdict == "scales":
        return "contradicts" if high < margin else "agrees" if low > 0 else "cannot tell"
    if verdict == "flat":
        if low > margin or high < -margin:
            return "contradicts"
        return "agrees" if -margin <= low and high <= margin else "cannot tell"
    return "cannot tell"
