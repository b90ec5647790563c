"""Results-versions of the stages (lib/versions.yaml).

Editing `lib/` re-runs nothing: a refactoring must not cost a week of training. A change that alters a stage's
results raises its version, and the rules that carry it re-run. A test compares its results on tiny inputs.
"""

from __future__ import annotations

from pathlib import Path

import yaml

LIB = Path(__file__).resolve().parents[1]
VERSIONS_FILE = LIB / "versions.yaml"

STAGES: tuple[str, ...] = (
    "features",
    *(f"features.{path.stem}" for path in sorted((LIB / "features" / "families").glob("[!_]*.py"))),
    "datasets",
    "training",
    "evaluation",
    "stacking",
    "production",
    "reporting",
)
"""A family of features is a stage of its own, so that a change in one re-makes only the datasets that hold
some of its channels."""


def stage_versions() -> dict[str, int]:
    """The version that the rules of each stage carry in their parameters."""
    versions: dict[str, int] = yaml.safe_load(VERSIONS_FILE.read_text(encoding="utf-8"))
    return versions
