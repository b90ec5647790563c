"""Models that are networks: fitted by the training engine, stored as safetensors and plain numbers.

A family defines how its network is built (`factory`); everything else is here once, so that each family
resumes exactly, heeds the temperature and keeps checkpoints. Imports torch only inside methods.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from lib.datasets.windows import Samples
from lib.errors import ModelError
from lib.models import classes
from lib.models.contract import Model
from lib.models.storage import read_plain, write_plain
from lib.training.context import Loss, TrainingContext, TrainingResult

if TYPE_CHECKING:
    from torch import nn

WEIGHTS = "weights.safetensors"


class NetworkModel(Model):
    """One logit per window, one return, or a logit for each of three classes."""

    network: Any = None
    context: TrainingContext | None = None
    target_mean: float = 0.0
    target_std: float = 1.0

    @abstractmethod
    def factory(self) -> Callable[[], nn.Module]:
        """Builds the untrained network, whose weights follow from the seed alone; imports torch only then.

        The network takes (batch, L, channels) float32 to (batch,) logits or values, for three classes to
        (batch, 3) logits; L is 1 for models that see the last bar only.
        """

    def fit(self, train: Samples, selection: Samples, context: TrainingContext) -> TrainingResult:
        """Train with the engine; afterwards the network holds the best weights.

        Returns are standardised by the training windows' mean and deviation: a daily return of 1 % would
        otherwise be a hundredth of the output that a new network begins with. Losses of a regression are
        therefore in units of the training targets' variance.
        """
        from lib.training.engine import train as train_network

        network, seen, watched = self._prepared(train, selection)
        loss: Loss = "ce" if self.problem.ternary else "bce" if self.problem.binary else "mse"
        result = train_network(network, seen, watched, loss, self.recipe, context)
        # Forecasts, too, are computed with the threads that training started with.
        runtime = context.runtime.model_copy(update={"threads": result.threads})
        self.context = replace(
            context, runtime=runtime, precision=result.precision, micro_batch=result.micro_batch
        )
        return result

    def _prepared(self, train: Samples, selection: Samples) -> tuple[nn.Module, Samples, Samples]:
        """A new network that forecasts the base rate, and the samples it is to learn from."""
        from lib.models.start import base_rate_outputs, start_at

        self.check_training(train, selection)
        begin = base_rate_outputs(train, self.problem)
        present = classes.seen(train.target, self.problem.classes)
        if self.problem.ternary:
            train, selection = self._numbered(train, present), self._numbered(selection, present)
        elif not self.problem.binary:
            self.target_mean, self.target_std = float(train.target.mean()), float(train.target.std()) or 1.0
            train, selection = self._standardised(train), self._standardised(selection)
        self.network = self._new_network(present)
        start_at(getattr(self.network, "network", self.network), begin)
        return self.network, self._seen(train), self._seen(selection)

    def _new_network(self, present: Sequence[int]) -> nn.Module:
        """An untrained network; of three classes it forecasts those in the columns `present`."""
        if not self.problem.ternary:
            return self.factory()()
        from lib.models.seen_classes import SeenClasses

        return SeenClasses(self.factory()(), present, self.problem.outputs)

    def forecast(self, samples: Samples) -> np.ndarray:
        """Probabilities or returns, in the precision the model was trained in."""
        from lib.training.forward import predict_logits

        if self.network is None:
            raise ModelError(f"{type(self).__name__}: fit or load it before asking for a forecast.")
        context = self.context or TrainingContext(seed=self.seed, state_dir=Path())
        seen, outputs = self._seen(samples), self.problem.outputs
        values = predict_logits(self.network, seen, context, outputs).astype(np.float64)
        if self.problem.ternary:
            return classes.softmax(values)
        if self.problem.binary:
            return 1.0 / (1.0 + np.exp(-values))
        return values * self.target_std + self.target_mean

    def _seen(self, samples: Samples) -> Samples:
        """Windows as the network takes them: of one bar, if it sees no other."""
        return replace(samples, context_length=1) if self.metadata.input == "last_bar" else samples

    def _numbered(self, samples: Samples, present: list[int]) -> Samples:
        """Targets as columns of the logits.

        Raises:
            ModelError: a class that training never saw.
        """
        columns = classes.columns_of(samples.target, present, self.problem.classes)
        return replace(samples, target=columns.astype(np.float32))

    def _standardised(self, samples: Samples) -> Samples:
        return replace(
            samples, target=((samples.target - self.target_mean) / self.target_std).astype(np.float32)
        )

    def save(self, folder: Path) -> None:
        """Weights as safetensors, everything else as JSON."""
        from safetensors.torch import save_file

        state = {
            name: tensor.detach().cpu().contiguous() for name, tensor in self.network.state_dict().items()
        }
        save_file(state, folder / WEIGHTS)
        extra = {name: getattr(self, name) for name in ("target_mean", "target_std")}
        write_plain(folder, self, extra | {"precision": self.context.precision if self.context else None})

    @classmethod
    def load(cls, folder: Path) -> Self:
        """From its folder."""
        from safetensors.torch import load_file

        model, content = read_plain(folder, cls)
        model.network = model._new_network(range(model.problem.outputs))  # the state holds which
        model.network.load_state_dict(load_file(folder / WEIGHTS))
        model.target_mean, model.target_std = content["target_mean"], content["target_std"]
        model.context = TrainingContext(seed=model.seed, state_dir=Path(), precision=content["precision"])
        return model

    def parameter_counts(self) -> dict[str, int]:
        """Trainable parameters: total, and those of the network's `head` where it has one."""
        from lib.models.seen_classes import SeenClasses

        network = self.network if self.network is not None else self.factory()()
        if isinstance(network, SeenClasses):
            network = network.network
        total, head = (
            sum(p.numel() for p in part.parameters() if p.requires_grad) if part is not None else 0
            for part in (network, getattr(network, "head", None))
        )
        return {"total": total, "embedding": 0, "backbone": total - head, "head": head}


def seeded(build: Callable[[], nn.Module], seed: int) -> Callable[[], nn.Module]:
    """The same, with PyTorch's random numbers started from the seed first."""

    def built() -> nn.Module:
        import torch

        torch.manual_seed(seed)
        return build()

    return built
