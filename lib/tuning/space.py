"""A declared search space in Optuna's terms."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import optuna

from lib.config.hpo import Choice, FloatRange, IntRange, SearchSpace


def suggest(trial: optuna.Trial, space: SearchSpace) -> dict[str, Any]:
    """A value for each parameter of the space."""
    parameters: dict[str, Any] = {}
    for name, values in space.parameters.items():
        if isinstance(values, FloatRange):
            parameters[name] = trial.suggest_float(name, values.low, values.high, log=values.log)
        elif isinstance(values, IntRange):
            parameters[name] = trial.suggest_int(name, values.low, values.high, step=values.step)
        elif values.ordered:
            # As a position, because Optuna's sampler takes categories to be all equally far apart.
            parameters[name] = values.values[trial.suggest_int(name, 0, len(values.values) - 1)]
        else:
            parameters[name] = trial.suggest_categorical(name, values.values)
    return parameters


def values_of(stored: Mapping[str, Any], space: SearchSpace) -> dict[str, Any]:
    """Parameters as they are used, from how a trial stores them (ordered choices as positions)."""
    return {
        name: space.parameters[name].values[value]  # type: ignore[union-attr]
        if isinstance(space.parameters.get(name), Choice) and space.parameters[name].ordered  # type: ignore[union-attr]
        else value
        for name, value in stored.items()
    }


def inside(parameters: Mapping[str, Any], space: SearchSpace) -> dict[str, Any]:
    """Those parameters that the space names and whose value it allows, as a trial stores them."""
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
            if allowed and values.ordered:
                value = values.values.index(value)
        if allowed:
            kept[name] = value
    return kept
