"""The registry of model families: `family:name` to the class that implements it.

Modules of `lib/models/<family>/` are imported once, when the registry is first used; they register their
classes themselves and import heavy libraries only inside methods. Modules whose name begins with an
underscore are a family's own and are not imported here. A file of the user's own (`plugin:` in a model file)
is imported when its model is requested.
"""

from __future__ import annotations

import ast
import difflib
import hashlib
import importlib
import importlib.util
import inspect
import pkgutil
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

from lib.config.base import StrictModel
from lib.config.places import find_own
from lib.errors import ModelError
from lib.models.contract import Model, ModelMetadata

_METHODS = ("fit", "forecast", "save", "load")
_models: dict[str, type[Model]] = {}
_plugins: dict[str, str] = {}
"""Names that came from a user's file, with the hash of its syntax tree."""


def register[M: type[Model]](name: str) -> Callable[[M], M]:
    """Register the decorated class under `family:name`.

    Raises:
        ModelError: the name is malformed or taken, or the class does not keep the contract (what is missing,
            and in which file).
    """

    def decorate(model: M) -> M:
        problems = [*_problems_of_name(name, model), *_problems_of_class(model)]
        if problems:
            raise ModelError(f"model {name} ({_place(model)}): {'; '.join(problems)}.")
        _models[name] = model
        return model

    return decorate


def _place(model: type) -> str:
    try:
        return f"{inspect.getsourcefile(model)}, class {model.__name__}"
    except (OSError, TypeError):
        return f"class {model.__name__}"


def _problems_of_name(name: str, model: type) -> list[str]:
    family, _, short = name.partition(":")
    if not (family.isidentifier() and short.isidentifier() and name == name.lower()):
        return ["its name must look like `family:name`, in lower case"]
    other = _models.get(name)
    if other is not None and (other.__module__, other.__qualname__) != (model.__module__, model.__qualname__):
        return [f"the name is already taken by {_place(other)}"]
    return []


def _problems_of_class(model: type) -> list[str]:
    if not issubclass(model, Model):
        return ["it must be a subclass of lib.models.contract.Model"]
    problems = []
    if not isinstance(getattr(model, "metadata", None), ModelMetadata):
        problems.append("`metadata` (a ModelMetadata) is missing")
    settings = getattr(model, "Settings", None)
    if not (isinstance(settings, type) and issubclass(settings, StrictModel)):
        problems.append("`Settings` (a StrictModel) is missing")
    elif required := [key for key, field in settings.model_fields.items() if field.is_required()]:
        problems.append(f"these settings have no default: {', '.join(required)}")
    missing = sorted(getattr(model, "__abstractmethods__", ()))
    if missing:
        problems.append(f"these methods are missing: {', '.join(missing)}")
    for method in _METHODS:
        wanted = list(inspect.signature(getattr(Model, method)).parameters)
        given = list(inspect.signature(getattr(model, method)).parameters)
        if method not in missing and given[: len(wanted)] != wanted:
            problems.append(f"{method}({', '.join(given)}) should be {method}({', '.join(wanted)})")
    return problems


def add_plugin(path: Path) -> None:
    """Import a user's file; the models that it registers are found like the shipped ones.

    Args:
        path: from the working directory, the main study's (for a named one) or the project's.

    Raises:
        ModelError: no such file, it cannot be imported or registers nothing, or a class does not keep the
            contract.
    """
    _discover()
    path = find_own(path)
    if not path.is_file():
        raise ModelError(f"plugin {path}: no such file (looked in {Path.cwd()}).")
    code = code_hash(path)
    if code not in _plugins.values():  # its models are here already, from this file or from a copy of it
        _import_plugin(path.resolve(), code)


def code_hash(path: Path) -> str:
    """Hash of the code in a user's file; comments and layout do not count.

    Raises:
        ModelError: it is no Python.
    """
    try:
        code = ast.dump(ast.parse(path.read_text(encoding="utf-8")))
    except (SyntaxError, UnicodeDecodeError) as error:
        raise _not_importable(path, error) from error
    return hashlib.sha256(code.encode()).hexdigest()[:16]


def _not_importable(path: Path, error: Exception) -> ModelError:
    return ModelError(f"plugin {path}: it cannot be imported ({type(error).__name__}: {error}).")


def _import_plugin(path: Path, code: str) -> None:
    title = f"plugin_{path.stem}_{hashlib.sha256(str(path).encode()).hexdigest()[:8]}"
    spec = importlib.util.spec_from_file_location(title, path)
    assert spec is not None and spec.loader is not None  # noqa: PT018
    module = importlib.util.module_from_spec(spec)
    sys.modules[title] = module
    _forget(title)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        _forget(title)  # half a plugin must not stay
        if isinstance(error, ModelError):
            raise
        raise _not_importable(path, error) from error
    new = [name for name, model in _models.items() if model.__module__ == title]
    if not new:
        raise ModelError(
            f'plugin {path}: it registers no model. Decorate a class with @register("family:name").'
        )
    _plugins.update(dict.fromkeys(new, code))


def _forget(title: str) -> None:
    """Remove the models that a module has registered, to import it again."""
    for name in [name for name, model in _models.items() if model.__module__ == title]:
        del _models[name]
        _plugins.pop(name, None)


def plugin_hash(name: str) -> str | None:
    """Hash of the user's file that a model came from (comments do not count); None for shipped models."""
    return _plugins.get(full_name(name))


def full_name(name: str) -> str:
    """`family:name` of a registered model, from that or from its short `name` if only one family has it.

    Raises:
        ModelError: unknown, or ambiguous (the candidates are listed).
    """
    _discover()
    if name in _models:
        return name
    candidates = [full for full in _models if full.partition(":")[2] == name]
    if len(candidates) == 1:
        return candidates[0]
    if candidates:
        raise ModelError(f"model {name} is ambiguous: {', '.join(sorted(candidates))}. Name the family too.")
    shorts = {full.partition(":")[2]: full for full in _models}
    near = difflib.get_close_matches(name, [*_models, *shorts], n=1)
    hint = f" Did you mean {shorts.get(near[0], near[0])}?" if near else ""
    raise ModelError(f"model {name} is not registered.{hint} Registered: {', '.join(names())}.")


def get(name: str) -> type[Model]:
    """The class registered as `family:name`, or under a short name (see `full_name`).

    Raises:
        ModelError: unknown, or ambiguous.
    """
    return _models[full_name(name)]


def names() -> list[str]:
    """All registered names."""
    _discover()
    return sorted(_models)


@cache
def _discover() -> None:
    import lib.models

    for family in pkgutil.iter_modules(lib.models.__path__):
        if family.ispkg:
            package = importlib.import_module(f"lib.models.{family.name}")
            for module in pkgutil.iter_modules(package.__path__):
                if module.name.startswith("_"):
                    continue
                importlib.import_module(f"{package.__name__}.{module.name}")
