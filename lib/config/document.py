"""config/README.md, made from the configuration models so that it cannot drift from them."""

from __future__ import annotations

import ast
import inspect
import textwrap
from itertools import pairwise
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, TypeAliasType, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from lib.config.data import (
    DataConfig,
    DownloadConfig,
    SplitConfig,
    SyntheticConfig,
    ValidationConfig,
    WalkForwardConfig,
)
from lib.config.experiment import BarrierConfig, Experiment, ExperimentData
from lib.config.hpo import Choice, FloatRange, IntRange, SearchConfig, SearchSpace, Transfer
from lib.config.meta import BaseForecasts, MetaModule
from lib.config.model import Architecture, AssetsFile, ModelFile, RecipeFile
from lib.config.series_table import Combination, Members, Publication, SeriesDefinition, SeriesFile
from lib.config.training import ThermalConfig, TrackingConfig, TrainingConfig
from lib.config.workflow import EvaluationConfig, WorkflowConfig

PAGES: list[tuple[str, type[BaseModel]]] = [
    ("The configuration file (`config.yaml`, `--configfile`)", WorkflowConfig),
    ("Section `data`", DataConfig),
    ("Section `data.splits`", SplitConfig),
    ("Section `data.walk_forward`", WalkForwardConfig),
    ("Section `data.validation`", ValidationConfig),
    ("Section `data.download`", DownloadConfig),
    ("Section `data.synthetic`", SyntheticConfig),
    ("Section `training`", TrainingConfig),
    ("Section `search`", SearchConfig),
    ("Section `thermal`", ThermalConfig),
    ("Section `tracking`", TrackingConfig),
    ("Section `evaluation`", EvaluationConfig),
    ("An experiment (`experiments/NAME.yaml`)", Experiment),
    ("Section `data` of an experiment", ExperimentData),
    ("Section `barriers` of an experiment", BarrierConfig),
    ("A meta-module (`meta/NAME.yaml`)", MetaModule),
    ("Base models of a meta-module", BaseForecasts),
    ("A model (`models/NAME.yaml`)", ModelFile),
    ("A recipe (`recipes/NAME.yaml`)", RecipeFile),
    ("An architecture (`architectures/NAME.yaml`)", Architecture),
    ("A search space (`hpo/NAME_search.yaml`)", SearchSpace),
    ("Section `transfer` of a search space", Transfer),
    ("A float parameter of a search", FloatRange),
    ("An integer parameter of a search", IntRange),
    ("A choice of a search", Choice),
    ("Rows of the matrix (`data/assets.yaml`)", AssetsFile),
    ("Series beside prices (`data/series.yaml`)", SeriesFile),
    ("One series", SeriesDefinition),
    ("When a value was public", Publication),
    ("A series made of two", Combination),
    ("What a row or column adds", Members),
]

HEAD = """# Configuration

This page is made from the code by `make docs`; do not edit it. An unknown key is refused with the nearest
valid one. `--configfile` replaces `config/config.yaml` wholly. `${NAME}` and `${NAME:-default}` in a value
stand for environment variables; those whose names say that they hold a secret (`KEY`, `TOKEN`, `PASSWORD`, …)
are refused, because reports and result files repeat what stands here.

Editors with a YAML language server complete keys and check values by the schemas in `config/schemas/`, which
`make docs` writes, too. The first line of a file names its own, as
`# yaml-language-server: $schema=../schemas/experiment.json`.
"""


def config_markdown() -> str:
    """The whole page."""
    return "\n".join([HEAD, *(_section(title, model) for title, model in PAGES)])


def _section(title: str, model: type[BaseModel]) -> str:
    doc = " ".join((model.__doc__ or "").split())
    lines = [f"## {title}", "", doc, "", "| key | type | default | meaning |", "|---|---|---|---|"]
    meanings = meanings_of(model)
    for name, field in model.model_fields.items():
        meaning = meanings.get(name, "")
        lines.append(f"| `{name}` | {_type(field.annotation)} | {_default(field)} | {meaning} |")
    return "\n".join(lines) + "\n"


def meanings_of(model: type[BaseModel]) -> dict[str, str]:
    """The text under each field, of the class and those it inherits from.

    Pydantic could collect it, but would read the source of every section at the start of every job.
    """
    found: dict[str, str] = {}
    for base in reversed(model.__mro__):
        if not base.__module__.startswith("lib."):
            continue
        [section] = ast.parse(textwrap.dedent(inspect.getsource(base))).body
        assert isinstance(section, ast.ClassDef)
        for field, text in pairwise(section.body):
            if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
                words = text.value if isinstance(text, ast.Expr) else None
                if isinstance(words, ast.Constant) and isinstance(words.value, str):
                    found[field.target.id] = " ".join(words.value.split())
    return found


def _type(annotation: Any) -> str:
    return f"`{shown_type(annotation)}`".replace("|", "\\|")


def shown_type(annotation: Any) -> str:
    """A type as one would write it by hand, a choice of words as those words: ``int | 'auto'``.

    Bounds and patterns are left out: the message that refuses a value says them, and the JSON schemas do.
    """
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return shown_type(inner[0])
    if origin is Literal:
        return " | ".join(map(repr, inner))
    if origin in (Union, UnionType):
        return " | ".join(dict.fromkeys(map(shown_type, inner)))
    if annotation is NoneType:
        return "None"
    if isinstance(annotation, TypeAliasType):
        return annotation.__name__
    name = getattr(origin or annotation, "__name__", str(annotation))
    words = ", ".join("…" if one is Ellipsis else shown_type(one) for one in inner)
    return f"{name}[{words}]" if words else name


def _default(field: Any) -> str:
    if field.default is PydanticUndefined:
        return "required"
    if isinstance(field.default, BaseModel):
        return "see below"
    return f"`{field.default}`".replace("|", "\\|") if field.default != "" else "empty"
