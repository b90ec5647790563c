"""Tiny members for the tests of packs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn
from training_samples import CHANNELS, LENGTH, context, make_samples, weights_hash

from lib.training.context import TrainingResult
from lib.training.layers import use_fast_layers
from lib.training.pack import Member

TRAIN, SELECTION = make_samples(), make_samples(40, 1)
SEEDS = (3, 4, 5)


class Network(nn.Module):
    """Dropout and a norm, as the real ones have; `fault` is called in each forward pass of the first."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.body = nn.Sequential(
            nn.Flatten(), nn.Linear(LENGTH * CHANNELS, 16), nn.LayerNorm(16), nn.GELU(), nn.Dropout(0.3)
        )
        self.head = nn.Linear(16, 1)
        use_fast_layers(self)

    fault: Any = None

    def forward(self, windows: torch.Tensor) -> torch.Tensor:
        if Network.fault:
            Network.fault()
        return self.head(self.body(windows)).squeeze(-1)


def run_of(folder: Path, seed: int, **changes: Any):
    return context(folder / str(seed), seed=seed, fingerprint=str(seed), **changes)


def members(folder: Path, seeds=SEEDS, **changes: Any) -> list[Member]:
    return [Member(Network(seed), TRAIN, SELECTION, run_of(folder, seed, **changes)) for seed in seeds]


def losses(result: TrainingResult) -> list[tuple[float, float]]:
    return [(row["train_loss"], row["validation_loss"]) for row in result.history]


def outcome(pack: list[Member], results: list[TrainingResult | None]) -> dict[int, Any]:
    """By seed: weights and losses; None for a member that was left out."""
    return {
        member.context.seed: result and (weights_hash(member.network), losses(result), result.best_epoch)
        for member, result in zip(pack, results, strict=True)
    }
