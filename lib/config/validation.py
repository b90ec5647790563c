"""Holds content against the model of its section. A refusal names the key, the nearest valid one and the
corrected line."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from lib.config.confidential import SECRET, masked
from lib.errors import ConfigError, nearest


def validate[M: BaseModel](model: type[M], content: Mapping[str, Any], where: str) -> M:
    """`content` as an instance of `model`; `where` names the file for the message.

    Raises:
        ConfigError: one line per problem; an unknown key comes with the corrected line.
    """
    try:
        return model.model_validate(dict(content))
    except ValidationError as error:
        lines = [_explain(model, detail) for detail in error.errors()]
        raise ConfigError("\n".join(f"{where}: {line}" for line in lines)) from None


def _explain(model: type[BaseModel], detail: ErrorDetails) -> str:
    location = [str(part) for part in detail["loc"]]
    dotted = ".".join(location)
    if detail["type"] == "extra_forbidden":
        valid = _keys_at(model, detail["loc"][:-1])
        key = location[-1]
        near = difflib.get_close_matches(key, valid, n=1, cutoff=0.5)
        if near:
            indent = "  " * (len(location) - 1)
            value = _as_yaml(detail["input"])
            corrected = f"{indent}{near[0]}: {value}"
            return f"unknown key `{dotted}`. Did you mean `{near[0]}`? The corrected line:\n{corrected}"
        return f"unknown key `{dotted}`. Valid here: {', '.join(sorted(valid))}."
    if detail["type"] == "missing":
        return f"`{dotted}` is required and missing."
    message = detail["msg"].removeprefix("Value error, ")
    if detail["type"] == SECRET:
        return f"`{dotted}`: {message}."
    given = _as_yaml(detail.get("input"))
    if detail["type"] == "literal_error":
        choices = [
            c.strip(" '")
            for c in str(detail.get("ctx", {}).get("expected", "")).replace(" or ", ",").split(",")
        ]
        return (
            f"`{dotted}: {given}` is not one of {', '.join(choices)}.{nearest(str(detail['input']), choices)}"
        )
    if not location:
        return message
    if detail["type"] == "string_type" and isinstance(detail["input"], bool):
        where = ".".join(part for part in location if part != "[key]")
        return (
            f"`{where}` is a word that YAML takes for a truth value (ON, OFF, YES, NO, TRUE, FALSE). "
            "Put it into quotes, for example: 'ON'."
        )
    return f"`{dotted}: {given}`: {message}{'' if message.endswith(('.', '?')) else '.'}"


def _keys_at(model: type[BaseModel], location: tuple[int | str, ...]) -> list[str]:
    """Names of the fields of the section that `location` leads to."""
    current: Any = model
    for part in location:
        if isinstance(current, type) and issubclass(current, BaseModel):
            field = current.model_fields.get(str(part))
            if field is None:
                return []
            current = _section_in(field.annotation, str(part))
    if isinstance(current, type) and issubclass(current, BaseModel):
        return list(current.model_fields)
    return []


def _section_in(annotation: Any, _part: str) -> Any:
    """The first configuration section inside an annotation such as `Section | None`."""
    candidates = [annotation, *getattr(annotation, "__args__", ())]
    for candidate in candidates:
        if isinstance(candidate, type) and issubclass(candidate, BaseModel):
            return candidate
    return annotation


def _as_yaml(value: Any) -> str:
    text = yaml.safe_dump(value, default_flow_style=True, width=10_000) if _is_plain(value) else str(value)
    return masked(text.removesuffix("...\n").strip())


def _is_plain(value: Any) -> bool:
    return value is None or isinstance(value, str | int | float | bool | list | dict)
