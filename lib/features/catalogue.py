"""The catalogue of channels: what a feature is, how one is declared, and which belong to a tier.

A feature of the bars is one `@feature(...)` declaration in a module of `lib/features/families/`, with all its
periods and the tier at which each begins. Upper tiers are filled by rule with what `expansions` derives of
them. Modules are found by themselves. Nothing is computed here: `assembly` does that.
"""

from __future__ import annotations

import importlib
import math
import pkgutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import polars as pl

from lib.config.base import TIERS, Timescale
from lib.errors import ConfigError

LOOK_BACK_CAP: dict[str, int] = {
    "daily": 252, "2d": 126, "3d": 84, "5d": 52, "weekly": 52, "2wk": 36, "monthly": 24, "multires": 252,
}  # fmt: skip
"""Most bars that any feature of a timescale may look at, or slow timescales would have no samples left."""

Compute = Callable[..., pl.Expr | np.ndarray]
"""Gets the bars of one symbol (sorted) and the parameters; gives an expression or one value per bar."""
Derive = Callable[..., pl.Expr]
"""Gets an expression for each source feature and the parameters; gives an expression."""


@dataclass(frozen=True)
class Feature:
    """One channel at one timescale, with its parameters as they are there."""

    name: str
    family: str
    formula: str
    """With O, H, L, C, V for the bar's prices and volume and [t] for the bar itself."""
    parameters: Mapping[str, int]
    inputs: tuple[str, ...]
    """Columns of the bars that it reads."""
    look_back: int
    """Bars that it needs, its own included."""
    tier: int
    """The smallest tier it belongs to."""
    library: str
    compute: Compute | None = None
    sources: tuple[str, ...] = ()
    """Names of the features that it is derived of; they stand before it in the catalogue."""
    derive: Derive | None = None

    @property
    def warm_up(self) -> int:
        """Bars at the start of a history for which it has no value."""
        return self.look_back - 1


@dataclass(frozen=True)
class Declaration:
    """A feature of the bars before its periods are fitted to a timescale."""

    template: str
    """The name; it may hold {parameter} places, like `formula`."""
    family: str
    formula: str
    inputs: tuple[str, ...]
    look_back: Callable[..., int]
    tier: int
    library: str
    compute: Compute
    parameters: Mapping[str, int]
    only: tuple[str, ...]
    """Timescales at which it means something; empty: all."""
    minimum: int
    """Periods do not shrink below it."""
    same_as: str
    """Name of another feature that it would repeat at the same parameters; empty: none."""

    def at(self, parameters: Mapping[str, int]) -> Feature:
        """The feature with these parameters."""
        return Feature(
            name=self.template.format(**parameters),
            family=self.family,
            formula=self.formula.format(**parameters),
            parameters=parameters,
            inputs=self.inputs,
            look_back=self.look_back(**parameters),
            tier=self.tier,
            library=self.library,
            compute=self.compute,
        )


_declarations: list[Declaration] = []


def lengths(*values: int) -> list[dict[str, int]]:
    """Parameters of indicators with one period."""
    return [{"length": value} for value in values]


def feature(
    template: str,
    *,
    family: str,
    formula: str,
    inputs: Sequence[str],
    look_back: Callable[..., int],
    at: Mapping[int, Sequence[Mapping[str, int]]],
    library: str = "Polars",
    only: Sequence[str] = (),
    minimum: int = 2,
    same_as: str = "",
) -> Callable[[Compute], Compute]:
    """Declare the decorated function as features: one for each set of parameters.

    Args:
        template: name; it may name parameters in braces, like `formula`.
        family: for the documentation and the order of pictures.
        formula: what it is.
        inputs: columns of the bars that it reads.
        look_back: bars it needs for given parameters, the bar itself included.
        at: for each tier the parameters that begin there.
        library: what computes it.
        only: timescales at which it means something; default: all.
        minimum: shorter periods would make it another feature; at slow timescales periods stop there.
        same_as: name of a feature that is the same at the same parameters, so that only one of both is taken.
    """

    def declare(compute: Compute) -> Compute:
        for tier, sets in at.items():
            for parameters in sets:
                _declarations.append(
                    Declaration(
                        template, family, formula, tuple(inputs), look_back, tier, library, compute,
                        dict(parameters), tuple(only), minimum, same_as,
                    )
                )  # fmt: skip
        return compute

    return declare


@cache
def declarations() -> tuple[Declaration, ...]:
    """All declared features, the smaller tiers first, then in the order of modules and of their lines."""
    families: Any = importlib.import_module("lib.features.families")
    for module in sorted(found.name for found in pkgutil.iter_modules(families.__path__)):
        importlib.import_module(f"lib.features.families.{module}")
    return tuple(sorted(_declarations, key=lambda declared: declared.tier))


def period_at(period: int, timescale: str) -> int:
    """A period of daily bars at another timescale.

    Periods shrink on a logarithmic scale on which 2 stays 2 and 252 becomes the timescale's cap, so that
    short periods stay apart while long ones fit.
    """
    cap = LOOK_BACK_CAP[timescale]
    if period <= 2 or cap >= LOOK_BACK_CAP["daily"]:
        return period
    return round(2 * (cap / 2) ** (math.log(period / 2) / math.log(126)))


def fitted(declared: Declaration, timescale: str, taken: set[str]) -> Feature | None:
    """The feature at a timescale, with a name of its own; None where it cannot be had.

    Where shrunken periods meet those of an earlier feature of the same kind, the last one is moved to the
    nearest that is free.
    """
    if declared.only and timescale not in declared.only:
        return None
    cap = LOOK_BACK_CAP[timescale]
    first = {
        name: max(period_at(value, timescale), min(value, declared.minimum))
        for name, value in declared.parameters.items()
    }
    if not first:
        made = declared.at({})
        return made if made.name not in taken and made.look_back <= cap else None
    order = list(first)
    distinct = len(set(declared.parameters.values())) == len(order)
    for step in (0, 1, -1, 2, -2, 3, -3, 4, -4, 5, -5, 6, -6):
        moved = first | {order[-1]: first[order[-1]] + step}
        apart = not distinct or len(set(moved.values())) == len(order)
        if moved[order[-1]] < min(declared.parameters[order[-1]], declared.minimum):
            continue
        made = declared.at(moved)
        names = {made.name, declared.same_as.format(**moved)}
        if apart and not names & taken and made.look_back <= cap:
            return made
    return None


@cache
def _catalogue(timescale: str) -> tuple[Feature, ...]:
    """Every feature of a timescale, in the order of the channels."""
    from lib.features.expansions import candidates

    found: dict[str, Feature] = {}
    for tier in TIERS:
        for declared in declarations():
            if declared.tier == tier and (made := fitted(declared, timescale, set(found))):
                found[made.name] = made
        if len(found) < tier:
            for made in candidates(tier, list(found.values()), LOOK_BACK_CAP[timescale]):
                if made.name not in found:
                    found[made.name] = made
                if len(found) == tier:
                    break
        if len(found) != tier:
            raise ValueError(f"tier {tier} at {timescale} has {len(found)} features")
    return tuple(found.values())


def catalogue(tier: int, timescale: Timescale = "daily") -> list[Feature]:
    """The features of a tier at a timescale, in the order of the channels; smaller tiers come first.

    Raises ConfigError for a tier or a timescale that does not exist.
    """
    if timescale not in LOOK_BACK_CAP:
        raise ConfigError(f"timescale {timescale!r} is not one of {', '.join(LOOK_BACK_CAP)}.")
    if tier not in TIERS:
        raise ConfigError(f"tier {tier} is not one of {', '.join(map(str, TIERS))}.")
    return list(_catalogue(timescale)[:tier])
