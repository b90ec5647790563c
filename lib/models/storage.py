"""Model folders: model.json, whatever the family adds, and checksums.json. Nothing in them executes.

Shared by all families; each family decides what else it stores.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lib.config.model import Architecture
from lib.config.training import Recipe
from lib.data.io import read_json, write_json_atomic
from lib.data.manifest import verify_checksums, write_checksums
from lib.errors import IntegrityError
from lib.models.contract import Model, Problem

MODEL_FILE = "model.json"


def write_plain(folder: Path, model: Model, content: dict[str, Any]) -> None:
    """Write a model's identity and plain content, then the checksums of every file in the folder."""
    identity = {
        "settings": model.settings.model_dump(mode="json"),
        "problem": model.problem.to_json(),
        "architecture": model.architecture.model_dump() if model.architecture else None,
        "recipe": model.recipe.model_dump(mode="json"),
        "seed": model.seed,
        "parameters": model.parameter_counts(),
    }
    write_json_atomic(folder / MODEL_FILE, {"identity": identity, "content": content})
    write_checksums(folder)


def read_plain[M: Model](folder: Path, model_class: type[M]) -> tuple[M, dict[str, Any]]:
    """The unfitted model of a folder and its plain content, after its files were verified.

    Raises:
        IntegrityError: a file is missing or its hash differs.
    """
    mismatches = verify_checksums(folder)
    if mismatches:
        lines = "; ".join(f"{mismatch.path}: {mismatch.problem}" for mismatch in mismatches)
        raise IntegrityError(f"model {folder}: {lines}. Train the run again (delete its folder).")
    stored = read_json(folder / MODEL_FILE, dict)
    identity = stored["identity"]
    model = model_class(
        model_class.Settings.model_validate(identity["settings"]),
        Problem.from_json(identity["problem"]),
        Architecture.model_validate(identity["architecture"]) if identity["architecture"] else None,
        Recipe.model_validate(identity["recipe"]),
        int(identity["seed"]),
    )
    return model, stored["content"]
