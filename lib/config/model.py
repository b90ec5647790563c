"""A model file (config/models/NAME.yaml): which registered model, its settings, recipe and search space.

Settings are validated by the model's own `Settings` class in `lib.models`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Annotated, Any

from pydantic import Field, StringConstraints

from lib.config.base import Name, StrictModel, is_name
from lib.config.hpo import Parameters
from lib.errors import ConfigError

Label = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9^][A-Za-z0-9^.=_-]*$")]
"""What a source calls a symbol (``^GSPC``, ``BRK-B``, ``EURUSD=X``); it names a file and stays inside its
folder."""


class ModelFile(StrictModel):
    """Which registered model, and what is its own."""

    model: Annotated[str, StringConstraints(pattern=r"^([a-z0-9_]+:)?[a-z0-9_]+$")]
    """`family:name`, or `name` if only one family has it."""
    plugin: str | None = None
    """Python file that registers the model, from the working directory; shipped models need none."""
    settings: dict[str, Any] = {}
    """The model's own."""
    training: dict[str, Any] = {}
    """Fields of the training section that differ for this model; an experiment's own come before these."""
    search: Parameters = {}
    """Parameters to search in place of those of the experiment's search space. A model without budgets is
    searched only if it says what to search."""


def vary(name: str, file: ModelFile, settings: Mapping[str, Sequence[Any]]) -> dict[str, ModelFile]:
    """A model once for every combination of settings, named after the values: ``NAME.VALUE.VALUE``.

    Raises:
        ConfigError: a value cannot be part of a name.
    """
    for setting, value in ((setting, value) for setting, values in settings.items() for value in values):
        if not is_name(f"{name}.{value}"):
            raise ConfigError(
                f"vary: `{setting}: {value}` would be part of the name of a folder; values are numbers or "
                "words of letters, digits, dots, dashes and underscores."
            )
    return {
        ".".join([name, *map(str, values)]): file.model_copy(
            update={"settings": file.settings | dict(zip(settings, values, strict=True))}
        )
        for values in product(*settings.values())
    }


class Architecture(StrictModel):
    """Size of a transformer (config/architectures/NAME.yaml)."""

    d_model: int = Field(ge=8)
    n_heads: int = Field(ge=1)
    n_layers: int = Field(ge=1)
    d_ff: int = Field(ge=8)
    patch_length: int = Field(16, ge=1)
    patch_stride: int = Field(8, ge=1)
    dropout: float = Field(0.0, ge=0, lt=1)

    def label(self) -> str:
        """A short name of its size, for example ``d192_l6_h8_f480``."""
        return f"d{self.d_model}_l{self.n_layers}_h{self.n_heads}_f{self.d_ff}"

    @staticmethod
    def size_of(label: str) -> dict[str, int]:
        """The four numbers of a `label`."""
        width, layers, heads, feed_forward = (int(part[1:]) for part in label.split("_"))
        return {"d_model": width, "n_layers": layers, "n_heads": heads, "d_ff": feed_forward}


class RecipeFile(StrictModel):
    """A complete recipe (config/recipes/NAME.yaml), for experiments that declare `recipe: NAME`."""

    training: dict[str, Any] = {}
    """Fields of the training section, over the study's; those of a model or experiment come before these."""
    architecture: dict[str, Any] = {}
    """Fields of every budget's architecture, over its own: ``{dropout: 0.5}``."""
    settings: dict[str, Any] = {}
    """Settings of the models with budgets, over those of their files."""


class AssetsFile(StrictModel):
    """config/data/assets.yaml: rows of the matrix, and what each source calls a symbol."""

    rows: dict[str, list[Name]]
    """Symbols that each row adds to the one before it."""
    sources: dict[str, dict[str, Label]] = {}
    """Per source: our symbol to the source's own label (also the file's name)."""
    alternatives: dict[str, dict[str, list[str]]] = {}
    """Per source: other names under which it has a symbol, to be compared (see `data.compare_with`)."""
    primary: Name = "SPY"
    """The symbol whose test windows give the primary measure."""
