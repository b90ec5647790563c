"""Outcomes of trials, kept beside the study: a few hundred bytes for each set of parameters.

A study that was damaged or deleted starts again, and suggests the same parameters again. The states of its
trials are deleted by then (weights of 50 large models fill a disk); their outcomes are read here instead of
training a second time. Each file carries the hash of its content.
"""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import optuna
from optuna.trial import FrozenTrial, TrialState

from lib.data.io import read_json, write_json_atomic
from lib.errors import IntegrityError
from lib.training.progress import say

FOLDER = "trained"
_FACTS = ("architecture", "param_count", "steps", "reason", "seconds")


@dataclass(frozen=True)
class TrialOutcome:
    """What a study must know of a finished trial besides its parameters."""

    state: str
    """Name of Optuna's `TrialState`."""
    value: float | None
    """Best validation loss of a complete trial."""
    intermediate: dict[str, float]
    """Selection loss by step, for the pruner."""
    facts: dict[str, Any]
    """Those of `_FACTS` that are known."""

    @classmethod
    def of(cls, trial: FrozenTrial, state: TrialState, value: float | None) -> Self:
        """Outcome of a trial that is about to be reported to the study."""
        losses = {str(n): loss for n, loss in trial.intermediate_values.items() if math.isfinite(loss)}
        facts = {name: trial.user_attrs[name] for name in _FACTS if name in trial.user_attrs}
        return cls(state.name, value, losses, facts)

    def tell(self, study: optuna.Study, trial: optuna.Trial) -> None:
        """End a trial of another study with it."""
        for step, loss in self.intermediate.items():
            trial.report(loss, int(step))
        for name, fact in self.facts.items():
            trial.set_user_attr(name, fact)
        study.tell(trial, self.value, state=TrialState[self.state])


def keep_outcome(folder: Path, key: str, outcome: TrialOutcome) -> None:
    """Write an outcome.

    Args:
        folder: of the search.
        key: of the parameters.
        outcome: their outcome.
    """
    content = asdict(outcome)
    write_json_atomic(folder / FOLDER / f"{key}.json", content | {"sha256": _hash(content)})


def kept_outcome(folder: Path, key: str) -> TrialOutcome | None:
    """Outcome of these parameters in an earlier study; None if no intact one is known."""
    path = folder / FOLDER / f"{key}.json"
    if not path.is_file():
        return None
    try:
        content = read_json(path)
        if not isinstance(content, dict) or content.pop("sha256", None) != _hash(content):
            raise IntegrityError(f"{path}: its content differs from its hash.")
    except IntegrityError as error:
        say(f"WARNING: {error}\n         The trial is trained again.")
        return None
    return TrialOutcome(**content)


def _hash(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
