"""The optimiser and its learning rate.

AdamW (Loshchilov & Hutter 2019, arXiv:1711.05101) with linear warm-up, then half a cosine (arXiv:1608.03983)
or a constant rate that is annealed at the end (warm-up-stable-decay, arXiv:2404.06395).
The learning rate is a pure function of the step, so there is no scheduler whose state could be lost.
"""

from __future__ import annotations

import math

import torch
from torch import nn

from lib.config.training import Recipe
from lib.errors import ModelError


def rate_multiplier(parameter: nn.Parameter) -> float:
    """A parameter's learning rate in units of the recipe's; 1 unless its network sets another."""
    return float(getattr(parameter, "rate_multiplier", 1.0))


def build_optimizer(network: nn.Module, recipe: Recipe) -> torch.optim.AdamW:
    """AdamW over all trainable parameters; biases and norm weights are not decayed.

    Raises:
        ModelError: the network has nothing to train.
    """
    parameters = [p for p in network.parameters() if p.requires_grad]
    if not parameters:
        raise ModelError("the network has no trainable parameter.")
    groups: dict[tuple[bool, float], list[nn.Parameter]] = {}
    for parameter in parameters:
        # Decay pulls towards 0, which for the scale of a norm is not "simple" but "off".
        groups.setdefault((parameter.ndim >= 2, rate_multiplier(parameter)), []).append(parameter)
    return torch.optim.AdamW(
        [
            {
                "params": own,
                "multiplier": multiplier,
                # AdamW shrinks weights by rate x decay a step: divided, all sizes shrink alike.
                "weight_decay": recipe.weight_decay / multiplier if decays else 0.0,
            }
            for (decays, multiplier), own in groups.items()
        ],
        lr=recipe.learning_rate,
        betas=recipe.betas,
        fused=all(p.is_floating_point() and p.device.type in ("cpu", "cuda", "mps") for p in parameters),
    )


def learning_rate(step: int, recipe: Recipe, decay_from: int | None = None) -> float:
    """Peak learning rate of one optimiser step, as the recipe's schedule has it.

    Rises linearly over `warmup_share` of the steps. `cosine` then falls along half a cosine and reaches
    `min_learning_rate` with the last step; `stable` stays and, once annealing has begun, falls in a
    straight line.

    Args:
        step: from 0.
        recipe: the rates and the schedule.
        decay_from: step with which annealing began or will begin (`stable`); None: not before it must.
    """
    peak = recipe.learning_rate
    floor = min(recipe.min_learning_rate, peak)
    warmup = int(recipe.warmup_share * recipe.max_steps)
    if recipe.schedule == "cosine":
        share = min(1.0, max(0, step - warmup) / max(1, recipe.max_steps - 1 - warmup))
        height = 0.5 * (1.0 + math.cos(math.pi * share))
    else:
        begin = recipe.decay_begins_by if decay_from is None else decay_from
        height = 1.0 - min(1.0, max(0, step - begin + 1) / recipe.annealing_steps)
    rising = min(1.0, (step + 1) / warmup) if warmup else 1.0
    return min(rising * peak, floor + (peak - floor) * height)


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Use a learning rate from the next step on, for each parameter times its multiplier."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group["multiplier"]


def clip_gradients(network: nn.Module, maximum: float) -> torch.Tensor:
    """Scale all gradients so that their joint 2-norm is at most `maximum`.

    Returns:
        The norm before scaling, on the device: NaN or inf if any gradient is.
    """
    parameters = [p for p in network.parameters() if p.grad is not None]
    norm = torch.nn.utils.get_total_norm([p.grad for p in parameters if p.grad is not None])
    # On CPU reading the norm is free and saves a pass over all gradients; on an accelerator it would wait.
    if norm.device.type != "cpu" or not norm <= maximum:
        torch.nn.utils.clip_grads_with_norm_(parameters, maximum, norm)
    return norm
