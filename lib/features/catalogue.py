"""The catalogue of channels: which features belong to a tier at a timescale, and in which order.

Features of the bars are declared in the modules of `lib/features/families/`, which are found by themselves;
here their periods are fitted to a timescale, and the upper tiers are filled by rule with what `expansions`
derives of them. Nothing is computed here: `assembly` does that.
"""

from __future__ import annotations

import importlib
import math
import pkgutil
from functools import cache
from typing import Any

from lib.config.base import TIERS, Timescale
from lib.errors import ConfigError
from lib.features.declaration import Declaration, Feature, declared
from lib.features.expansions import candidates

LOOK_BACK_CAP: dict[str, int] = {
    "daily": 252, "2d": 126, "3d": 84, "5d": 52, "weekly": 52, "2wk": 36, "monthly": 24, "multires": 252,
}  # fmt: skip
"""Most bars that any feature of a timescale may look at, or slow timescales would have no samples left."""


@cache
def declarations() -> tuple[Declaration, ...]:
    """All declared features, the smaller tiers first, then in the order of modules and of their lines."""
    families: Any = importlib.import_module("lib.features.families")
    for module in sorted(found.name for found in pkgutil.iter_modules(families.__path__)):
        importlib.import_module(f"lib.features.families.{module}")
    # By name, because a test or script may have imported one of them before the others.
    return tuple(sorted(declared(), key=lambda each: (each.tier, each.compute.__module__)))


def period_at(period: int, timescale: str) -> int:
    """A period of daily bars at another timescale.

    Periods shrink on a logarithmic scale on which 2 stays 2 and 252 becomes the timescale's cap, so that
    short periods stay apart while long ones fit.
    """
    cap = LOOK_BACK_CAP[timescale]
    if period <= 2 or cap >= LOOK_BACK_CAP["daily"]:
        return period
    return round(2 * (cap / 2) ** (math.log(period / 2) / math.log(126)))


def fitted(declaration: Declaration, timescale: str, taken: set[str]) -> Feature | None:
    """The feature at a timescale, with a name of its own; None where it cannot be had.

    Where shrunken periods meet those of an earlier feature of the same kind, the last one is moved to the
    nearest that is free.
    """
    if declaration.only and timescale not in declaration.only:
        return None
    cap = LOOK_BACK_CAP[timescale]
    first = {
        name: max(period_at(value, timescale), min(value, declaration.minimum))
        for name, value in declaration.parameters.items()
    }
    if not first:
        made = declaration.at({})
        return made if made.name not in taken and made.look_back <= cap else None
    order = list(first)
    distinct = len(set(declaration.parameters.values())) == len(order)
    for step in (0, 1, -1, 2, -2, 3, -3, 4, -4, 5, -5, 6, -6):
        moved = first | {order[-1]: first[order[-1]] + step}
        apart = not distinct or len(set(moved.values())) == len(order)
        if moved[order[-1]] < min(declaration.parameters[order[-1]], declaration.minimum):
            continue
        made = declaration.at(moved)
        names = {made.name, declaration.same_as.format(**moved)}
        if apart and not names & taken and made.look_back <= cap:
            return made
    return None


@cache
def _catalogue(timescale: str) -> tuple[Feature, ...]:
    """Every feature of a timescale, in the order of the channels."""
    found: dict[str, Feature] = {}
    for tier in TIERS:
        for declaration in declarations():
            if declaration.tier == tier and (made := fitted(declaration, timescale, set(found))):
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
