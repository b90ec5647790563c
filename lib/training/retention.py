"""What a training keeps, and how much disk and memory that takes. Imports no torch."""

FINISHED = "finished.pt"
"""The result of a finished training in its state directory, in place of the checkpoints on the way to it."""
KEPT_STATES = 4
"""Of runs that are done: Snakemake deletes the outputs of a job that dies, even after its last line."""

LARGE_MODEL = 100_000_000
"""Above this many parameters one checkpoint (weights and two moments) is over 1.2 GB: only one is kept."""


def kept_checkpoints(n_parameters: int, configured: int) -> int:
    """How many checkpoints to keep of a network of this size."""
    return 1 if n_parameters > LARGE_MODEL else configured


def checkpoint_bytes(weights: int, trained: int, keep: int, averaged: bool = False) -> int:
    """Most that the checkpoints of one training take at any moment.

    Args:
        weights: bytes of all weights and buffers.
        trained: bytes of the weights that are trained; the optimiser keeps two moments of each.
        keep: checkpoints that are kept, each with the best weights.
        averaged: whether an average of the weights is kept as well.
    """
    copies = 3 if averaged else 2
    # One more of each than is kept: the new one is written before the oldest is deleted.
    return (keep + 1) * (weights + copies * trained) + (keep + 1) * weights


def state_bytes(weights: int, keep: int) -> int:
    """Most that the state directories of trainings take at any moment, if all weights are trained.

    Args:
        weights: bytes of a network's weights.
        keep: checkpoints that are kept.
    """
    return checkpoint_bytes(weights, weights, keep) + KEPT_STATES * weights
