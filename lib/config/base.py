"""The strict base of all configuration sections, and the vocabulary they share."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, StringConstraints, WithJsonSchema

ROWS = ("A", "B", "C", "D", "E")
COLUMNS = ("a", "b", "c", "d")
TIERS = (20, 50, 100, 200, 500, 1000, 2000)

Timescale = Literal["daily", "2d", "3d", "5d", "weekly", "2wk", "monthly", "multires"]
Task = Literal[
    "direction", "threshold_1pct", "threshold_2pct", "threshold_3pct", "threshold_5pct", "regression",
    "triple_barrier",
]  # fmt: skip
Budget = Literal["2M", "20M", "200M"]
BUDGET_PARAMETERS: dict[str, int] = {"2M": 2_000_000, "20M": 20_000_000, "200M": 200_000_000}


def _dataset(given: str) -> str:
    known = [f"{row}{column}{tier}" for row in ROWS for column in COLUMNS for tier in TIERS]
    if given not in known:
        tiers = ", ".join(map(str, TIERS))
        raise ValueError(
            f"a dataset is a row A-E, a column a-d and a tier ({tiers}), as Aa20.{_nearest_dataset(given)}"
        )
    return given


def _nearest_dataset(given: str) -> str:
    """The dataset that was probably meant: the tier next to a number, the case of the letters corrected."""
    found = re.fullmatch(r"([A-Ea-e])([A-Da-d])([0-9]{1,6})", given)
    if found is None:
        return ""
    tier = min(TIERS, key=lambda known: abs(known - int(found[3])))
    return f" Did you mean {found[1].upper()}{found[2].lower()}{tier}?"


_DATASET = f"^[{ROWS[0]}-{ROWS[-1]}][{COLUMNS[0]}-{COLUMNS[-1]}]({'|'.join(map(str, TIERS))})$"
Dataset = Annotated[str, AfterValidator(_dataset), WithJsonSchema({"type": "string", "pattern": _DATASET})]
"""Row, column and tier, for example ``Aa20``."""
_NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"
Name = Annotated[str, StringConstraints(pattern=_NAME)]
"""A name that is safe as one path component."""


def is_name(word: str) -> bool:
    """Whether a word is safe as one path component, as a `Name` is."""
    return re.fullmatch(_NAME, word) is not None


def _below(path: Path) -> Path:
    if path.is_absolute() or not path.parts or not all(map(is_name, path.parts)):
        raise ValueError("not a path below the working directory whose parts are plain names")
    return path


InnerPath = Annotated[Path, AfterValidator(_below)]
"""A relative path that stays inside its folder."""


class StrictModel(BaseModel):
    """A configuration section: unknown keys are errors, values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def split_dataset(dataset: str) -> tuple[str, str, int]:
    """``"Aa20"`` to ``("A", "a", 20)``."""
    return dataset[0], dataset[1], int(dataset[2:])


def classes_of(task: str) -> tuple[int, ...]:
    """The classes of a task, as its targets name them; none for ``regression``."""
    return {"regression": (), "triple_barrier": (-1, 0, 1)}.get(task, (0, 1))


def is_classification(task: str) -> bool:
    """True for every task but ``regression``."""
    return bool(classes_of(task))


def primary_metric(task: str) -> str:
    """Name of a task's primary measure: its loss."""
    return "log_loss" if is_classification(task) else "mse"


def is_binary(task: str) -> bool:
    """True for ``direction`` and the threshold tasks."""
    return len(classes_of(task)) == 2


def is_ternary(task: str) -> bool:
    """True for ``triple_barrier``."""
    return len(classes_of(task)) == 3


def outputs_of(task: str) -> int:
    """Outputs of a network per window: a logit for each of three classes, else one."""
    return 3 if is_ternary(task) else 1


def threshold_of(task: str) -> float:
    """The touch threshold of a ``threshold_Npct`` task as a fraction, for example 0.01."""
    return float(task.removeprefix("threshold_").removesuffix("pct")) / 100.0
