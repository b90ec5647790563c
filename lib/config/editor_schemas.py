"""JSON schemas of the configuration files for editors, made from the models that validate the files.

They are a help while writing: keys, types, bounds and what each means. What no schema can say (names of other
files, fields that need each other, a model's own settings) is checked when the workflow starts.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema
from pydantic_core.core_schema import StringSchema

from lib.config.base import StrictModel
from lib.config.document import meanings_of
from lib.config.experiment import Experiment
from lib.config.hpo import SearchSpace
from lib.config.meta import MetaModule
from lib.config.model import Architecture, AssetsFile, ModelFile, RecipeFile
from lib.config.series_table import SeriesFile
from lib.config.workflow import WorkflowConfig

FILES: dict[str, type[BaseModel]] = {
    "*.yaml": WorkflowConfig,
    "experiments/*.yaml": Experiment,
    "models/*.yaml": ModelFile,
    "architectures/*.yaml": Architecture,
    "hpo/*.yaml": SearchSpace,
    "recipes/*.yaml": RecipeFile,
    "meta/*.yaml": MetaModule,
    "data/assets.yaml": AssetsFile,
    "data/series.yaml": SeriesFile,
}
"""Which model each file below config/ follows."""
_NAMES: dict[type[BaseModel], str] = {
    WorkflowConfig: "config", Experiment: "experiment", ModelFile: "model", Architecture: "architecture",
    SearchSpace: "search_space", RecipeFile: "recipe", MetaModule: "meta", AssetsFile: "assets",
    SeriesFile: "series",
}  # fmt: skip


def schema_name(model: type[BaseModel]) -> str:
    """Name of a model's schema in config/schemas/."""
    return f"{_NAMES[model]}.json"


class _WithEnvironment(GenerateJsonSchema):
    """Words with a pattern, or `${NAME:-default}` in their place: an environment variable holds them."""

    def str_schema(self, schema: StringSchema) -> dict[str, Any]:
        found = super().str_schema(schema)
        return found | {"pattern": rf"{found['pattern']}|^\$\{{"} if "pattern" in found else found


def json_schema(model: type[BaseModel]) -> dict[str, Any]:
    """The JSON schema of one kind of file, each key with what its model says of it."""
    schema = model.model_json_schema(schema_generator=_WithEnvironment)
    sections = _sections(StrictModel)
    for name, part in (*schema.get("$defs", {}).items(), (model.__name__, schema)):
        meanings = meanings_of(sections[name]) if name in sections else {}
        for key, described in part.get("properties", {}).items():
            described.pop("title", None)  # the key itself, in other letters
            if key in meanings:
                described["description"] = meanings[key]
    return {"$schema": "https://json-schema.org/draft/2020-12/schema"} | schema


def _sections(base: type[BaseModel]) -> dict[str, type[BaseModel]]:
    """All sections by the name of their class, which no two share."""
    found = {section.__name__: section for section in base.__subclasses__()}
    for section in list(found.values()):
        found |= _sections(section)
    return found


def schema_text(model: type[BaseModel]) -> str:
    """A schema as it lies in config/schemas/."""
    return json.dumps(json_schema(model), indent=2, ensure_ascii=False) + "\n"


def first_line(file: Path, model: type[BaseModel]) -> str:
    """The line by which a file, relative to config/, tells an editor its schema."""
    up = "../" * (len(file.parts) - 1)
    return f"# yaml-language-server: $schema={up}schemas/{schema_name(model)}"
