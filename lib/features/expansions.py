"""Features made of features, by rule: dynamics, lags, polynomials and interactions fill the upper tiers.

The order is fixed, so that tiers are nested and the same everywhere:

- tier 200: changes over five bars of the features of tier 50 (returns left out: their changes are returns);
- tier 500: lags of 1, 2, 3, 5 and 10 bars of the features of tier 50, the shortest lag of each first;
- tier 1000: squares, then cubes, then products of two, of the features of tier 50;
- tier 2000: percentile ranks, changes over 20 bars and distances from a mean of all features of the bars,
  then the products that are left, then products with the features of tier 100.

What would look back beyond the cap of the timescale is left out, and the next one takes its place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import polars as pl

from lib.features.declaration import Derive, Feature

SHORT_LAGS = (1, 2, 3, 5, 10)
CHANGE, LONG_CHANGE = 5, 20
WINDOW = 60
NOTHING = 1e-9


def candidates(tier: int, found: Sequence[Feature], cap: int) -> Iterator[Feature]:
    """Derived features in their order, more than a tier needs.

    Args:
        tier: that they begin with.
        found: the features before, of the bars and derived.
        cap: most bars to look back.
    """
    bars = [feature for feature in found if not feature.sources]
    core = bars[:50]
    makers = {200: _dynamics, 500: _lags, 1000: _nonlinear, 2000: _rest}
    if tier not in makers:
        return
    for made in makers[tier](bars, core, _scaled(cap), tier):
        if made.look_back <= cap:
            yield made


def _scaled(cap: int) -> dict[str, int]:
    """Windows of derived features: shorter where bars are few."""
    share = min(1.0, cap / 252) ** 0.5
    return {
        "change": max(2, round(CHANGE * share)),
        "long": max(3, round(LONG_CHANGE * share)),
        "window": max(6, round(WINDOW * share)),
    }


def _derived(
    name: str, family: str, formula: str, extra: int, tier: int, sources: Sequence[Feature], derive: Derive,
    **parameters: int,
) -> Feature:  # fmt: skip
    return Feature(
        name=name,
        family=family,
        formula=formula,
        parameters=parameters,
        inputs=tuple(sorted({column for source in sources for column in source.inputs})),
        look_back=max(source.look_back for source in sources) + extra,
        tier=tier,
        library="Polars",
        sources=tuple(source.name for source in sources),
        derive=derive,
    )


def _surprise(x: pl.Expr, n: int) -> pl.Expr:
    spread = x.rolling_std(n)
    return pl.when(spread > NOTHING).then((x - x.rolling_mean(n)) / spread).otherwise(spread * 0)


@dataclass(frozen=True)
class _Kind:
    """What can be made of one feature x with one number n."""

    family: str
    formula: str
    extra: Callable[[int], int]
    """Bars that it looks back beyond the feature itself."""
    derive: Callable[[pl.Expr, int], pl.Expr]


_KINDS = {
    "change": _Kind("dynamics", "x[t] - x[t-{n}]", lambda n: n, lambda x, n: x - x.shift(n)),
    "lag": _Kind("lags", "x[t-{n}]", lambda n: n, lambda x, n: x.shift(n)),
    "power": _Kind("polynomials", "x[t]^{n}", lambda n: 0, lambda x, n: x**n),
    "rank": _Kind(
        "dynamics",
        "percentile rank of x[t] among its last {n} values, -1 to 1,",
        lambda n: n - 1,
        lambda x, n: 2 * (x.rolling_rank(n, method="average") - 0.5) / n - 1,
    ),
    "surprise": _Kind(
        "dynamics", "x[t] less its mean over {n} bars, over their deviation,", lambda n: n - 1, _surprise
    ),
}


def _of_one(kind: str, source: Feature, n: int, tier: int) -> Feature:
    made = _KINDS[kind]
    return _derived(
        f"{source.name}_{kind}_{n}", made.family, f"{made.formula.format(n=n)} of {source.name}",
        made.extra(n), tier, [source], made.derive, n=n,
    )  # fmt: skip


def _product(first: Feature, second: Feature, tier: int) -> Feature:
    return _derived(
        f"{first.name}_times_{second.name}", "interactions", f"x[t]·y[t] of {first.name} and {second.name}",
        0, tier, [first, second], lambda x, y: x * y,
    )  # fmt: skip


def _steady(feature: Feature) -> bool:
    """Whether its changes over time are more than another of its kind."""
    return feature.family not in ("returns", "calendar")


def _dynamics(
    bars: Sequence[Feature], core: Sequence[Feature], windows: dict[str, int], tier: int
) -> Iterator[Feature]:
    for source in (*core, *bars[50:]):
        if _steady(source):
            yield _of_one("change", source, windows["change"], tier)


def _lags(
    bars: Sequence[Feature], core: Sequence[Feature], windows: dict[str, int], tier: int
) -> Iterator[Feature]:
    for bars_back in SHORT_LAGS:
        for source in core:
            yield _of_one("lag", source, bars_back, tier)


def _nonlinear(
    bars: Sequence[Feature], core: Sequence[Feature], windows: dict[str, int], tier: int
) -> Iterator[Feature]:
    for exponent in (2, 3):
        for source in core:
            yield _of_one("power", source, exponent, tier)
    yield from (_product(first, second, tier) for first, second in _pairs(core))


def _rest(
    bars: Sequence[Feature], core: Sequence[Feature], windows: dict[str, int], tier: int
) -> Iterator[Feature]:
    steady = [source for source in bars if _steady(source)]
    for source in steady:
        yield _of_one("rank", source, windows["window"], tier)
    for source in steady:
        yield _of_one("change", source, windows["long"], tier)
    for source in steady:
        yield _of_one("surprise", source, windows["window"], tier)
    yield from (_product(first, second, tier) for first, second in _pairs(core))
    yield from (_product(first, second, tier) for second in bars[50:100] for first in core)


def _pairs(features: Sequence[Feature]) -> Iterator[tuple[Feature, Feature]]:
    """All pairs, those among the first features first."""
    order = sorted(combinations(range(len(features)), 2), key=lambda pair: (pair[1], pair[0]))
    return ((features[first], features[second]) for first, second in order)
