"""A declared search space in Optuna's terms."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import optuna

from lib.config.hpo import FloatRange, IntRange, SearchSpace


def suggest(trial: optuna.Trial, space: SearchSpace) -> dict[str, Any]:
    """A value for each parameter of the space."""
    parameters: dict[str, Any] = {}
    for name, values in space.parameters.items():
        if isinstance(values, FloatRange):
            parameters[name] = trial.suggest_float(name, values.low, values.high, log=values.log)
        elif isinstance(values, IntRange):
            parameters[name] = trial.suggest_int(name, values.low, values.high, step=values.step)
        else:
            parameters[name] = trial.suggest_categorical(name, values.values)
    return parameters


def inside(parameters: Mapping[str, Any], space: SearchSpace) -> dict[str, Any]:
    """Those parameters that the space names and whose value it allows (Optuna would take any value)."""
    kept: dict[str, Any] = {}
    for name, values in space.parameters.items():
        if name not in parameters:
            continue
        value = parameters[name]
        if isinstance(values, FloatRange):
            allowed = values.low <= value <= values.high
        elif isinstance(values, IntRange):
            allowed = values.low <= value <= values.high and (value - values.low) % values.step == 0
        else:
            allowed = value in values.values
        if allowed:
            kept[name] = value
    return kept
