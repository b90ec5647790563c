"""Hyperparameter search with Optuna that survives being killed.

A study lives in one SQLite file. The number of trials is a total over all invocations; what a killed process
left half-done is queued again; equal parameters are trained once; and a search that was interrupted suggests
the same parameters as one that was not. What a trial trains is the caller's objective; no path and no model
is known here.
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
import polars as pl
from filelock import FileLock, Timeout
from optuna.trial import FrozenTrial, TrialState

from lib.config.hpo import SearchSpace
from lib.errors import ConfigError, ModelError, TrainingDiverged
from lib.training.progress import duration, say
from lib.tuning.space import inside, suggest, values_of
from lib.tuning.trials import FINISHED, trials_frame


class TrialReport:
    """What an objective tells about its trial.

    Attributes:
        number: of this attempt; a trial that is queued again after a kill gets a new one.
        key: the same for equal parameters, whatever the number: the name for a trial's own state directory.
    """

    def __init__(self, trial: optuna.Trial, parameters: Mapping[str, Any]) -> None:
        self.number: int = trial.number
        self.key = parameters_key(parameters)
        self._trial = trial
        self._reported: set[int] = set()

    def __call__(self, epoch: int, value: float) -> None:
        """Report the value after an epoch.

        Args:
            epoch: finished epochs, from 1.
            value: validation loss (lower is better).

        Raises:
            optuna.TrialPruned: the trial is not worth its time. To be let through.
        """
        if epoch not in self._reported and not math.isnan(value):
            self._reported.add(epoch)
            self._trial.report(value, epoch)
        if self._trial.should_prune():
            raise optuna.TrialPruned

    def describe(
        self,
        architecture: Mapping[str, Any] | None = None,
        param_count: int | None = None,
        epochs: int | None = None,
    ) -> None:
        """Put facts on the record: any of them, at any time before the objective ends."""
        facts = {
            "architecture": dict(architecture) if architecture is not None else None,
            "param_count": param_count,
            "epochs": epochs,
        }
        for name, value in facts.items():
            if value is not None:
                self._trial.set_user_attr(name, value)


Objective = Callable[[dict[str, Any], TrialReport], float]
"""Trains with these parameters and returns the best validation loss."""


@dataclass(frozen=True)
class SearchResult:
    """A finished search.

    Attributes:
        best: content of best.json.
        trials: one row per trial on the record, interrupted attempts included.
    """

    best: dict[str, Any]
    trials: pl.DataFrame


def run_search(
    space: SearchSpace,
    objective: Objective,
    storage_path: Path,
    study_name: str,
    n_trials: int,
    *,
    seed: int,
    initial: Mapping[str, Any] | None = None,
    lock_timeout_seconds: float = 60.0,
) -> SearchResult:
    """Search until `n_trials` trials are finished in total, or the time limit of the space is spent.

    `TrainingStopped`, `KeyboardInterrupt`, `SystemExit` and unforeseen errors pass through and leave the
    running trial to be continued by the next invocation. A loss of NaN, `TrainingDiverged`, `ModelError` and
    too little memory make a failed trial and the search goes on.

    Args:
        space: the parameters.
        objective: called in this process, one trial at a time.
        storage_path: SQLite file; created if missing.
        study_name: within that file.
        n_trials: total over all invocations.
        seed: of the sampler; together with the number of finished trials.
        initial: parameters of the first trial, for example the defaults. Those the space does not name are
            ignored; missing ones, and those outside their range, are sampled.
        lock_timeout_seconds: how long to wait for another process that still works on this search.

    Raises:
        ConfigError: the study was begun with another search space, or another process holds it.
        ModelError: every trial failed.
    """
    _quiet()
    storage_path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(f"{storage_path}.lock", timeout=lock_timeout_seconds):
            study = _open_study(space, storage_path, study_name, seed)
            _requeue_interrupted(study)
            if initial is not None and not study.get_trials(deepcopy=False):
                study.enqueue_trial(inside(initial, space))
            while not _is_enough(study, space, n_trials):
                _run_trial(study, space, objective, n_trials, seed)
            return _result(study, space)
    except Timeout:
        raise ConfigError(
            f"{storage_path}: another process works on this search (it may be left over from an interrupted "
            "one). Wait for it or end it, then start again."
        ) from None


def parameters_key(parameters: Mapping[str, Any]) -> str:
    """Twelve characters that equal parameters share."""
    return hashlib.sha256(json.dumps(parameters, sort_keys=True).encode()).hexdigest()[:12]


def _quiet() -> None:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    logging.getLogger("alembic").setLevel(logging.WARNING)


def _open_study(space: SearchSpace, path: Path, name: str, seed: int) -> optuna.Study:
    storage = optuna.storages.RDBStorage(
        f"sqlite:///{path.resolve()}", engine_kwargs={"connect_args": {"timeout": 60.0}}
    )
    study = optuna.create_study(
        storage=storage,
        study_name=name,
        direction="minimize",
        load_if_exists=True,
        pruner=optuna.pruners.MedianPruner(n_warmup_steps=space.pruner_warmup_epochs),
    )
    content = space.model_dump(mode="json", include={"parameters"}) | {"seed": seed}
    identity = json.dumps(content, sort_keys=True)
    if study.user_attrs.setdefault("identity", identity) != identity:
        raise ConfigError(
            f"{path}: study {name} was begun with another search space or seed. Move the file away to begin "
            "anew, or restore the search space to continue it."
        )
    study.set_user_attr("identity", identity)
    return study


def _requeue_interrupted(study: optuna.Study) -> None:
    """The lock is held, so whatever is RUNNING was left by a process that is gone."""
    trials = study.get_trials(deepcopy=False)
    queued = [t.system_attrs.get("fixed_params") for t in trials if t.state == TrialState.WAITING]
    for trial in trials:
        if trial.state != TrialState.RUNNING:
            continue
        complete = "complete_parameters" in trial.user_attrs
        parameters = trial.params if complete else trial.system_attrs.get("fixed_params")
        # Queue first: killed between the two steps, the next start finds the trial still RUNNING.
        if parameters and parameters not in queued:
            study.enqueue_trial(parameters, user_attrs={"continues": trial.number})
        study._storage.set_trial_user_attr(trial._trial_id, "interrupted", True)
        study.tell(trial.number, state=TrialState.FAIL)


def _is_enough(study: optuna.Study, space: SearchSpace, n_trials: int) -> bool:
    finished = _finished(study)
    if len(finished) >= n_trials:
        return True
    if space.timeout_hours is None or not finished:
        return False
    return sum(_seconds(trial) for trial in finished) >= space.timeout_hours * 3600


def _finished(study: optuna.Study) -> list[FrozenTrial]:
    trials = study.get_trials(deepcopy=False, states=FINISHED)
    return [trial for trial in trials if "interrupted" not in trial.user_attrs]


def _run_trial(
    study: optuna.Study, space: SearchSpace, objective: Objective, n_trials: int, seed: int
) -> None:
    finished = _finished(study)
    # A fresh sampler per trial, seeded by what is finished: an interruption then changes no suggestion.
    study.sampler = optuna.samplers.TPESampler(seed=_derived_seed(seed, len(finished)))
    trial = study.ask()
    parameters = suggest(trial, space)
    trial.set_user_attr("complete_parameters", True)
    twin = next((t for t in finished if t.params == trial.params), None)
    if twin is not None:
        trial.set_user_attr("duplicate_of", twin.number)
        for name in ("architecture", "param_count", "epochs", "reason"):
            if name in twin.user_attrs:
                trial.set_user_attr(name, twin.user_attrs[name])
        _repeat_reports(trial, twin)
        study.tell(trial, twin.value if twin.state == TrialState.COMPLETE else None, state=twin.state)
        return
    report = TrialReport(trial, parameters)
    before = _continued(study, trial)
    if before is not None:
        _repeat_reports(trial, before)
        report._reported.update(before.intermediate_values)
    earlier = _seconds(before) if before is not None else 0.0
    begin = time.monotonic()
    try:
        state, value, reason = _train(objective, parameters, report)
    finally:  # also when training is stopped: the continued trial adds its own time
        trial.set_user_attr("seconds", earlier + time.monotonic() - begin)
    if reason:
        trial.set_user_attr("reason", reason)
    study.tell(trial, value, state=state)
    _tell_progress(study, n_trials, state, value, reason)


def _train(
    objective: Objective, parameters: dict[str, Any], report: TrialReport
) -> tuple[TrialState, float | None, str | None]:
    try:
        value = float(objective(dict(parameters), report))
    except optuna.TrialPruned:
        return TrialState.PRUNED, None, None
    except (TrainingDiverged, ModelError, MemoryError) as error:
        return TrialState.FAIL, None, str(error) or type(error).__name__
    except RuntimeError as error:
        # torch.OutOfMemoryError is a RuntimeError; named by its class because torch is not imported here.
        if type(error).__name__ != "OutOfMemoryError":
            raise
        return TrialState.FAIL, None, "too little memory"
    if not math.isfinite(value):
        return TrialState.FAIL, None, f"the validation loss is {value}"
    return TrialState.COMPLETE, value, None


def _continued(study: optuna.Study, trial: optuna.Trial) -> FrozenTrial | None:
    number = trial.user_attrs.get("continues")
    return None if number is None else study.get_trials(deepcopy=False)[number]


def _repeat_reports(trial: optuna.Trial, earlier: FrozenTrial) -> None:
    """A continued trial starts after epochs that were already reported; the pruner must know them."""
    for epoch, value in earlier.intermediate_values.items():
        trial.report(value, epoch)


def _derived_seed(seed: int, finished: int) -> int:
    digest = hashlib.sha256(f"{seed}/{finished}".encode()).digest()
    return int.from_bytes(digest[:4], "big")


def _seconds(trial: FrozenTrial) -> float:
    return float(trial.user_attrs.get("seconds", 0.0))


def _tell_progress(
    study: optuna.Study, n_trials: int, state: TrialState, value: float | None, reason: str | None
) -> None:
    finished = _finished(study)
    trained = [_seconds(trial) for trial in finished if "duplicate_of" not in trial.user_attrs]
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
    finished = _finished(study)
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
        "architecture": best.user_attrs.get("architecture"),
        "param_count": best.user_attrs.get("param_count"),
        "best_value": best.value,
        "median_value": values[len(values) // 2],
        "worst_value": values[-1],
        "best_trial": best.number,
        "n_trials": len(finished),
        "n_complete": len(complete),
        "n_pruned": sum(t.state == TrialState.PRUNED for t in finished),
        "n_failed": sum(t.state == TrialState.FAIL for t in finished),
        "seconds": sum(_seconds(t) for t in finished),
    }
    return SearchResult(content, trials_frame(study.get_trials(deepcopy=False), space))
