"""The shipped configurations, planned on a folder whose files have the right names and nothing in them."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from lib.study.plan import Plan, plan_study

CONFIG = Path(__file__).parents[2] / "config"


def named_files(folder: Path) -> Path:
    """An empty file for every symbol and series that source `files` may be asked for.

    Planning asks which files are there and reads none of them.
    """
    series = yaml.safe_load((CONFIG / "data/series.yaml").read_text(encoding="utf-8"))["series"]
    assets = yaml.safe_load((CONFIG / "data/assets.yaml").read_text(encoding="utf-8"))
    names = [f"ohlcv/{symbol}" for row in assets["rows"].values() for symbol in row]
    for definition in series.values():
        said = definition.get("names", {}).get("files", [])
        names += [said] if isinstance(said, str) else said
    for name in names:
        path = folder / f"{name}.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return folder


def planned(own: Mapping[str, Mapping[str, Any]], /, **sections: Any) -> Plan:
    """The plan of the quickstart's configuration with other sections and experiments of its own."""
    content = configuration("config")
    declared = {"experiments": list(own), "own_experiments": dict(own)}
    return plan_study(content | declared | sections, CONFIG, {})


def shipped(name: str, market: Path, changes: Mapping[str, Any] | None = None) -> Plan:
    """The plan of `config/NAME.yaml` with top-level sections replaced; `market` as the data folder.

    Without changes it is one plan for all tests, which only look things up in it.
    """
    if not changes:
        return _unchanged(name, market)
    return plan_study(configuration(name) | dict(changes), CONFIG, {"MARKET_DATA_DIR": str(market)})


@cache
def _unchanged(name: str, market: Path) -> Plan:
    return plan_study(configuration(name), CONFIG, {"MARKET_DATA_DIR": str(market)})


def configuration(name: str) -> dict[str, Any]:
    """The content of a shipped configuration, to be changed."""
    return deepcopy(_parsed(name))


@cache
def _parsed(name: str) -> dict[str, Any]:
    return yaml.load((CONFIG / f"{name}.yaml").read_text(encoding="utf-8"), yaml.CSafeLoader)
