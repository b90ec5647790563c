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


def predict_logits(
    network: nn.Module, samples: Samples, context: TrainingContext, outputs: int = 1
) -> np.ndarray:
    """Outputs of a network for all windows in their order, without a graph: float32 (n,) or (n, outputs).

    Device and threads are chosen as in training, precision from `context.precision` (give it the one that
    `TrainingResult` names). The network is left on the device, in evaluation mode.
    """
    device = Device.choose(context.runtime, context.precision, context.job_threads)
    network.to(device.handle).eval()
    windows = Windows(samples.padded(PREDICTION_BATCH), device.handle)
    with torch.inference_mode(), device.autocast():
        logits = [
            forward(network, inputs, outputs).float() for inputs, _ in windows.in_order(PREDICTION_BATCH)
        ]
    if not logits:
        return np.empty(_shape(0, outputs), dtype=np.float32)
    return torch.cat(logits).cpu().numpy()[: len(samples)]


def forward(network: nn.Module, inputs: torch.Tensor, outputs: int = 1) -> torch.Tensor:
    """The network's output, (batch,), or (batch, outputs) for more than one.

    Raises:
        ModelError: it has another shape; (batch, 1) would silently broadcast against (batch,).
    """
    output: torch.Tensor = network(inputs)
    wanted = _shape(len(inputs), outputs)
    if output.shape != wanted:
        raise ModelError(f"the network returns shape {tuple(output.shape)}, expected {wanted}.")
    return output


def _shape(n: int, outputs: int) -> tuple[int, ...]:
    return (n,) if outputs == 1 else (n, outputs)


def summed_loss(output: torch.Tensor, target: torch.Tensor, loss: Loss) -> torch.Tensor:
    """Loss summed over a batch, in fp32 whatever the network computes in.

    ``bce``: cross-entropy in nats of one logit, with targets 0 and 1; ``ce``: of one logit per class, with
    the numbers of the classes, from 0, as targets; ``mse``: squared error.
    """
    if loss == "bce":
        return functional.binary_cross_entropy_with_logits(output.float(), target, reduction="sum")
    if loss == "ce":
        return functional.cross_entropy(output.float(), target.long(), reduction="sum")
    return functional.mse_loss(output.float(), target, reduction="sum")


def evaluation_batch(micro_batch: int) -> int:
    """Windows per forward pass without a graph: it needs a fraction of the memory, so more fit."""
    return max(micro_batch, min(4 * micro_batch, 1024))


def keeps_statistics(network: nn.Module) -> bool:
    """Whether forward passes change the network (batch norm), so a half-done step cannot be forgotten."""
    return any(getattr(module, "track_running_stats", False) for module in network.modules())
