"""The registry of model families: `family:name` to the class that implements it.

Modules of `lib/models/<family>/` are imported once, when the registry is first asked; they register their
classes themselves and import heavy libraries only inside methods. Modules whose name begins with an
underscore are a family's own and are not imported here.
"""

from __future__ import annotations

import difflib
import importlib
import inspect
import pkgutil
from collections.abc import Callable
from functools import cache

from lib.config.base import StrictModel
from lib.errors import ModelError
from lib.models.base import Model, ModelMetadata

_models: dict[str, type[Model]] = {}


def register[M: type[Model]](name: str) -> Callable[[M], M]:
    """Register the decorated class under `family:name`.

    Raises:
        ModelError: the name is malformed or taken, or the class does not keep the contract (what is missing,
            and in which file).
    """

    def decorate(model: M) -> M:
        where = f"{name} ({inspect.getsourcefile(model)}, class {model.__name__})"
        family, _, short = name.partition(":")
        problems = []
        if not (family.isidentifier() and short.isidentifier()):
            problems.append("its name must look like `family:name`")
        if name in _models and _models[name].__qualname__ != model.__qualname__:
            problems.append(f"the name is already taken by {_models[name].__name__}")
        if not isinstance(getattr(model, "metadata", None), ModelMetadata):
            problems.append("`metadata` (a ModelMetadata) is missing")
        settings = getattr(model, "Settings", None)
        if not (isinstance(settings, type) and issubclass(settings, StrictModel)):
            problems.append("`Settings` (a StrictModel) is missing")
        missing = sorted(getattr(model, "__abstractmethods__", ()))
        if missing:
            problems.append(f"these methods are missing: {', '.join(missing)}")
        if problems:
            raise ModelError(f"model {where}: {'; '.join(problems)}.")
        _models[name] = model
        return model

    return decorate


def get(name: str) -> type[Model]:
    """The class registered as `family:name`, or under the short `name` if only one family has it.

    Raises:
        ModelError: unknown, or ambiguous (the candidates are listed).
    """
    _discover()
    if name in _models:
        return _models[name]
    candidates = [full for full in _models if full.partition(":")[2] == name]
    if len(candidates) == 1:
        return _models[candidates[0]]
    if candidates:
        raise ModelError(f"model {name} is ambiguous: {', '.join(sorted(candidates))}. Name the family too.")
    near = difflib.get_close_matches(name, _models, n=1)
    hint = f" Did you mean {near[0]}?" if near else ""
    raise ModelError(f"model {name} is not registered.{hint} Registered: {', '.join(names())}.")


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
