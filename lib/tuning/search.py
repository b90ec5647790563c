"""Hyperparameter search with Optuna that survives being killed, by one worker or several.

A study lives in one SQLite file or in a database by address. The number of trials is a total over all workers
and invocations; what a killed process left half-done is queued again; equal parameters are trained once; and
a search of one worker that was interrupted suggests the same parameters as one that was not. The caller's
objective decides what a trial trains; knows no path and no model. `lib.tuning.study` handles sharing between
workers.
"""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
import polars as pl
from optuna.trial import FrozenTrial, TrialState

from lib.config.hpo import SearchSpace
from lib.errors import ModelError, TrainingDiverged
from lib.training.memory import is_out_of_memory
from lib.training.progress import duration, say
from lib.tuning.results import TrialOutcome, keep_outcome, kept_outcome
from lib.tuning.space import inside, suggest, values_of
from lib.tuning.study import (
    SharedStudy,
    finished_trials,
    open_study,
    repeat_reports,
    seconds_of,
    storage_told,
)
from lib.tuning.trials import importances, trials_frame


class TrialReport:
    """Reports of an objective about its trial.

    Attributes:
        number: of this attempt; a trial that is queued again after a kill gets a new one.
        key: the same for equal parameters, whatever the number: the name for a trial's own state directory.
    """

    def __init__(self, trial: optuna.Trial, parameters: Mapping[str, Any]) -> None:
        self.number: int = trial.number
        self.key = parameters_key(parameters)
        self._trial = trial
        self._reported: set[int] = set()

    def __call__(self, step: int, value: float) -> None:
        """Report the value of a validation.

        Args:
            step: optimiser steps so far.
            value: selection loss (lower is better).

        Raises:
            optuna.TrialPruned: the trial is not worth its time. Do not catch it.
        """
        if step not in self._reported and not math.isnan(value):
            self._reported.add(step)
            self._trial.report(value, step)
        if self._trial.should_prune():
            raise optuna.TrialPruned

    def describe(
        self,
        architecture: Mapping[str, Any] | None = None,
        param_count: int | None = None,
        steps: int | None = None,
        micro_batch: int | None = None,
    ) -> None:
        """Record facts: any of them, at any time before the objective ends.

        `micro_batch` only where memory made it smaller than the discovered one: the final run keeps to it.
        """
        facts = {
            "architecture": dict(architecture) if architecture is not None else None,
            "param_count": param_count,
            "steps": steps,
            "micro_batch": micro_batch,
        }
        for name, value in facts.items():
            if value is not None:
                self._trial.set_user_attr(name, value)


Objective = Callable[[dict[str, Any], TrialReport], float]
"""Trains with these parameters and returns the best selection loss."""


@dataclass(frozen=True)
class SearchResult:
    """A finished search.

    Attributes: best: content of best.json. trials: one row per recorded trial, interrupted attempts included.
        importances: content of importances.json.
    """

    best: dict[str, Any]
    trials: pl.DataFrame
    importances: dict[str, Any]


def run_search(
    space: SearchSpace,
    objective: Objective,
    folder: Path,
    study_name: str,
    n_trials: int,
    *,
    seed: int,
    address: str | None = None,
    initial: Mapping[str, Any] | None = None,
    poll_seconds: float = 2.0,
    discard: Callable[[str], None] = lambda key: None,
) -> SearchResult:
    """Work on a search until `n_trials` trials are finished in total, or its time limit is spent.

    Any number of processes may do so at once; each returns the result of the whole search.

    `TrainingStopped`, `KeyboardInterrupt`, `SystemExit` and unforeseen errors pass through and leave the
    running trial to be continued by another worker or the next invocation. A loss of NaN,
    `TrainingDiverged`, `ModelError` and too little memory make a failed trial and the search goes on.

    Args:
        space: the parameters.
        objective: called in this process, one trial at a time.
        folder: the search's own, shared by all workers; for locks, for outcomes of trials, and for a database
            without an address.
        study_name: within the database.
        n_trials: total over all workers and invocations.
        seed: of the sampler; together with the number of finished trials.
        address: of a database (SQLAlchemy's form, ``postgresql+psycopg://…``); None: a file in `folder`.
        initial: parameters of the first trial, for example the defaults. Those the space does not name are
            ignored; missing ones, and those outside their range, are sampled.
        poll_seconds: how often to look whether other workers have finished.
        discard: called with the key of a trial that the study has recorded, so that its state may be deleted.
            Its outcome is kept: a study that must start again does not retrain it.

    Raises:
        ConfigError: the study was begun with another search space; the database cannot be reached.
        ModelError: every trial failed.
        StudyError: the study's database cannot be read or written, for example because the disk is full.
    """
    with storage_told(folder, address):
        study = open_study(space, folder, study_name, seed, address)
        with SharedStudy(study, folder) as shared:
            while True:
                with shared.asking():
                    if initial is not None and not study.get_trials(deepcopy=False):
                        study.enqueue_trial(inside(initial, space))
                    finished, running = shared.standing()
                    if _is_enough(finished, space, n_trials):
                        break
                    trial = None
                    if len(finished) + len(running) < n_trials:
                        trial, parameters = _ask(shared, space, seed, len(finished), len(running))
                if trial is None:
                    time.sleep(poll_seconds)  # the last trials are other workers'
                else:
                    _run_trial(shared, objective, trial, parameters, n_trials, poll_seconds, folder)
                    discard(parameters_key(parameters))
        return _result(study, space)


def parameters_key(parameters: Mapping[str, Any]) -> str:
    """Twelve characters that equal parameters share."""
    return hashlib.sha256(json.dumps(parameters, sort_keys=True).encode()).hexdigest()[:12]


def _is_enough(finished: list[FrozenTrial], space: SearchSpace, n_trials: int) -> bool:
    if len(finished) >= n_trials:
        return True
    if space.timeout_hours is None or not finished:
        return False
    return sum(seconds_of(trial) for trial in finished) >= space.timeout_hours * 3600


def _ask(
    shared: SharedStudy, space: SearchSpace, seed: int, finished: int, running: int
) -> tuple[optuna.Trial, dict[str, Any]]:
    # A fresh sampler per trial, seeded by what is finished: an interruption then changes no suggestion. With
    # several workers it also sees what the others try now (as if that had failed), and keeps away from it.
    shared.study.sampler = optuna.samplers.TPESampler(
        seed=_derived_seed(seed, finished, running), constant_liar=running > 0
    )
    trial = shared.ask()
    parameters = suggest(trial, space)
    trial.set_user_attr("complete_parameters", True)
    return trial, parameters


def _run_trial(
    shared: SharedStudy,
    objective: Objective,
    trial: optuna.Trial,
    parameters: dict[str, Any],
    n_trials: int,
    poll_seconds: float,
    folder: Path,
) -> None:
    study = shared.study
    twin = shared.twin(trial, poll_seconds)
    if twin is not None:
        trial.set_user_attr("duplicate_of", twin.number)
        for name in ("architecture", "param_count", "steps", "micro_batch", "reason"):
            if name in twin.user_attrs:
                trial.set_user_attr(name, twin.user_attrs[name])
        repeat_reports(trial, twin)
        study.tell(trial, twin.value if twin.state == TrialState.COMPLETE else None, state=twin.state)
        return
    report = TrialReport(trial, parameters)
    outcome = kept_outcome(folder, report.key)
    if outcome is not None:
        say(f"search: trial {trial.number + 1} was trained for an earlier study; its result is taken over.")
        outcome.tell(study, trial)
        return
    before = shared.continued(trial)
    if before is not None:
        repeat_reports(trial, before)
        report._reported.update(before.intermediate_values)
    earlier = seconds_of(before) if before is not None else 0.0
    begin = time.monotonic()
    try:
        state, value, reason = _train(objective, parameters, report)
    finally:  # also when training is stopped: the continued trial adds its own time
        trial.set_user_attr("seconds", earlier + time.monotonic() - begin)
    if reason:
        trial.set_user_attr("reason", reason)
    finished = study.get_trials(deepcopy=False)[trial.number]
    keep_outcome(folder, report.key, TrialOutcome.of(finished, state, value))
    study.tell(trial, value, state=state)
    _tell_progress(finished_trials(study), n_trials, state, value, reason)


def _train(
    objective: Objective, parameters: dict[str, Any], report: TrialReport
) -> tuple[TrialState, float | None, str | None]:
    try:
        value = float(objective(dict(parameters), report))
    except optuna.TrialPruned:
        return TrialState.PRUNED, None, None
    except (TrainingDiverged, ModelError) as error:
        return TrialState.FAIL, None, str(error) or type(error).__name__
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        return TrialState.FAIL, None, "too little memory"
    if not math.isfinite(value):
        return TrialState.FAIL, None, f"the validation loss is {value}"
    return TrialState.COMPLETE, value, None


def _derived_seed(seed: int, finished: int, running: int) -> int:
    words = f"{seed}/{finished}" + (f"/{running}" if running else "")
    return int.from_bytes(hashlib.sha256(words.encode()).digest()[:4], "big")


def _tell_progress(
    finished: list[FrozenTrial], n_trials: int, state: TrialState, value: float | None, reason: str | None
) -> None:
    trained = [seconds_of(trial) for trial in finished if "duplicate_of" not in trial.user_attrs]
    left = (n_trials - len(finished)) * sum(trained) / max(1, len(trained))
    best = min(
        (t.value for t in finished if t.state == TrialState.COMPLETE and t.value is not None), default=None
    )
    outcome = f"loss {value:.5f}" if value is not None else state.name.lower()
    say(
        f"search: trial {len(finished)} of {n_trials}: {outcome}{f' ({reason})' if reason else ''}"
        + (f", best {best:.5f}" if best is not None else "")
        + (f", about {duration(left)} left" if left > 0 else "")
    )


def _result(study: optuna.Study, space: SearchSpace) -> SearchResult:
    finished = finished_trials(study)
    complete = sorted(
        (t for t in finished if t.state == TrialState.COMPLETE), key=lambda t: (t.value, t.number)
    )
    if not complete:
        reasons = sorted({str(t.user_attrs.get("reason", "pruned")) for t in finished})
        raise ModelError(
            f"search {study.study_name}: none of {len(finished)} trials gave a result: "
            f"{'; '.join(reasons[:3])}. Narrow the ranges in config/hpo/ (the learning rate first)."
        )
    best = complete[0]
    values = [t.value for t in complete if t.value is not None]
    content = {
        "study": study.study_name,
        "parameters": values_of(best.params, space),
        "space": space.model_dump(mode="json")["parameters"],
        "architecture": best.user_attrs.get("architecture"),
        "param_count": best.user_attrs.get("param_count"),
        "micro_batch": best.user_attrs.get("micro_batch"),
        "best_value": best.value,
        "median_value": values[len(values) // 2],
        "worst_value": values[-1],
        "best_trial": best.number,
        "n_trials": len(finished),
        "n_complete": len(complete),
        "n_pruned": sum(t.state == TrialState.PRUNED for t in finished),
        "n_failed": sum(t.state == TrialState.FAIL for t in finished),
        "seconds": sum(seconds_of(t) for t in finished),
    }
    table = trials_frame(study.get_trials(deepcopy=False), space)
    return SearchResult(content, table, importances(study, complete))
