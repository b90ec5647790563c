"""What the three libraries of boosted trees share: labels, losses by round, and what cannot be learned."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from scipy.special import expit

from lib.datasets.windows import Samples
from lib.errors import ModelError
from lib.metrics.losses import intercept_refitted_loss
from lib.models import classes
from lib.models.contract import Model
from lib.models.rounds import history_row, untrained_result
from lib.models.storage import read_plain, write_plain
from lib.training.context import TrainingContext, TrainingResult


class BoostedTrees(Model):
    """Trees on the channels of the last bar, grown until the selection loss stops falling."""

    trees_file: ClassVar[str]
    """Where the library stores its trees."""
    booster: Any = None
    rounds: int = 0
    """Trees up to the best round."""
    present: list[int]
    """Columns of the classes seen in training, where there are three."""

    @abstractmethod
    def grow(self, train: Samples, selection: Samples, threads: int | None) -> tuple[np.ndarray, np.ndarray]:
        """Fill `booster`, grown until the validation loss stops falling; training and validation loss of
        each round."""

    @abstractmethod
    def raw(self, samples: Samples, rounds: int) -> np.ndarray:
        """(n,) probability of class 1 or return; (n, classes present) probabilities where there are three.
        From the trees of the first `rounds`."""

    @abstractmethod
    def staged(self, samples: Samples, rounds: int) -> Iterator[np.ndarray]:
        """What `raw` gives after each of the first `rounds`, each tree evaluated once."""

    @abstractmethod
    def write_trees(self, path: Path) -> None:
        """Store the booster in the library's own format, one that executes nothing."""

    @abstractmethod
    def read_trees(self, path: Path) -> Any:
        """The opposite."""

    def fit(self, train: Samples, selection: Samples, context: TrainingContext) -> TrainingResult:
        """Grow trees until the validation loss has not fallen for `early_stopping_rounds`, then keep the
        rounds up to the smallest selection loss (intercept re-fitted, as for every model).

        Raises:
            ModelError: as `check_training`, or the training targets are all the same.
        """
        self.check_training(train, selection)
        if np.ptp(train.target) == 0:
            raise ModelError(
                f"{type(self).__name__}: all training targets are the same; nothing can be learned. Choose "
                "another threshold, or earlier splits."
            )
        begin = time.monotonic()
        self.present = classes.seen(train.target, self.problem.classes) if self.problem.ternary else []
        curves = self.grow(train, selection, context.job_threads)
        chosen_by = [
            intercept_refitted_loss(selection.target, self._spread(out), self.problem.binary)
            for out in self.staged(selection, len(curves[0]))
        ]
        self.rounds = int(np.argmin(chosen_by)) + 1
        seconds = time.monotonic() - begin
        history = [
            history_row(number, float(a), float(b), c, seconds / len(curves[0]))
            for number, (a, b, c) in enumerate(zip(*curves, chosen_by, strict=True), start=1)
        ]
        return untrained_result(min(chosen_by), seconds, history)

    def forecast(self, samples: Samples) -> np.ndarray:
        """From the trees up to the best round."""
        return self._spread(self.raw(samples, self.rounds))

    def _spread(self, out: np.ndarray) -> np.ndarray:
        """With all three classes as columns, where there are three."""
        return classes.spread(out, self.present, self.problem.classes) if self.problem.ternary else out

    def save(self, folder: Path) -> None:
        """Trees in the library's own format, the rest as JSON."""
        self.write_trees(folder / self.trees_file)
        write_plain(folder, self, {"rounds": self.rounds, "present": self.present})

    @classmethod
    def load(cls, folder: Path) -> Self:
        """From its folder."""
        model, content = read_plain(folder, cls)
        model.booster = model.read_trees(folder / cls.trees_file)
        model.rounds, model.present = int(content["rounds"]), content["present"]
        return model

    def label(self, samples: Samples) -> np.ndarray:
        """(n,): the target, or the number of its class where there are three."""
        if self.problem.ternary:
            return classes.number(samples.target, self.present, self.problem.classes)
        return samples.target

    def from_margin(self, margin: np.ndarray) -> np.ndarray:
        """Sum of the trees' leaves to what `raw` gives."""
        if self.problem.ternary:
            return classes.softmax(margin)
        return expit(margin) if self.problem.binary else margin

    def as_losses(self, curve: list[float]) -> np.ndarray:
        """A library's record of one part; it reports the root of a mean square."""
        losses = np.array(curve, dtype=np.float64)
        return losses if self.problem.classes else losses**2
