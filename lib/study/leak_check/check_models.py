"""Models: a fit depends on nothing later than the selection part, a forecast on its own window alone.

Fitted for one round on a small made-up market, with the settings of a run. How a model uses the selection
targets is seen only where a fit has one round: among several it may choose by them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import polars as pl

from lib.config.base import split_dataset
from lib.config.data import SplitConfig
from lib.config.resolve import ResolvedRun, RunSpecification, resolve
from lib.config.series_table import SeriesFile
from lib.config.training import Runtime
from lib.data.assets import series_of
from lib.data.series import combine_files, publish
from lib.datasets.windows import Samples
from lib.errors import StudyError
from lib.features.assembly import assemble
from lib.features.bars import resample
from lib.features.catalogue import LOOK_BACK_CAP
from lib.features.groups import SeriesInput
from lib.features.schema import channel_names
from lib.features.slower import SLOWER
from lib.models.contract import Model
from lib.models.job import model_for, samples_for
from lib.study.leak_check.check_features import FIRST, LAST, made_prices, weekdays
from lib.study.leak_check.check_series import made_observations
from lib.study.leak_check.futures import CUT_OFF, KINDS, with_future
from lib.study.leak_check.outcome import Outcome
from lib.training.context import TrainingContext

BARS = 400
"""Of each of two symbols, beside the warm-up and the first window."""
TRAIN, VALIDATION = 0.55, 0.8
"""Shares of the dates after which training and validation end."""
ROUNDING = 1e-5
"""So much may a forecast differ that is made beside fewer windows: sums of another length round otherwise."""


def check_model(name: str, specification: RunSpecification, series: SeriesFile, own: bool = True) -> Outcome:
    """The verdict on one model.

    Args:
        name: of its file in config/models/.
        specification: of a run of it, whose settings, architecture and kind of dataset are taken.
        series: definitions, for datasets that have some.
        own: whether it is the user's, or was requested by name.
    """
    what = f"model:{name}"
    try:
        with TemporaryDirectory(prefix="leak-check-") as folder:
            trial = Trial(specification, series, Path(folder))
            if not trial.again_the_same():
                return Outcome(what, "unclear", "fitted twice, it forecasts otherwise; use context.seed", own)
            leaks = [*trial.leaks_of_fitting(), *trial.leaks_of_forecasting()]
            notes = trial.notes
    except StudyError as error:
        return Outcome(what, "unclear", str(error), own)
    except Exception as error:  # a user's code may raise anything
        return Outcome(what, "unclear", f"it fails: {type(error).__name__}: {error}", own)
    if leaks:
        return Outcome(what, "leak", "; ".join(leaks), own)
    return Outcome(what, "clean", "; ".join(["the same fit and forecasts whatever the future", *notes]), own)


def made_table(specification: RunSpecification, file: SeriesFile) -> pl.DataFrame:
    """A dataset table like the run's, of two made-up symbols and made-up series."""
    dataset, timescale = str(specification.run["dataset"]), str(specification.run["timescale"])
    sessions, (_, _, tier) = weekdays(FIRST, LAST), split_dataset(dataset)
    rows = LOOK_BACK_CAP[timescale] + specification.context_length + BARS
    prices = {label: made_prices(FIRST, LAST, n) for n, label in enumerate("XY", 1)}
    bars = {s: resample(p, timescale, sessions).tail(rows) for s, p in prices.items()}  # type: ignore[arg-type]
    slow = SLOWER if timescale == "multires" else ()
    slower = {s: {each: resample(p, each, sessions) for each in slow} for s, p in prices.items()}
    members = series_of(dataset, file)

    def values(name: str) -> pl.DataFrame:
        definition = file.series[name]
        if definition.combine:
            first, second = (values(part) for part in definition.combine.members)
            return combine_files(first, second, name, definition.combine)
        return publish(made_observations(name, definition, 5000), name, definition)

    series = [SeriesInput(n, file.series[n].group, True, values(n)) for n in members.names]
    return assemble(bars, tier, timescale, series, None, None, slower)  # type: ignore[arg-type]


class Trial:
    """One model on a made-up market, to be fitted again and again with other futures."""

    def __init__(self, specification: RunSpecification, series: SeriesFile, folder: Path) -> None:
        self.table = made_table(specification, series).sort("symbol", "date")
        self.resolved = self._small(specification)
        self.parts = samples_for(self.resolved, self.table)
        self.notes: list[str] = []
        self._folders = (folder / str(number) for number in count())
        self._channels = channel_names(self.table)
        last = self.parts.selection.dates.max()
        self._after_selection = (self.table["date"] > last.item()).rename("later")
        self.model, self.rounds = self._fitted(self.parts.train, self.parts.selection)
        self.forecasts = self._forecasts(self.model)

    def _small(self, specification: RunSpecification) -> ResolvedRun:
        days = self.table["date"].unique().sort()
        begin = specification.context_length - 1
        first, second = (days[begin + round(share * (len(days) - begin))] for share in (TRAIN, VALIDATION))
        later = {day: days.filter(days > day)[0] for day in (first, second)}
        splits = SplitConfig(
            train_end=first, validation_start=later[first], validation_end=second, test_start=later[second],
            minimum_class_count=1, allow_small=True,
        )  # fmt: skip
        # One validation: nothing to choose.
        once = {"max_steps": 10, "validate_every_steps": 10, "decay_steps": 5}
        recipe = specification.recipe.model_copy(update=once)
        small = {"recipe": recipe, "splits": splits, "train_fraction": 1.0, "labels": "true"}
        return resolve(specification.model_copy(update=small))

    def _fitted(self, train: Samples, selection: Samples) -> tuple[Model, int]:
        model = model_for(self.resolved, self.parts)
        runtime = Runtime(device="cpu", precision="fp32", compile="off")
        context = TrainingContext(model.seed, next(self._folders), runtime=runtime)
        return model, len(model.fit(train, selection, context).history)

    def _forecasts(self, model: Model) -> np.ndarray:
        return np.concatenate([_numbers(model, part) for part in (self.parts.calibration, self.parts.test)])

    def again_the_same(self) -> bool:
        """Whether the same fit gives the same forecasts."""
        again, _ = self._fitted(self.parts.train, self.parts.selection)
        return np.array_equal(self._forecasts(again), self.forecasts)

    def leaks_of_fitting(self) -> Iterator[str]:
        """What a fit has seen beside training and selection windows."""
        for kind in KINDS:
            train, selection = (
                self._with_future(part, kind, self._after_selection)
                for part in (self.parts.train, self.parts.selection)
            )
            try:
                found = self._forecasts(self._fitted(train, selection)[0])
            except Exception as error:  # it could be fitted before
                yield f"fit needs bars after selection: {kind}, it fails with {type(error).__name__}: {error}"
                break
            if not np.array_equal(found, self.forecasts):
                size = np.abs(found - self.forecasts).max()
                yield f"fit sees bars after selection: {kind}, they move its forecasts by up to {size:.2g}"
                break
        selection = self.parts.selection
        flipped = 1 - selection.target if self.model.problem.binary else -selection.target
        other, _ = self._fitted(self.parts.train, replace(selection, target=flipped))
        if np.array_equal(self._forecasts(other), self.forecasts):
            return
        if self.rounds == 1:
            yield "fit learns from the selection targets, though it has one round and nothing to choose"
        else:
            self.notes.append(f"it chooses among {self.rounds} rounds by the selection targets, as it may")

    def leaks_of_forecasting(self) -> Iterator[str]:
        """What a forecast depends on beside its own window."""
        test = self.parts.test
        cut = np.unique(test.dates)[len(np.unique(test.dates)) // 2]
        early, known = test.dates <= cut, _numbers(self.model, test)
        later = (self.table["date"] > cut.item()).rename("later")
        untold = replace(test, target=np.full_like(test.target, np.nan))
        if not np.array_equal(_numbers(self.model, untold), known):
            yield "a forecast depends on the targets of the windows that are forecast"
        for kind in KINDS:
            if kind == CUT_OFF:
                continue
            found = _numbers(self.model, self._with_future(test, kind, later))
            if not np.array_equal(found[early], known[early]):
                size = np.abs(found - known)[early].max()
                yield f"a forecast sees bars after its window: {kind}, they move it by up to {size:.2g}"
                break
        fewer = self._with_future(_chosen(test, early), CUT_OFF, later)
        alone = _chosen(test, np.arange(len(test)) == np.flatnonzero(early)[-1])
        for words, samples, expected in (
            ("without the later windows", fewer, known[early]),
            ("alone", alone, known[early][-1:]),
        ):
            found = _numbers(self.model, samples)
            if not np.allclose(found, expected, rtol=ROUNDING, atol=ROUNDING * np.abs(known).max()):
                size = np.abs(found - expected).max()
                yield f"a window that is forecast {words} gets another forecast (by up to {size:.2g})"

    def _with_future(self, samples: Samples, kind: str, later: pl.Series) -> Samples:
        """The same windows on a matrix whose marked rows are gone or hold other values."""
        frame = self.table.select(self._channels).with_columns(later)
        changed = with_future(frame, kind, pl.col("later"), [[name] for name in self._channels])
        matrix = changed.select(pl.col(self._channels).cast(pl.Float32)).to_numpy(order="c")
        if kind != CUT_OFF:
            return replace(samples, matrix=matrix)
        rows = np.cumsum(~later.to_numpy()) - 1
        return replace(samples, matrix=matrix, ends=rows[samples.ends])


def _chosen(samples: Samples, which: np.ndarray) -> Samples:
    names = ("ends", "target", "dates", "symbols")
    return replace(samples, **{name: getattr(samples, name)[which] for name in names})


def _numbers(model: Model, samples: Samples) -> np.ndarray:
    """(n, values): what a model says of each window."""
    found = model.predict(samples)
    return found.prediction[:, None] if found.probability is None else found.probability
