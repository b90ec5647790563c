"""Reads YAML files strictly, with errors that name the file and the line. Does not know what keys mean."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import yaml

from lib.config.confidential import refuse_secret_variable
from lib.errors import ConfigError, nearest

_MAX_DEPTH, _MAX_SECTIONS = 30, 20_000
_MERGE = "tag:yaml.org,2002:merge"


class _UniqueKeyLoader(yaml.SafeLoader):
    """Plain YAML without tags, in which a repeated key is an error.

    As in YAML 1.2, only true and false are truth values: ON and NO are tickers.
    """

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            if key_node.tag == _MERGE:
                continue  # `<<: *shared` adds the keys that are not given here
            key = self.construct_object(key_node, deep=True)
            if isinstance(key, dict | list | set):
                raise yaml.constructor.ConstructorError(
                    None, None, "a key must be a word or a number, not a list of them", key_node.start_mark
                )
            if key in seen:
                line = key_node.start_mark.line + 1
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key '{key}' is given twice (line {line})", key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep)

    def construct_date(self, node: yaml.ScalarNode) -> Any:
        try:
            return self.construct_yaml_timestamp(node)
        except ValueError as error:
            year, month, *rest = node.value.split("-")
            swapped = "-".join([year, *rest, month])
            hint = f" Did you mean {swapped}?" if int(month) > 12 and _is_date(swapped) else ""
            line = node.start_mark.line + 1
            raise yaml.constructor.ConstructorError(
                None, None, f"{node.value} (line {line}) is no date: {error}.{hint}", None
            ) from None


_UniqueKeyLoader.add_constructor("tag:yaml.org,2002:timestamp", _UniqueKeyLoader.construct_date)


def _is_date(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


_BOOLEAN = "tag:yaml.org,2002:bool"
_UniqueKeyLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != _BOOLEAN]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_UniqueKeyLoader.add_implicit_resolver(
    _BOOLEAN, re.compile(r"^(true|True|TRUE|false|False|FALSE)$"), list("tTfF")
)


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping in a YAML file.

    Raises:
        ConfigError: no such file (with the nearest names), broken YAML, or no mapping at its top.
    """
    if not path.is_file():
        siblings = [p.name for p in path.parent.glob("*.yaml")] if path.parent.is_dir() else []
        hint = nearest(path.name, siblings) or f" There: {', '.join(sorted(siblings)) or 'nothing'}."
        raise ConfigError(f"{path}: no such file.{hint}")
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), Loader=_UniqueKeyLoader)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror}).") from None
    except RecursionError:
        raise ConfigError(f"{path}: not valid YAML: nested too deeply.") from None
    except (yaml.YAMLError, ValueError, TypeError, ArithmeticError, LookupError, AttributeError) as error:
        # PyYAML's constructors pass on Python's own errors about 2023-02-30 or `!!int` without a number.
        raise ConfigError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from None
    if not isinstance(content, dict):
        raise ConfigError(f"{path}: expected `key: value` lines, found {type(content).__name__}.")
    check_extent(content, str(path))
    return content


def check_extent(content: Any, where: str) -> None:
    """Refuse documents that no person wrote: YAML aliases can expand a few lines without end.

    Raises:
        ConfigError: nested too deeply (perhaps into itself), or too much.
    """
    found, level = 0, [content]
    for _ in range(_MAX_DEPTH):
        level = [
            child
            for parent in level
            for child in (parent.values() if isinstance(parent, dict) else parent)
            if isinstance(child, dict | list)
        ]
        found += len(level)
        if not level:
            return
        if found > _MAX_SECTIONS:
            break
    raise ConfigError(
        f"{where}: nested more than {_MAX_DEPTH} levels deep, or more than {_MAX_SECTIONS:,} lists and "
        "sections (a YAML alias may refer to itself). Write the values out."
    )


def expand_environment(content: Any, environment: Mapping[str, str]) -> Any:
    """`content` with `${NAME}` and `${NAME:-default}` in its strings replaced.

    Raises:
        ConfigError: a variable without a default is not set, or has the name of a secret.
    """
    if isinstance(content, dict):
        return {key: expand_environment(value, environment) for key, value in content.items()}
    if isinstance(content, list):
        return [expand_environment(value, environment) for value in content]
    if not isinstance(content, str):
        return content

    def substitute(match: re.Match[str]) -> str:
        name, default = match["name"], match["default"]
        refuse_secret_variable(name)
        if environment.get(name):
            return environment[name]
        if default is None:
            raise ConfigError(
                f"configuration: {content} needs the environment variable {name}. "
                f"Set it, for example: export {name}=/path/to/folder"
            )
        return default

    return re.sub(r"\$\{(?P<name>[A-Z_][A-Z0-9_]*)(?::-(?P<default>[^}]*))?\}", substitute, content)
