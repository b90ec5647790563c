"""The data of a study before they exist: vintages, symbols, series and channels of its datasets.

Part of the plan that the rules see (`PLAN.data`). Knows the configuration, and no run.
"""

from __future__ import annotations

import hashlib
import json
from functools import cached_property
from typing import Any

from lib.config.base import split_dataset
from lib.config.data import DataConfig
from lib.config.load import Study
from lib.config.model import AssetsFile
from lib.config.series_table import SeriesFile
from lib.config.versions import stage_versions
from lib.data.assets import (
    SeriesMembers,
    check_served,
    check_source_names,
    origins,
    primary_label,
    symbols_of,
)
from lib.data.assets import series_of as series_members
from lib.errors import ConfigError
from lib.features.catalogue import catalogue
from lib.features.groups import group_features
from lib.features.slower import slower_channels


class DataPlan:
    """Look-ups from a vintage, a dataset or a series to what is declared about it."""

    def __init__(
        self, study: Study, assets: AssetsFile, series: SeriesFile, datasets: list[tuple[str, str, str]]
    ) -> None:
        self._declared, self._experiments = study.config.data, study.experiments
        self.assets, self.series_file = assets, series
        self.datasets = datasets
        """(vintage, dataset, timescale) of every dataset file of the study."""

    def check(self) -> None:
        """Refuse sources that do not exist, datasets that they cannot serve or that lack the primary symbol.

        Raises:
            ConfigError: names what is missing and which source has it.
        """
        check_source_names(self._declared)
        for vintage, dataset in sorted({(vintage, dataset) for vintage, dataset, _ in self.datasets}):
            data = self.data_config(vintage)
            if self.primary_symbol(vintage) not in (symbols := symbols_of(dataset, data.source, self.assets)):
                raise ConfigError(
                    f"dataset {dataset} does not hold {self.assets.primary}, the primary symbol, on which "
                    f"training stops and which is judged (it has {', '.join(symbols)}). Name one of its "
                    "symbols as `assets: {primary: …}` in the configuration, or add that one to a row there."
                )
            check_served(dataset, data, self.series_file)

    def data_config(self, vintage: str) -> DataConfig:
        """The data section as it holds for a vintage (an experiment may bring its own)."""
        for experiment in self._experiments.values():
            if experiment.data and experiment.data.vintage == vintage:
                return self._declared.model_copy(
                    update={
                        "source": experiment.data.source,
                        "vintage": vintage,
                        "synthetic": experiment.data.synthetic,
                        "splits": experiment.data.splits or self._declared.splits,
                        "series_from": None,
                        "compare_with": [],
                    }
                )
        if vintage != self._declared.vintage:
            raise ConfigError(
                f"vintage {vintage}: this study uses {', '.join(sorted({v for v, _, _ in self.datasets}))}."
            )
        return self._declared

    def source_settings(self, vintage: str) -> str:
        """What decides the raw data of a vintage, as canonical JSON."""
        data = self.data_config(vintage)
        own = {"source", "vintage"} | ({"synthetic"} if data.source == "synthetic" else set())
        content = data.model_dump(mode="json", include=own) | {"series_from": data.series_sources}
        return json.dumps(content, sort_keys=True)

    def series_settings(self, vintage: str, name: str) -> str:
        """Definition of one series and its origins in order of preference, as canonical JSON.

        Raises:
            ConfigError: config/data/series.yaml does not define it.
        """
        definition = self.series_file.series.get(name)
        if definition is None:
            raise ConfigError(f"series {name}: not defined in config/data/series.yaml.")
        content = {
            "definition": definition.model_dump(mode="json"),
            "origins": origins(name, definition, self.data_config(vintage)),
        }
        return json.dumps(content, sort_keys=True)

    def symbols(self, vintage: str, dataset: str | None = None) -> list[str]:
        """Labels of the symbols of one dataset, or of all that the study builds from a vintage."""
        source = self.data_config(vintage).source
        names = [dataset] if dataset else [d for v, d, _ in self.datasets if v == vintage]
        return sorted({symbol for name in names for symbol in symbols_of(name, source, self.assets)})

    def series(self, vintage: str, dataset: str | None = None) -> list[str]:
        """Series of one dataset, or all that the study builds from a vintage and what those are made of."""
        if dataset:
            return list(series_members(dataset, self.series_file).names)
        return sorted(
            {s for v, d, _ in self.datasets if v == vintage for s in self.series_and_parts(vintage, d)}
        )

    def series_and_parts(self, vintage: str, dataset: str) -> list[str]:
        """Series of one dataset, and what the combined ones are made of."""
        names = set(self.series(vintage, dataset))
        return sorted(names | {part for name in names for part in self.parts(name)})

    def parts(self, series: str) -> list[str]:
        """The series that a combined one is made of; none for the others."""
        definition = self.series_file.series.get(series)
        return list(definition.combine.members) if definition and definition.combine else []

    def members(self, dataset: str) -> SeriesMembers:
        """Required and optional series of a dataset, and where its history begins."""
        return series_members(dataset, self.series_file)

    @cached_property
    def optional_series(self) -> set[str]:
        """Series that may be absent, and what those are made of, unless something requires them."""
        file = self.series_file
        parts = [*file.rows.values(), *file.columns.values()]
        required = {name for part in parts for name in part.required}
        optional = {name for part in parts for name in part.optional}
        return (optional | {p for name in optional for p in self.parts(name)}) - required

    def comparisons(self, vintage: str, dataset: str) -> str:
        """What of a dataset's raw data is compared with other files or names, as canonical JSON."""
        data = self.data_config(vintage)
        found = []
        for source in data.compare_with:
            for symbol, labels in self.assets.alternatives.get(source, {}).items():
                name = self.assets.sources.get(data.source, {}).get(symbol, symbol)
                if name in self.symbols(vintage, dataset):
                    found += [{"kind": "prices", "name": name, "source": source, "label": o} for o in labels]
            for name in self.series_and_parts(vintage, dataset):
                names = self.series_file.series[name].names.get(source, [])
                labels = [names] if isinstance(names, str) else names
                found += [{"kind": "series", "name": name, "source": source, "label": o} for o in labels]
        return json.dumps(found, sort_keys=True)

    def assembly(self, vintage: str, dataset: str) -> str:
        """What decides a dataset besides its bars, as canonical JSON."""
        members = self.members(dataset)
        content = {
            "series": [
                {
                    "name": name,
                    "group": self.series_file.series[name].group,
                    "required": name in members.required,
                }
                for name in members.names
            ],
            "until": str(self.data_config(vintage).splits.test_start) if members.names else None,
            "history_from": str(members.history_from) if members.history_from else None,
        }
        return json.dumps(content, sort_keys=True)

    def features(self, dataset: str, timescale: str) -> str:
        """What decides the channels of the bars besides the bars, as canonical JSON.

        Their list, and the versions of their families; one that adds nothing to the tier decides nothing.
        """
        content = feature_identity(dataset, timescale)
        del content["version"]  # a parameter of its own
        return json.dumps(content, sort_keys=True)

    def primary_symbol(self, vintage: str) -> str:
        """Label of the symbol whose test windows give the primary measure."""
        return primary_label(self.data_config(vintage).source, self.assets)

    def channels(self, dataset: str, timescale: str = "daily") -> int:
        """Number of channels of a dataset, if all its optional series are there."""
        groups = [self.series_file.series[name].group for name in self.members(dataset).names]
        own = split_dataset(dataset)[2] + (len(slower_channels()) if timescale == "multires" else 0)
        return own + sum(len(group_features(group)) for group in groups)


def feature_identity(dataset: str, timescale: str) -> dict[str, Any]:
    """What decides the channels of given bars: their list, the versions of the stage and of its families."""
    versions = stage_versions()
    found = catalogue(split_dataset(dataset)[2], timescale)  # type: ignore[arg-type]
    listed = "\n".join(f"{feature.name} {feature.formula} {feature.look_back}" for feature in found)
    modules = {feature.compute.__module__.split(".")[-1] for feature in found if feature.compute}
    return {
        "version": versions["features"],
        "channels": hashlib.sha256(listed.encode()).hexdigest()[:16],
        "families": {name: versions.get(f"features.{name}", 1) for name in sorted(modules)},
    }
