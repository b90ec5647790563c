"""A vintage is one immutable snapshot: what it was made from stands beside it, and nothing else is added."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lib.config.data import DataConfig
from lib.config.validation import validate
from lib.data.io import read_json, write_json_atomic
from lib.errors import ConfigError

RECORD = "source.json"


def data_section(config: Mapping[str, Any], identity: str) -> DataConfig:
    """The data section of a configuration, adapted to a vintage.

    Args:
        config: the whole configuration.
        identity: the vintage's own settings, as JSON; they go first.
    """
    return validate(DataConfig, config["data"] | json.loads(identity), "data")


def check_vintage(folder: Path, identity: str) -> None:
    """Refuse to use a vintage that was made from something else.

    Args:
        folder: of the vintage's raw data; it need not exist.
        identity: what the configuration says the vintage is, as JSON.

    Raises:
        ConfigError: names what differs and what to do.
        IntegrityError: its record is damaged.
    """
    path = folder / RECORD
    if not path.is_file():
        return
    there, here = read_json(path, dict), json.loads(identity)
    different = [key for key in sorted({*there, *here}) if there.get(key) != here.get(key)]
    if different:
        lines = [
            f"  {key}: {there.get(key)!r} there, {here.get(key)!r} in the configuration" for key in different
        ]
        raise ConfigError(
            f"vintage {folder.name} ({folder}) was made from other data than the configuration says:\n"
            + "\n".join(lines)
            + "\nA vintage is never overwritten: give `data.vintage:` a new name (or delete the old folder)."
        )


def record_source(folder: Path, identity: str) -> None:
    """Record a vintage's identity beside its files; several jobs may do so at once."""
    path = folder / RECORD
    check_vintage(folder, identity)
    if not path.is_file():
        write_json_atomic(path, json.loads(identity))
