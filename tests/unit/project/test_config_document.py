"""config/README.md and the JSON schemas in config/schemas/ are made from the configuration models."""

import json
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from pydantic import Field
from snakemake.exceptions import WorkflowError
from snakemake.utils import validate

from lib.config.document import config_markdown, shown_type
from lib.config.editor_schemas import FILES, first_line, json_schema, schema_name, schema_text
from lib.config.experiment import Experiment
from lib.config.yaml_files import read_yaml

CONFIG = Path(__file__).parents[3] / "config"
EVERY_FILE = [(path, model) for pattern, model in FILES.items() for path in sorted(CONFIG.glob(pattern))]


def test_the_page_is_current():
    assert (CONFIG / "README.md").read_text(encoding="utf-8") == config_markdown(), "run `make docs`"


@pytest.mark.parametrize(
    ("annotation", "shown"),
    [
        (list[Annotated[float, Field(gt=0, le=1)]], "list[float]"),
        (dict[Literal["a", "b"], int | None], "dict['a' | 'b', int | None]"),
        (tuple[float, float], "tuple[float, float]"),
        (Any, "Any"),
    ],
)
def test_types_are_written_as_by_hand(annotation, shown):
    assert shown_type(annotation) == shown


def test_the_schemas_are_current():
    made = {schema_name(model): schema_text(model) for model in FILES.values()}
    found = {path.name: path.read_text(encoding="utf-8") for path in (CONFIG / "schemas").iterdir()}
    assert found == made, "run `make docs`"


def test_every_configuration_file_names_its_schema():
    assert {path for path, _ in EVERY_FILE} == set(CONFIG.rglob("*.yaml"))
    for path, model in EVERY_FILE:
        line = first_line(path.relative_to(CONFIG), model)
        assert path.read_text(encoding="utf-8").startswith(f"{line}\n"), f"{path} must begin with {line}"
        assert (path.parent / line.split("=")[1]).resolve() == CONFIG / "schemas" / schema_name(model)


def test_every_configuration_file_follows_its_schema():
    for path, model in EVERY_FILE:
        as_json = json.loads(json.dumps(read_yaml(path), default=str))  # YAML has dates, JSON has none
        validate(as_json, str(CONFIG / "schemas" / schema_name(model)), set_default=False)


@pytest.mark.parametrize("wrong", [{"modles": ["ridge"]}, {"datasets": ["Aa21"]}, {"budgets": ["3M"]}])
def test_a_schema_refuses_what_the_workflow_refuses(wrong):
    content = read_yaml(CONFIG / "experiments" / "quickstart.yaml") | wrong
    with pytest.raises(WorkflowError, match=next(iter(wrong))):
        validate(content, str(CONFIG / "schemas" / "experiment.json"), set_default=False)


def test_a_key_comes_with_what_the_page_says_of_it():
    described = json_schema(Experiment)["properties"]["folds"]["description"]
    assert described == "Only these folds, counted from 1 in order of time; default: all."
