"""A network on windows: one checked forward pass, the loss of a batch, and predictions without a graph.

Shared by training and by everyone who only predicts; nothing here changes a network.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from lib.errors import ModelError
from lib.training.batches import Windows
from lib.training.context import Loss, TrainingContext
from lib.training.devices import Device

PREDICTION_BATCH = 64
"""Windows per forward pass of a prediction. Fixed, and always full, so that the bits of a forecast depend
neither on the batch that was found for training nor on its company."""

if TYPE_CHECKING:
    from lib.datasets.windows import Samples


def predict_logits(network: nn.Module, samples: Samples, context: TrainingContext) -> np.ndarray:
    """Outputs of a network for all windows in their order, without a graph: (n,) float32.

    Device and threads are chosen as in training, precision from `context.precision` (give it the one that
    `TrainingResult` names). The network is left on the device, in evaluation mode.
    """
    device = Device.choose(context.runtime, context.precision, context.job_threads)
    network.to(device.handle).eval()
    windows = Windows(samples.padded(PREDICTION_BATCH), device.handle)
    with torch.inference_mode(), device.autocast():
        logits = [
            forward(network, inputs, target).float() for inputs, target in windows.in_order(PREDICTION_BATCH)
        ]
    return torch.cat(logits).cpu().numpy()[: len(samples)] if logits else np.empty(0, dtype=np.float32)


def forward(network: nn.Module, inputs: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """The network's output, (batch,).

    Raises:
        ModelError: it has another shape; (batch, 1) would broadcast against (batch,) without a word.
    """
    output: torch.Tensor = network(inputs)
    if output.shape != target.shape:
        raise ModelError(f"the network returns shape {tuple(output.shape)}, expected {tuple(target.shape)}.")
    return output


def summed_loss(output: torch.Tensor, target: torch.Tensor, loss: Loss) -> torch.Tensor:
    """Loss summed over a batch, in fp32 whatever the network computes in.

    ``bce``: binary cross-entropy of logits in nats; ``mse``: squared error.
    """
    if loss == "bce":
        return functional.binary_cross_entropy_with_logits(output.float(), target, reduction="sum")
    return functional.mse_loss(output.float(), target, reduction="sum")


def evaluation_batch(micro_batch: int) -> int:
    """Windows per forward pass without a graph: it needs a fraction of the memory, so more fit."""
    return max(micro_batch, min(4 * micro_batch, 1024))


def keeps_statistics(network: nn.Module) -> bool:
    """Whether forward passes change the network (batch norm), so a half-done step cannot be forgotten."""
    return any(getattr(module, "track_running_stats", False) for module in network.modules())
