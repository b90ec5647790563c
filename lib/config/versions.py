"""Results-versions of the stages (lib/versions.yaml).

Editing `lib/` re-runs nothing by itself: a refactoring must not cost a week of training. A stage whose
results change raises its version, and the rules that carry it re-run. A test keeps a fingerprint of each
stage's syntax tree and fails until someone has either raised the version or confirmed equal results.
"""

from __future__ import annotations

import ast
import hashlib
from pathlib import Path
from typing import Any

import yaml

LIB = Path(__file__).resolve().parents[1]
VERSIONS_FILE = LIB / "versions.yaml"

STAGES: dict[str, tuple[str, ...]] = {
    "features": ("features",),
    **{
        f"features.{path.stem}": (f"features/families/{path.name}",)
        for path in sorted((LIB / "features" / "families").glob("[!_]*.py"))
    },
    "datasets": ("datasets",),
    "training": ("datasets", "training", "models", "tuning"),
    "evaluation": ("metrics", "inference", "scoring", "scaling"),
    "stacking": ("extras/meta",),
    "production": ("extras/production",),
    "reporting": ("report",),
}
"""What of `lib` decides the results of each stage. A family of features is a stage of its own, so that a
change in one re-makes only the datasets that hold some of its channels."""


def read_versions() -> dict[str, dict[str, Any]]:
    """For each stage its `version` and the `fingerprint` it was confirmed with."""
    content: dict[str, dict[str, Any]] = yaml.safe_load(VERSIONS_FILE.read_text(encoding="utf-8"))
    return content


def stage_versions() -> dict[str, int]:
    """The version that the rules of each stage carry in their parameters."""
    return {stage: int(entry["version"]) for stage, entry in read_versions().items()}


def fingerprint(stage: str) -> str:
    """Hash of the stage's syntax trees: comments, docstrings and layout do not count."""
    digest = hashlib.sha256()
    for package in STAGES[stage]:
        for path in _files(LIB / package):
            tree = _without_docstrings(ast.parse(path.read_text(encoding="utf-8")))
            digest.update(f"{path.relative_to(LIB).as_posix()}\n{ast.dump(tree)}\n".encode())
    return digest.hexdigest()[:16]


def _files(package: Path) -> list[Path]:
    """A module, or the modules of a package without those that are stages of their own."""
    if package.suffix == ".py":
        return [package]
    families = LIB / "features" / "families"
    return [path for path in sorted(package.rglob("*.py")) if path.parent != families or path.stem[0] == "_"]


def _without_docstrings(tree: ast.Module) -> ast.Module:
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            node.body = [
                statement
                for statement in node.body
                if not (
                    isinstance(statement, ast.Expr)
                    and isinstance(statement.value, ast.Constant)
                    and isinstance(statement.value.value, str)
                )
            ] or [ast.Pass()]
    return tree
