"""The catalogue of channels: what a feature is, how one is declared, and which belong to a tier.

Adding a feature is one `@feature(...)` declaration in a module of `lib/features/families/`; those modules are
found by themselves. Nothing is computed here: `assembly` does that.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import polars as pl

from lib.config.base import Timescale
from lib.errors import ConfigError

LOOK_BACK_CAP: dict[str, int] = {
    "daily": 252, "2d": 126, "3d": 84, "5d": 52, "weekly": 52, "2wk": 36, "monthly": 24,
}  # fmt: skip
"""Most bars that any feature of a timescale may look at, or slow timescales would have no samples left."""

Compute = Callable[..., pl.Expr | np.ndarray]
"""Gets the bars of one symbol (sorted) and the parameters; gives an expression or one value per bar."""


@dataclass(frozen=True)
class Feature:
    """One channel at one timescale, with its parameters as they are there."""

    name: str
    family: str
    formula: str
    """With O, H, L, C for the bar's prices and [t] for the bar itself."""
    parameters: Mapping[str, int]
    inputs: tuple[str, ...]
    """Columns of the bars that it reads."""
    look_back: int
    """Bars that it needs, its own included."""
    tier: int
    """The smallest tier it belongs to."""
    library: str
    compute: Compute

    @property
    def warm_up(self) -> int:
        """Bars at the start of a history for which it has no value."""
        return self.look_back - 1

    def of(self, bars: pl.DataFrame) -> pl.Expr | np.ndarray:
        """An expression on, or the values for, the bars of one symbol in order of time."""
        return self.compute(bars, **self.parameters)


@dataclass(frozen=True)
class Declaration:
    """A feature before its parameters are fitted to a timescale; texts may hold {parameter} places."""

    name: str
    family: str
    formula: str
    parameters: Mapping[str, int]
    inputs: tuple[str, ...]
    look_back: Callable[..., int]
    tier: int
    library: str
    compute: Compute

    def at(self, timescale: str) -> Feature:
        """The feature at a timescale: lengths shrink in proportion until the look-back is within the cap."""
        fitted = self._fitted(LOOK_BACK_CAP[timescale])
        return Feature(
            name=self.name.format(**fitted),
            family=self.family,
            formula=self.formula.format(**fitted),
            parameters=fitted,
            inputs=self.inputs,
            look_back=self.look_back(**fitted),
            tier=self.tier,
            library=self.library,
            compute=self.compute,
        )

    def _fitted(self, cap: int) -> dict[str, int]:
        declared = self.look_back(**self.parameters)
        if declared <= cap:
            return dict(self.parameters)
        for target in range(cap, 0, -1):
            shrunk = {name: max(2, value * target // declared) for name, value in self.parameters.items()}
            if self.look_back(**shrunk) <= cap:
                return shrunk
        raise ValueError(f"feature {self.name}: no parameters fit a look-back of {cap} bars")


_declarations: list[Declaration] = []


def feature(
    name: str,
    *,
    family: str,
    formula: str,
    inputs: Sequence[str],
    tier: int,
    look_back: Callable[..., int],
    library: str = "Polars",
    each: Sequence[Mapping[str, int]] = ({},),
) -> Callable[[Compute], Compute]:
    """Declare the decorated function as a feature, once for each set of parameters in `each`.

    `name` and `formula` may name parameters in braces; `look_back` gives, for the parameters, the number of
    bars that are needed, the bar itself included.
    """

    def declare(compute: Compute) -> Compute:
        for parameters in each:
            _declarations.append(
                Declaration(
                    name, family, formula, dict(parameters), tuple(inputs), look_back, tier, library, compute
                )
            )
        return compute

    return declare


@cache
def declarations() -> tuple[Declaration, ...]:
    """All declared features, the smaller tiers first, then in the order of modules and of their lines."""
    families: Any = importlib.import_module("lib.features.families")
    for module in sorted(found.name for found in pkgutil.iter_modules(families.__path__)):
        importlib.import_module(f"lib.features.families.{module}")
    return tuple(sorted(_declarations, key=lambda declared: declared.tier))


def available_tiers() -> list[int]:
    """Tiers that can be built: those with exactly as many features as their name says."""
    tiers = sorted({declared.tier for declared in declarations()})
    return [tier for tier in tiers if sum(d.tier <= tier for d in declarations()) == tier]


def catalogue(tier: int, timescale: Timescale = "daily") -> list[Feature]:
    """The features of a tier at a timescale, in the order of the channels; smaller tiers come first.

    Raises ConfigError for a tier or a timescale that cannot be built.
    """
    if timescale not in LOOK_BACK_CAP:
        raise ConfigError(
            f"features of timescale {timescale!r} are not built yet; available: {', '.join(LOOK_BACK_CAP)}."
        )
    if tier not in available_tiers():
        names = ", ".join(str(known) for known in available_tiers())
        raise ConfigError(
            f"tier {tier} is not built yet; available: {names}. Name a dataset of such a tier, for example "
            f"Aa{available_tiers()[0]}."
        )
    return [declared.at(timescale) for declared in declarations() if declared.tier <= tier]
