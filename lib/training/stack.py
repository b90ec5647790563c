"""Gradients of several networks of the same shape by one forward and backward pass: `torch.func.vmap`."""

from __future__ import annotations

import torch
from torch import nn
from torch.func import functional_call, vmap

from lib.training.engine import Training
from lib.training.forward import summed_loss


class Stack:
    """The weights of several networks in one tensor each; the networks' own are views of them.

    Args:
        networks: of the same shape.
    """

    def __init__(self, networks: list[nn.Module]) -> None:
        self.network = networks[0]
        self.parameters: dict[str, torch.Tensor] = {}
        self._owners: dict[str, list[nn.Parameter]] = {}
        for name, parameter in networks[0].named_parameters():
            owners = [network.get_parameter(name) for network in networks]
            stacked = torch.stack([owner.detach() for owner in owners])
            for owner, view in zip(owners, stacked, strict=True):
                owner.data = view
            self.parameters[name] = stacked.requires_grad_(parameter.requires_grad)
            self._owners[name] = owners
        self.buffers = {
            name: torch.stack([network.get_buffer(name) for network in networks])
            for name, _ in networks[0].named_buffers()
        }
        self._forward = vmap(self._one, randomness="different")

    def _one(
        self, parameters: dict[str, torch.Tensor], buffers: dict[str, torch.Tensor], inputs: torch.Tensor
    ) -> torch.Tensor:
        output: torch.Tensor = functional_call(self.network, (parameters, buffers), (inputs,))
        return output

    def accumulate(self, trainings: list[Training], batches: tuple[torch.Tensor, ...]) -> list[torch.Tensor]:
        """Put the gradients of each member's mean loss where its optimiser finds them; returns the means."""
        first = trainings[0]
        totals = [torch.zeros((), device=first.device.handle) for _ in trainings]
        split = [batch.split(first.micro_batch) for batch in batches]
        with first.device.autocast():
            for parts in zip(*split, strict=True):
                pairs = [
                    training.windows.gather(part) for training, part in zip(trainings, parts, strict=True)
                ]
                outputs = self._forward(
                    self.parameters, self.buffers, torch.stack([inputs for inputs, _ in pairs])
                )
                losses = [
                    summed_loss(output, target, first.loss) / len(batches[0])
                    for output, (_, target) in zip(outputs, pairs, strict=True)
                ]
                torch.stack(losses).sum().backward()
                totals = [total + loss.detach() for total, loss in zip(totals, losses, strict=True)]
        for name, owners in self._owners.items():
            gradient = self.parameters[name].grad
            self.parameters[name].grad = None
            if gradient is not None:
                for owner, own in zip(owners, gradient, strict=True):
                    owner.grad = own
        return totals
