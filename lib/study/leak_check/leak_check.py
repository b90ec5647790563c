"""Tests a study for look-ahead: thoroughly what is the user's own, and quickly what is shipped."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path

import polars as pl

from lib.config.base import Timescale, split_dataset
from lib.config.run_key import Run
from lib.data.assets import origins
from lib.data.io import read_parquet
from lib.data.sources import available_sources, open_source
from lib.errors import ConfigError, DataError, nearest
from lib.models import registry
from lib.study.leak_check.check_features import (
    check_catalogue,
    check_feature,
    features_named,
    own_features,
)
from lib.study.leak_check.check_models import check_model
from lib.study.leak_check.check_series import check_series
from lib.study.leak_check.check_sources import OUT_OF_REACH, check_source
from lib.study.leak_check.outcome import Outcome
from lib.study.plan import Plan

KINDS = ("feature", "series", "source", "model")
SYMBOLS = 3
"""Symbols and series of a source that are tested."""
Stored = Callable[[str, str], Path]
"""Where the raw file of a series lies: vintage and series to a path."""


def leak_check(plan: Plan, requested: Sequence[str], stored: Stored) -> Iterator[Outcome]:
    """Verdicts, one by one as they are found.

    Args:
        plan: the study, already validated.
        requested: checks, `kind` or `kind:name` each; empty: everything of the study.
        stored: of raw files that may be there.

    Raises:
        ConfigError: a requested check does not exist.
    """
    wanted: dict[str, set[str]] = {}
    for word in requested or KINDS:
        kind, _, name = word.partition(":")
        if kind not in KINDS:
            raise ConfigError(f"WHAT={word}: {kind} is not one of {', '.join(KINDS)}.{nearest(kind, KINDS)}")
        wanted.setdefault(kind, set()).update([name] if name else [])
    checks = {"feature": _features, "series": _series, "source": _sources, "model": _models}
    # All names are looked up before the first check begins: a mistake is reported at once.
    for verdicts in [checks[kind](plan, sorted(names), stored) for kind, names in wanted.items()]:
        yield from verdicts


def _features(plan: Plan, names: Sequence[str], stored: Stored) -> Iterator[Outcome]:
    tiers: dict[Timescale, int] = {}
    for run in plan.experiment_of:
        timescale: Timescale = run.timescale  # type: ignore[assignment]
        tiers[timescale] = max(tiers.get(timescale, 0), split_dataset(run.dataset)[2])
    scales = list(tiers)
    chosen = [found for name in names for found in features_named(name, scales)]

    def verdicts() -> Iterator[Outcome]:
        yield from (check_feature(*found) for found in chosen or own_features(scales))
        if not names:
            yield from (check_catalogue(tier, timescale) for timescale, tier in tiers.items())

    return verdicts()


def _series(plan: Plan, names: Sequence[str], stored: Stored) -> Iterator[Outcome]:
    definitions = plan.data.series_file.series
    _known(names, definitions, "series", "config/data/series.yaml does not define it")
    used = {name: v for v, d, _ in plan.datasets for name in plan.data.series(v, d)}
    vintage = plan.config.data.vintage
    for_all = {name: used.get(name, vintage) for name in names or sorted(used)}

    def observations(of: str) -> Callable[[str], pl.DataFrame | None]:
        return lambda name: _observations(plan, for_all[of], name, stored)

    return (check_series(name, definitions, observations(name)) for name in for_all)


def _observations(plan: Plan, vintage: str, name: str, stored: Stored) -> pl.DataFrame | None:
    """From a folder of the user's, or from the raw file of the vintage; None if neither is there."""
    data = plan.data.data_config(vintage)
    definition = plan.data.series_file.series[name]
    for source_name, label in origins(name, definition, data):
        if source_name in OUT_OF_REACH:
            continue  # asks no server
        try:
            source = open_source(data, source_name)
        except DataError:
            continue
        if not source.missing([label]):
            return source.series(label, first_releases=definition.revised)
    path = stored(vintage, name)
    if not path.is_file():
        return None
    return read_parquet(path).select("date", "value", "available_from")


def _sources(plan: Plan, names: Sequence[str], stored: Stored) -> Iterator[Outcome]:
    _known(names, available_sources(), "source", "lib/data/sources/ has no such module")
    members: dict[str, tuple[str, set[str], set[str]]] = {}
    for vintage in plan.vintages:
        data = plan.data.data_config(vintage)
        members.setdefault(data.source, (vintage, set(), set()))[1].update(plan.data.symbols(vintage))
        definitions = plan.data.series_file.series
        for name in plan.data.series(vintage):
            for source, label in origins(name, definitions[name], data):
                entry = members.setdefault(source, (vintage, set(), set()))
                if source in OUT_OF_REACH or not open_source(data, source).missing([label]):
                    entry[2].add(label)
    if absent := [name for name in names if name not in members]:
        raise ConfigError(
            f"source:{absent[0]}: this configuration takes nothing from it, but from "
            f"{', '.join(sorted(members))}. Name with CONFIG=… one whose `data.source` or `data.series_from` "
            "is this source."
        )

    def verdicts() -> Iterator[Outcome]:
        for name in names or sorted(members):
            vintage, symbols, series = members[name]
            data = plan.data.data_config(vintage)
            few = (sorted(symbols)[:SYMBOLS], sorted(series)[:SYMBOLS])
            yield from check_source(name, data, *few, named=name in names)

    return verdicts()


def _models(plan: Plan, names: Sequence[str], stored: Stored) -> Iterator[Outcome]:
    runs: dict[str, Run] = {}
    for run in plan.experiment_of:
        if not plan.meta.of(run):
            runs.setdefault(run.model, run)
    _known(names, runs, "model", "no experiment of this configuration trains it")

    def verdicts() -> Iterator[Outcome]:
        for name in names or runs:
            file = plan.study.models[name]
            own = bool(file.plugin or names)
            if not own and registry.get(file.model).metadata.network:
                found = "shipped, and takes minutes here; ask for it by name"
                yield Outcome(f"model:{name}", "not checked", found, own=False)
            else:
                yield check_model(name, plan.specification(runs[name]), plan.data.series_file, own)

    return verdicts()


def _known(names: Sequence[str], known: Collection[str], kind: str, why: str) -> None:
    for name in names:
        if name not in known:
            raise ConfigError(f"{kind}:{name}: {why}.{nearest(name, known)}")
