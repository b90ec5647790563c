"""How a feature is declared: once, with all its periods and the tier at which each of them begins.

A declaration says nothing of timescales and tiers as a whole: `catalogue` fits and orders what is declared.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

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
        library: the library that computes it.
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


def declared() -> list[Declaration]:
    """Everything declared so far: by the modules that have been imported."""
    return list(_declarations)
