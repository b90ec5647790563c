"""Rows and columns of the data matrix: which symbols and series make a dataset, and who serves them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from lib.config.base import COLUMNS, ROWS, split_dataset
from lib.config.data import DataConfig
from lib.config.model import AssetsFile
from lib.config.series_table import SeriesDefinition, SeriesFile
from lib.data.sources import available_sources, open_source
from lib.errors import ConfigError, DataError

CLOSED_SOURCES = ("embedded",)
"""Sources that serve only the symbols named in the assets file."""


@dataclass(frozen=True)
class SeriesMembers:
    """Series of a dataset, by our own names, in the order of their declaration."""

    required: tuple[str, ...]
    optional: tuple[str, ...]
    history_from: date | None
    """Samples begin here at the earliest."""

    @property
    def names(self) -> tuple[str, ...]:
        """Required ones first."""
        return (*self.required, *self.optional)


def symbols_of(dataset: str, source: str, assets: AssetsFile) -> list[str]:
    """Labels, in the source's own words, of the symbols that a dataset pools.

    Raises:
        ConfigError: the row needs a symbol that the source does not serve.
    """
    row, _, _ = split_dataset(dataset)
    members = [symbol for name in ROWS[: ROWS.index(row) + 1] for symbol in assets.rows.get(name, [])]
    return [label_of(symbol, source, assets, f"dataset {dataset}") for symbol in members]


def series_of(dataset: str, file: SeriesFile) -> SeriesMembers:
    """Series that a dataset has besides its prices."""
    row, column, _ = split_dataset(dataset)
    parts = [file.columns[name] for name in COLUMNS[1 : COLUMNS.index(column) + 1] if name in file.columns]
    parts += [file.rows["E"]] if row == "E" and "E" in file.rows else []
    return SeriesMembers(
        required=tuple(dict.fromkeys(name for part in parts for name in part.required)),
        optional=tuple(dict.fromkeys(name for part in parts for name in part.optional)),
        history_from=max((part.history_from for part in parts if part.history_from), default=None),
    )


def label_of(symbol: str, source: str, assets: AssetsFile, needed_by: str = "configuration") -> str:
    """What a source calls a symbol.

    Raises:
        ConfigError: a source with a fixed set of symbols does not have this one.
    """
    known = assets.sources.get(source, {})
    if symbol not in known and source in CLOSED_SOURCES:
        raise ConfigError(
            f"{needed_by} needs {symbol}, which source {source} does not have (it has {', '.join(known)}). "
            "Source `files` serves any symbol from a folder of your own."
        )
    return known.get(symbol, symbol)


def primary_label(source: str, assets: AssetsFile) -> str:
    """Label of the symbol whose test windows give the primary measure."""
    return label_of(assets.primary, source, assets, "the primary measure")


def origins(name: str, definition: SeriesDefinition, data: DataConfig) -> list[tuple[str, str]]:
    """(source, its own name) of everything the declared sources may call this series, preferred first.

    The synthetic source has every series, under the group that it belongs to.
    """
    found = []
    for source in data.series_sources:
        made = f"{definition.group}/{name}" if source == "synthetic" and not definition.combine else []
        names = definition.names.get(source, made)
        found += [(source, own) for own in ([names] if isinstance(names, str) else names)]
    return found


def served(name: str, definition: SeriesDefinition, data: DataConfig) -> list[tuple[str, str]]:
    """Those origins that the sources do not know to be absent (decided without network)."""
    found = []
    for source, label in origins(name, definition, data):
        try:
            absent = open_source(data, source).missing([label])
        except DataError:  # cannot be opened now (a missing folder): the import will report it
            absent = []
        if not absent:
            found.append((source, label))
    return found


def check_served(dataset: str, data: DataConfig, file: SeriesFile) -> None:
    """Refuse a dataset whose required series no declared source has.

    Raises:
        ConfigError: says what is missing and which source has it.
    """
    lines = []
    for name in series_of(dataset, file).required:
        definition = file.series[name]
        parts = definition.combine.members if definition.combine else (name,)
        for part in parts:
            wanted = file.series[part]
            if served(part, wanted, data) or wanted.combine:
                continue
            elsewhere = ", ".join(f"{source} ({_names(wanted, source)})" for source in wanted.names)
            looked = ", ".join(data.series_sources) or f"none: source {data.source} serves prices only"
            lines.append(
                f"dataset {dataset} needs {part} ({wanted.title}), and the declared sources of series "
                f"({looked}) do not have it. Sources that know it: {elsewhere}."
            )
    if lines:
        raise ConfigError(
            "\n".join(dict.fromkeys(lines))
            + "\nName such a source in `data.series_from:`, add the file, or choose another dataset."
        )


def check_source_names(data: DataConfig) -> None:
    """Refuse sources that do not exist, or give no prices or series.

    Raises:
        ConfigError: names the key and the valid names.
    """
    from lib.data.sources import source_class

    known = available_sources()
    given = [("data.source", data.source, "gives_prices")]
    given += [("data.series_from", name, "gives_series") for name in data.series_sources]
    given += [("data.compare_with", name, "name") for name in data.compare_with]
    for key, name, ability in given:
        kind = source_class(name, key)
        if not getattr(kind, ability):
            able = [n for n in known if getattr(source_class(n, key), ability)]
            what = "prices" if ability == "gives_prices" else "series"
            raise ConfigError(f"{key}: source {name} has no {what}. Sources that have: {', '.join(able)}.")


def _names(definition: SeriesDefinition, source: str) -> str:
    names = definition.names[source]
    return names if isinstance(names, str) else " or ".join(names)
