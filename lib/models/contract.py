"""The contract of every model: its inputs, its forecasts and what it stores.

A model is built from its settings, the problem, an architecture (if it has budgets), the recipe and a seed;
it is fitted on training windows with selection windows for early stopping, and answers in one typed form.
Imports no numeric library heavier than NumPy.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import numpy as np

from lib.config.base import StrictModel, classes_of, is_binary, outputs_of
from lib.config.experiment import BarrierConfig
from lib.config.model import Architecture
from lib.config.training import Recipe
from lib.datasets.windows import Samples
from lib.errors import ModelError
from lib.models.predictions import Predictions
from lib.training.context import TrainingContext, TrainingResult

FORECAST_BLOCK = 64
"""Windows are forecast in multiples of this."""


@dataclass(frozen=True)
class ModelMetadata:
    """What the workflow must know of a model before it builds one."""

    has_budget: bool
    """Whether it is trained once per parameter budget."""
    input: Literal["window", "last_bar"]
    """Whether it sees the whole window or the channels of the last bar (a sequence length of 1)."""
    network: bool = False
    """Whether the training engine trains it: with checkpoints, thermal guard and a GPU if there is one."""
    requires_gpu: bool = False
    """Whether it needs a GPU though the training engine does not train it."""
    ternary: bool = False
    """Whether it can forecast three classes; others refuse such a task."""
    oracle: bool = False
    """Whether it knows the planted signal of a synthetic market: refused on other data, given its run key
    (`settings.words`), and without weights whatever its budget."""
    description: str = ""


@dataclass(frozen=True)
class Shape:
    """What decides the size of a network besides its architecture: inputs and outputs."""

    n_channels: int
    context_length: int
    outputs: int = 1
    """Values per window: three for three classes, else one."""


@dataclass(frozen=True)
class Problem:
    """The prediction problem: which target, from which windows."""

    task: str
    horizon: int
    n_channels: int
    context_length: int
    channel_names: tuple[str, ...]
    channel_mean: np.ndarray
    """(channels,): over the rows that training windows cover."""
    channel_std: np.ndarray
    """(channels,): likewise."""
    barriers: BarrierConfig | None = None
    """Of ternary labels; None for other tasks."""

    @property
    def binary(self) -> bool:
        """True for classification in two classes."""
        return is_binary(self.task)

    @property
    def ternary(self) -> bool:
        """True for classification in three classes."""
        return len(self.classes) == 3

    @property
    def classes(self) -> tuple[int, ...]:
        """As the targets name them; none for regression."""
        return classes_of(self.task)

    @property
    def shape(self) -> Shape:
        """What a network for it sees and gives."""
        return Shape(self.n_channels, self.context_length, self.outputs)

    @property
    def outputs(self) -> int:
        """Numbers that a network gives per window: a logit for each of three classes, else one."""
        return outputs_of(self.task)

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        content = asdict(self) | {
            "channel_names": list(self.channel_names),
            "channel_mean": [float(value) for value in self.channel_mean],
            "channel_std": [float(value) for value in self.channel_std],
        }
        del content["barriers"]
        return content | ({"barriers": self.barriers.model_dump()} if self.barriers else {})

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Problem:
        """The opposite of `to_json`."""
        arrays = {name: np.array(content[name], dtype=np.float64) for name in ("channel_mean", "channel_std")}
        names = tuple(content["channel_names"])
        of_labels = {}
        if "barriers" in content:
            of_labels["barriers"] = BarrierConfig.model_validate(content["barriers"])
        return cls(**{**content, "channel_names": names, **of_labels, **arrays})


class Model(ABC):
    """One model of one run."""

    metadata: ClassVar[ModelMetadata]
    Settings: ClassVar[type[StrictModel]]
    """Validates the `settings:` of a model file."""

    def __init__(
        self,
        settings: StrictModel,
        problem: Problem,
        architecture: Architecture | None,
        recipe: Recipe,
        seed: int,
    ) -> None:
        self.settings = settings
        self.problem = problem
        self.architecture = architecture
        self.recipe = recipe
        self.seed = seed

    @abstractmethod
    def fit(self, train: Samples, selection: Samples, context: TrainingContext) -> TrainingResult:
        """Learn from `train`; `selection` decides when to stop and which of several fits to keep.

        Raises:
            ModelError: samples that this model cannot learn from (see `check_training`).
        """

    @abstractmethod
    def forecast(self, samples: Samples) -> np.ndarray:
        """(n,) probability of class 1, or forecast return; (n, 3) probabilities for three classes."""

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Write all that `load` needs into an existing folder, in formats that execute nothing."""

    @classmethod
    @abstractmethod
    def load(cls, folder: Path) -> Self:
        """A fitted model from its folder.

        Raises:
            IntegrityError: a file is missing or not what was written.
        """

    def predict(self, samples: Samples) -> Predictions:
        """Forecasts for samples with the channels the model was fitted on.

        Raises:
            ModelError: other channels or another context length, or values that are not finite.
        """
        self.check(samples)
        # Whole blocks only: the last digits of a product may depend on how many rows it has, and one window
        # forecast alone must get the same number as among many.
        values = self.forecast(samples.padded(FORECAST_BLOCK))[: len(samples)].astype(np.float64)
        common = (samples.dates, samples.symbols, samples.horizon, samples.target)
        classes = self.problem.classes
        if not classes:
            return Predictions(*common, prediction=values)
        if self.problem.binary:
            probability = np.column_stack([1.0 - values, values])
            chosen = (values >= 0.5).astype(np.float64)
        else:
            probability, chosen = values, np.array(classes, dtype=np.float64)[values.argmax(axis=1)]
        return Predictions(*common, prediction=chosen, probability=probability, classes=classes)

    def check(self, samples: Samples) -> None:
        """Refuse samples that this model cannot read.

        Raises:
            ModelError: what differs from the problem the model was made for, or a window that is not whole.
        """
        name = type(self).__name__
        asked, own = (samples.task, samples.horizon), (self.problem.task, self.problem.horizon)
        if asked != own:
            raise ModelError(
                f"{name}: made for {own[0]} {own[1]} bars ahead, "
                f"asked about {asked[0]} {asked[1]} bars ahead."
            )
        if samples.channel_names != self.problem.channel_names:
            raise ModelError(
                f"{name}: fitted on {len(self.problem.channel_names)} channels "
                f"({', '.join(self.problem.channel_names[:3])}, ...), asked about "
                f"{len(samples.channel_names)} others{self._differences(samples.channel_names)}. "
                "Use a dataset of the same tier and column."
            )
        if self.metadata.input == "window" and samples.context_length != self.problem.context_length:
            raise ModelError(
                f"{name}: windows of {samples.context_length} bars, expected {self.problem.context_length}."
            )
        self._check_shapes(samples)
        if not np.isfinite(samples.matrix).all():
            raise ModelError(f"{name}: the channels hold NaN or infinite values. Build the dataset again.")

    def _check_shapes(self, samples: Samples) -> None:
        """Refuse arrays that do not belong together, and windows that reach beyond the matrix."""
        name, wanted = type(self).__name__, len(samples.channel_names)
        if samples.matrix.ndim != 2 or samples.matrix.shape[1] != wanted:
            raise ModelError(
                f"{name}: a matrix of shape {samples.matrix.shape} for {wanted} channel names; "
                "it needs one column per channel."
            )
        for word in ("target", "dates", "symbols"):
            values = getattr(samples, word)
            if values.shape != samples.ends.shape:
                raise ModelError(f"{name}: {word} of shape {values.shape} for {len(samples)} windows.")
        rows = len(samples.matrix)
        outside = (samples.ends < samples.context_length - 1) | (samples.ends >= rows)
        if outside.any():
            raise ModelError(
                f"{name}: {outside.sum()} of {len(samples)} windows of {samples.context_length} bars are not "
                f"whole; the first ends with row {samples.ends[outside][0]} of rows 0 to {rows - 1}."
            )

    def check_training(self, train: Samples, selection: Samples) -> None:
        """Refuse samples that this model cannot learn from.

        Raises:
            ModelError: as `check`; or a part is empty, or holds targets that are not known.
        """
        for name, part in (("training", train), ("selection", selection)):
            self.check(part)
            if len(part) == 0:
                raise ModelError(f"{type(self).__name__}: the {name} part has no windows.")
            if not np.isfinite(part.target).all():
                raise ModelError(
                    f"{type(self).__name__}: {(~np.isfinite(part.target)).sum()} of {len(part)} targets of "
                    f"the {name} part are NaN or infinite; only forecasts may have unknown targets."
                )

    def _differences(self, given: tuple[str, ...]) -> str:
        """The first channels that are missing or unknown, in words."""
        own = self.problem.channel_names
        found = {
            "missing": [channel for channel in own if channel not in given],
            "unknown": [channel for channel in given if channel not in own],
        }
        words = [f"{kind}: {', '.join(names[:3])}" for kind, names in found.items() if names]
        return f" ({'; '.join(words) or 'in another order'})"

    def feature_importance(self) -> dict[str, float] | None:
        """Weight of each channel, if the model knows it."""
        return None

    def parameter_counts(self) -> dict[str, int] | None:
        """Trainable parameters: total, embedding, backbone, head; None where these do not apply."""
        return None

    @classmethod
    def check_budget(
        cls,
        settings: Mapping[str, Any],
        architecture: Architecture,
        shape: Shape,
        budget: str,
    ) -> None:
        """Refuse an architecture that is not of the declared size. Families with budgets override this.

        Raises:
            ModelError: the exact count is more than 25 % off the budget.
        """
        raise ModelError(f"{cls.__name__} has no parameter budgets; budget {budget} cannot be checked.")

    @classmethod
    def architectures(
        cls,
        settings: Mapping[str, Any],
        base: Architecture,
        shape: Shape,
        budget: str,
    ) -> list[Architecture]:
        """All architectures of a budget that a search may choose from. Families with budgets override this.

        Raises:
            ModelError: the family has none.
        """
        raise ModelError(f"{cls.__name__} has no architectures to search; use `tuning: default`.")

    @classmethod
    def activations(
        cls,
        settings: Mapping[str, Any],
        architecture: Architecture,
        shape: Shape,
    ) -> int | None:
        """Numbers that a training step keeps for its backward pass, per window: what the memory of
        architectures of one size differs by. None: not known, and a search then only learns it the hard way.
        """
        return None
