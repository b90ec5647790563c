"""Micro-batches of trials that need more memory than the shape whose batch size was discovered.

Architectures of one budget hold equally many weights, but deep and narrow ones keep several times the
activations of wide ones: a trial must not fail for that, or a search would be biased towards shallow shapes.
The micro-batch is made smaller beforehand by the activations, because a CPU raises no error before the system
ends the process; and it is halved where memory runs out all the same. The effective batch, which decides
results, stays: it is reached by accumulating gradients.
"""

from __future__ import annotations

import gc
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from lib.config.resolve import ResolvedRun
from lib.datasets.windows import SplitSamples
from lib.models import registry
from lib.models.contract import Model, Shape
from lib.training.context import TrainingContext, TrainingResult
from lib.training.memory import is_out_of_memory
from lib.training.progress import say


def spare_memory(
    trial: ResolvedRun, declared: ResolvedRun, batch_size: Mapping[str, Any] | None
) -> ResolvedRun:
    """The trial with a micro-batch whose activations take no more memory than what was found to be safe.

    Args:
        trial: resolved with the batch size of the declared shape.
        declared: the shape whose batch size was discovered.
        batch_size: content of its batch-size file, or None for models without one.
    """
    if not batch_size or trial.micro_batch is None:
        return trial
    base = _activations(declared, batch_size["channels"], batch_size["context_length"])
    needed = _activations(trial, batch_size["channels"], trial.context_length)
    if base is None or needed is None:
        return trial
    safe = max(1, int(batch_size["largest_safe"] * base / needed))
    micro_batch = min(trial.micro_batch, 1 << (safe.bit_length() - 1))
    if micro_batch < trial.micro_batch:
        say(
            f"search: activations of {needed / base:.1f} times the declared shape: {micro_batch} windows per "
            f"forward pass in place of {trial.micro_batch}; the effective batch stays."
        )
    return trial.model_copy(update={"micro_batch": micro_batch})


def _activations(resolved: ResolvedRun, channels: int, context_length: int) -> int | None:
    if resolved.architecture is None:
        return None
    model = registry.get(resolved.model)
    return model.activations(resolved.settings, resolved.architecture, Shape(channels, context_length))


def fit_within_memory(
    build: Callable[[], Model], samples: SplitSamples, context: TrainingContext, effective_batch: int
) -> TrainingResult:
    """Fit a new model; where memory runs out, retry with half the micro-batch, down to single windows.

    Args:
        build: makes the untrained model.
        samples: to learn from.
        context: whose state directory is emptied before another attempt, because a checkpoint holds on to
            the micro-batch that it was begun with.
        effective_batch: of the recipe; the micro-batch where the context names none.

    Raises:
        ModelError, MemoryError, RuntimeError: not even one window fits.
    """
    micro_batch = min(context.micro_batch or effective_batch, effective_batch)
    while True:
        model = build()
        try:
            attempt = replace(context, micro_batch=micro_batch)
            return model.fit(samples.train, samples.selection, attempt)
        except Exception as error:
            if micro_batch == 1 or not model.metadata.network or not for_lack_of_memory(error):
                raise
        # Outside of the handler: until then the error's frames hold network and optimiser.
        micro_batch //= 2
        del model
        _release()
        shutil.rmtree(context.state_dir, ignore_errors=True)
        say(
            f"search: out of memory; once more with {micro_batch} windows per forward pass. The effective "
            "batch stays."
        )


def for_lack_of_memory(error: BaseException | None) -> bool:
    """Whether an error, or one that it was raised from, means that memory ran out."""
    while error is not None:
        if is_out_of_memory(error):
            return True
        error = error.__cause__
    return False


def _release() -> None:
    """Give the memory of the failed attempt back to the device."""
    gc.collect()
    torch = sys.modules.get("torch")  # not imported here: a model may do without
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()
    if torch is not None and torch.backends.mps.is_available():
        torch.mps.empty_cache()
