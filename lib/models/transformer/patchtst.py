"""PatchTST (Nie et al. 2023, arXiv:2211.14730) at true parameter budgets, on Hugging Face's backbone.

Light to import: the network itself lies in `_network` and is loaded when one is built.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import numpy as np
from pydantic import Field

from lib.config.base import StrictModel
from lib.config.model import Architecture
from lib.datasets.windows import Samples
from lib.errors import ModelError
from lib.models.base import Model, ModelMetadata
from lib.models.registry import register
from lib.models.storage import read_plain, write_plain
from lib.models.transformer import parameters
from lib.models.transformer.factory import NetworkFactory
from lib.models.transformer.grid import architecture_grid
from lib.training.context import TrainingContext, TrainingResult

if TYPE_CHECKING:
    from torch import nn

WEIGHTS = "weights.safetensors"
_NO_ARCHITECTURE = "transformer:patchtst: needs an architecture; declare `budgets:` in the experiment."


class PatchTSTSettings(StrictModel):
    """What distinguishes one PatchTST from another besides its size."""

    channel_mode: Literal["mixed", "independent", "cross"] = "mixed"
    """`independent`: one token sequence per channel, as in the paper (logits are additive over channels);
    `cross`: the same, and in every layer the channels of a patch attend to each other; `mixed`: all channels
    of a patch are one token."""
    normalisation: Literal["revin", "revin_stats", "zscore", "none"] = "zscore"
    pooling: Literal["last", "mean", "flatten", "attention"] = "last"
    channel_projection: int = Field(64, ge=1)
    """`mixed` with more channels than this projects them to so many first: the size stays on budget."""


@register("transformer:patchtst")
class PatchTSTForecaster(Model):
    """One logit per window, or one return."""

    metadata = ModelMetadata(has_budget=True, input="window", packs=True, description="PatchTST")
    Settings: ClassVar[type[StrictModel]] = PatchTSTSettings
    network: Any = None
    context: TrainingContext | None = None
    target_mean: float = 0.0
    target_std: float = 1.0

    def fit(self, train: Samples, selection: Samples, context: TrainingContext) -> TrainingResult:
        """Train with the engine; afterwards the network holds the weights of the best epoch.

        Returns are standardised by the training windows' mean and deviation: a daily return of 1 % would
        otherwise be a hundredth of the output that a new network begins with. Losses of a regression are
        therefore in units of the training targets' variance.
        """
        return self.fit_together([self], [(train, selection)], [context])[0]

    @classmethod
    def fit_together(
        cls,
        models: Sequence[Self],
        parts: Sequence[tuple[Samples, Samples]],
        contexts: Sequence[TrainingContext],
    ) -> list[TrainingResult]:
        """Train with the engine: one network, or several of the same shape at once."""
        from lib.training.engine import train
        from lib.training.pack import Member, train_together

        members = [
            Member(*model._prepared(*part), context)
            for model, part, context in zip(models, parts, contexts, strict=True)
        ]
        loss: Literal["bce", "mse"] = "bce" if models[0].problem.binary else "mse"
        recipe = models[0].recipe
        if len(members) == 1:
            one = members[0]
            results = [train(one.network, one.train, one.selection, loss, recipe, one.context)]
        else:
            results = train_together(members, loss, recipe)
        for model, context, result in zip(models, contexts, results, strict=True):
            model.context = replace(context, precision=result.precision, micro_batch=result.micro_batch)
        return results

    def _prepared(self, train: Samples, selection: Samples) -> tuple[nn.Module, Samples, Samples]:
        """A new network, and the samples it is to learn from."""
        self.check(train)
        if not self.problem.binary:
            self.target_mean, self.target_std = float(train.target.mean()), float(train.target.std()) or 1.0
            train, selection = self._standardised(train), self._standardised(selection)
        self.network = self.factory()()
        return self.network, train, selection

    def forecast(self, samples: Samples) -> np.ndarray:
        """Probabilities or returns, in the precision the model was trained in."""
        from lib.training.forward import predict_logits

        if self.network is None:
            raise ModelError("transformer:patchtst: fit or load it before asking for a forecast.")
        context = self.context or TrainingContext(seed=self.seed, state_dir=Path())
        values = predict_logits(self.network, samples, context).astype(np.float64)
        if self.problem.binary:
            return 1.0 / (1.0 + np.exp(-values))
        return values * self.target_std + self.target_mean

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
        model.network = model.factory()()
        model.network.load_state_dict(load_file(folder / WEIGHTS))
        model.target_mean, model.target_std = content["target_mean"], content["target_std"]
        model.context = TrainingContext(seed=model.seed, state_dir=Path(), precision=content["precision"])
        return model

    def factory(self) -> NetworkFactory:
        """Builds the untrained network."""
        if self.architecture is None:
            raise ModelError(_NO_ARCHITECTURE)
        return NetworkFactory(
            settings=self.settings.model_dump(),
            architecture=self.architecture,
            context_length=self.problem.context_length,
            channel_mean=self.problem.channel_mean,
            channel_std=self.problem.channel_std,
            seed=self.seed,
        )

    def parameter_counts(self) -> dict[str, int]:
        """Trainable parameters: total, embedding, backbone, head."""
        if self.architecture is None:
            raise ModelError(_NO_ARCHITECTURE)
        return parameters.count_parameters(
            self.settings.model_dump(),
            self.architecture,
            self.problem.n_channels,
            self.problem.context_length,
        )

    @classmethod
    def check_budget(
        cls,
        settings: Mapping[str, Any],
        architecture: Architecture,
        n_channels: int,
        context_length: int,
        budget: str,
    ) -> None:
        """Refuse an architecture that cannot be built, or whose exact count is 25 % off the budget."""
        if architecture.d_model % architecture.n_heads:
            raise ModelError(
                f"budget {budget}: d_model {architecture.d_model} is not a multiple of "
                f"n_heads {architecture.n_heads}."
            )
        full = cls.Settings.model_validate(dict(settings)).model_dump()
        counts = parameters.count_parameters(full, architecture, n_channels, context_length)
        parameters.check_budget(counts["total"], budget)

    @classmethod
    def architectures(
        cls,
        settings: Mapping[str, Any],
        base: Architecture,
        n_channels: int,
        context_length: int,
        budget: str,
    ) -> list[Architecture]:
        """The grid of the budget."""
        full = cls.Settings.model_validate(dict(settings)).model_dump()
        return architecture_grid(budget, full, n_channels, context_length, base)
