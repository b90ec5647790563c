"""Inputs and parameters of the rules: from the wildcards of a path to files and declarations, by the plan.

Looks up only: whether a study is valid is settled when its plan is made. A refusal ends the workflow with its
message, which Snakemake would otherwise wrap in a traceback.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from functools import wraps
from pathlib import Path
from typing import Any

from snakemake.exceptions import WorkflowError

from lib.config.run_key import Run
from lib.data.io import read_json
from lib.errors import StudyError
from lib.jobs.paths import META_DATASET, PATHS, PRODUCTION
from lib.study.data_plan import feature_identity
from lib.study.plan import Plan
from lib.study.scope import Scope

Wildcards = Any
"""Snakemake's wildcards: a mapping whose values are attributes, too."""
DATASET = f"{PATHS.dataset}.parquet"
SAMPLES = f"{PATHS.dataset}.samples.json"
QUALITY = f"{PATHS.quality}.json"
BEST = f"{PATHS.search}/best.json"
DatasetKey = tuple[str, str, str]
"""Vintage, dataset and timescale."""


def checked[**P, T](look_up: Callable[P, T]) -> Callable[P, T]:
    """A look-up whose refusal ends the workflow with its message."""

    @wraps(look_up)
    def look(*words: P.args, **named: P.kwargs) -> T:
        try:
            return look_up(*words, **named)
        except (StudyError, OSError) as error:
            raise WorkflowError(str(error)) from None

    return look


def is_finished(run: Run) -> bool:
    """Whether a run's predictions are there."""
    return Path(PATHS.run.format(**run.fields()), "predictions", "test.parquet").is_file()


class RuleInputs:
    """Look-ups in a plan for the rules. Methods without a remark take the wildcards of a rule.

    Args:
        plan: of the study.
        is_main: whether this process plans the jobs; the process of a single job looks nothing up but its own
            files.
    """

    def __init__(self, plan: Plan, is_main: bool = True) -> None:
        self._plan, self._is_main = plan, is_main

    # Raw data

    @checked
    def prices(self, vintage: str, dataset: str | None = None) -> list[str]:
        """Price files of a vintage, or of one dataset of it."""
        symbols = self._plan.data.symbols(vintage, dataset)
        return [f"{PATHS.prices.format(vintage=vintage, symbol=symbol)}.parquet" for symbol in symbols]

    @checked
    def series(self, vintage: str, dataset: str | None = None) -> list[str]:
        """Series files of a vintage, or of one dataset of it."""
        return _series_files(vintage, self._plan.data.series(vintage, dataset))

    @checked
    def series_and_parts(self, vintage: str, dataset: str) -> list[str]:
        """Series files of a dataset, and of what its combined series are made of."""
        return _series_files(vintage, self._plan.data.series_and_parts(vintage, dataset))

    def raw_of_scope(self, wildcards: Wildcards) -> list[str]:
        """Raw files that a report's datasets are made of."""
        found: set[str] = set()
        for vintage, name in {(vintage, name) for vintage, name, _ in self.scope(wildcards).datasets}:
            found.update(self.prices(vintage, name), self.series_and_parts(vintage, name))
        return sorted(found)

    def raw_by_dataset(self, datasets: Iterable[DatasetKey]) -> list[str]:
        """Raw files of each of some datasets, separated by commas."""
        return [
            ",".join(self.prices(vintage, dataset) + self.series(vintage, dataset))
            for vintage, dataset, _ in datasets
        ]

    # Datasets

    @checked
    def bars(self, wildcards: Wildcards, timescale: str) -> list[str]:
        """Bars of a dataset's symbols; multires has daily ones."""
        shown = "daily" if timescale == "multires" else timescale
        vintage = wildcards.vintage
        return [
            f"{PATHS.bars.format(vintage=vintage, timescale=shown, symbol=symbol)}.parquet"
            for symbol in self._plan.data.symbols(vintage, wildcards.dataset)
        ]

    def slower_bars(self, wildcards: Wildcards) -> list[str]:
        """Weekly and monthly bars beside the daily ones of multires."""
        slower = ("weekly", "monthly") if wildcards.timescale == "multires" else ()
        return [path for timescale in slower for path in self.bars(wildcards, timescale)]

    def quality(self, wildcards: Wildcards) -> list[str]:
        """Findings about the raw data of a report's datasets."""
        return quality_files(self.scope(wildcards).datasets)

    def datasets(self, wildcards: Wildcards, pattern: str = DATASET) -> list[str]:
        """Dataset files (or what belongs to them) of a report."""
        return dataset_files(self.scope(wildcards).datasets, pattern)

    # Reports

    @checked
    def scope(self, wildcards: Wildcards) -> Scope:
        """What a report covers: a phase of the study, or all of it."""
        return self._plan.scope(wildcards.get("phase"))

    def folders(self, wildcards: Wildcards) -> list[str]:
        """Folders of all runs that a report covers."""
        return [PATHS.run.format(**run.fields()) for run in self.scope(wildcards).runs]

    def of_runs(self, *names: str) -> Callable[[Wildcards], list[str]]:
        """An input function: files of all runs that a report covers, by their names in a run's folder."""
        return lambda wildcards: [f"{run}/{name}" for run in self.folders(wildcards) for name in names]

    def ablated(self, wildcards: Wildcards) -> list[str]:
        """Validation predictions of the runs among them that an ablation ranks."""
        runs = [run for run in self.scope(wildcards).runs if self._plan.facts(run)["role"] == "ablation"]
        return _predictions(runs, "val")

    def run_datasets(self, wildcards: Wildcards) -> list[str]:
        """Dataset file of each run that a report covers."""
        return [self.dataset_file(run) for run in self.scope(wildcards).runs]

    def distinct_datasets(self, wildcards: Wildcards) -> list[str]:
        """The same files, each once: thousands of runs share a few."""
        return sorted({*self.run_datasets(wildcards)})

    def run_primaries(self, wildcards: Wildcards) -> list[str | None]:
        """Symbol that gives the primary measure of each of those runs."""
        return [self._primary(run) for run in self.scope(wildcards).runs]

    def searches(self, wildcards: Wildcards, name: str = "best.json") -> list[str]:
        """A file of each search that a report covers."""
        return self.scope(wildcards).search_paths(f"{PATHS.search}/{name}")

    def search_workers(self, wildcards: Wildcards) -> list[str]:
        """Outputs of all but the first worker, of the searches that a report covers."""
        workers = range(2, self._plan.config.search.workers + 1)
        folders = self.scope(wildcards).search_paths(PATHS.search)
        return [f"{search}/workers/{worker}.json" for search in folders for worker in workers]

    def transfer_checks(self, wildcards: Wildcards) -> list[str]:
        """Whether transferred recipes hold at every size, of the searches that a report covers."""
        return self.scope(wildcards).check_paths(PATHS.transfer_check)

    # One run

    @checked
    def run(self, wildcards: Wildcards) -> Run:
        """The declared run that a path names."""
        return self._plan.run(dict(wildcards))

    def specification(self, wildcards: Wildcards) -> str:
        """What decides the result of a run, as canonical JSON: a change re-trains, nothing else does."""
        return self._plan.specification(self.run(wildcards)).to_json()

    def primary(self, wildcards: Wildcards) -> str | None:
        """Symbol that gives the primary measure of a run."""
        return self._primary(self.run(wildcards))

    def dataset(self, wildcards: Wildcards) -> str:
        """Dataset file of a run: in the vintage that its variant uses, or a meta-module's stacked
        forecasts."""
        return self.dataset_file(self.run(wildcards))

    def dataset_file(self, run: Run) -> str:
        """The same of a run."""
        meta = self._plan.meta.of(run)
        return META_DATASET.format(meta=meta) if meta else self._of_key(run, DATASET)

    def samples(self, wildcards: Wildcards) -> str | list[str]:
        """The checked sample counts and base rates that must exist before a run may train.

        Stacked forecasts have none: they are checked when they are loaded.
        """
        run = self.run(wildcards)
        return [] if self._plan.meta.of(run) else self._of_key(run, SAMPLES)

    def batch_size(self, wildcards: Wildcards) -> str | list[str]:
        """The found batch size of a shape; nothing for models without weights of a budget."""
        sized = self._plan.has_weights(wildcards.model, wildcards.budget)
        return PATHS.batch_size.format(**wildcards) if sized else []

    def best(self, wildcards: Wildcards) -> str | list[str]:
        """The search a run is trained with; nothing with `tuning: none`."""
        key = self._plan.searches.key(self.run(wildcards))
        return BEST.format(**key) if key else []

    def predictions_before(self, wildcards: Wildcards) -> list[str]:
        """What must be recorded before a run may train, where it is the largest of a question.

        A run that is there already cannot wait for what is not. A job's own process has its place in the
        order.
        """
        if not self._is_main:
            return []
        run = self.run(wildcards)
        keys = self._plan.predictions.before(run)
        records = [PATHS.prediction.format(axis=axis, name=name) for axis, name in keys]
        if not records or not is_finished(run):
            return records
        return [record for record in records if Path(record).is_file()]

    @checked
    def smaller_runs(self, wildcards: Wildcards) -> list[str]:
        """Test predictions that a record of predictions is made from."""
        return _predictions(self._plan.predictions.runs(wildcards.axis, wildcards.name))

    def named_runs(self, wildcards: Wildcards) -> list[str]:
        """Measures of the runs that bear a name of the study."""
        return [f"{PATHS.run.format(**run.fields())}/metrics.json" for run in self._plan.ids[wildcards.id]]

    # Searches

    @checked
    def searched_data(self, wildcards: Wildcards, pattern: str = DATASET) -> str:
        """Dataset file of a search, or what belongs to it."""
        vintage = self._plan.searches.vintage(search_key(wildcards))
        return pattern.format(vintage=vintage, **dict(wildcards))

    # Meta-modules and production models

    @checked
    def meta_dataset(self, wildcards: Wildcards) -> str:
        """The dataset whose forecasts are stacked."""
        return self._of_key(self._plan.meta.learners(wildcards.meta)[0], DATASET)

    @checked
    def meta_bases(self, wildcards: Wildcards) -> list[str]:
        """Test predictions of the base models of a meta-module."""
        return _predictions(self._plan.meta.bases(wildcards.meta))

    @checked
    def meta_learners(self, wildcards: Wildcards, split: str) -> list[str]:
        """Predictions (`val` or `test`) of the models that learn from them."""
        return _predictions(self._plan.meta.learners(wildcards.meta), split)

    def production_quality(self, wildcards: Wildcards) -> str:
        """Findings about the raw data that a production model's forecast is made of."""
        return QUALITY.format(**self._production(wildcards))

    def production_dataset(self, wildcards: Wildcards) -> str:
        """Dataset file that a production model reads, in the vintage of this configuration."""
        return DATASET.format(**self._production(wildcards))

    @checked
    def production_version(self, wildcards: Wildcards) -> str:
        """Folder of a production model's current version."""
        home = PRODUCTION / wildcards.name
        return f"{home}/v{read_json(home / 'current.json', dict)['version']}"

    def production_data(self, wildcards: Wildcards) -> str:
        """Source and identity of the features of that dataset, as canonical JSON."""
        words = self._production(wildcards)
        features = feature_identity(words["dataset"], words["timescale"])
        return json.dumps({"source": self._plan.config.data.source, "features": features}, sort_keys=True)

    @checked
    def _production(self, wildcards: Wildcards) -> dict[str, str]:
        return self._plan.production_dataset(PRODUCTION, wildcards.name)

    def _primary(self, run: Run) -> str | None:
        return self._plan.data.primary_symbol(self._plan.vintage(run))

    def _of_key(self, run: Run, pattern: str) -> str:
        """What belongs to the dataset that the key of a run names."""
        return pattern.format(vintage=self._plan.vintage(run), dataset=run.dataset, timescale=run.timescale)


def search_key(wildcards: Wildcards) -> dict[str, str]:
    """Key of the search that a path names, whichever of its outputs it is."""
    words = {name: word for name, word in wildcards.items() if name != "worker"}
    return words | {"budget": words.pop("searched", wildcards.budget)}


def dataset_files(datasets: Iterable[DatasetKey], pattern: str = DATASET) -> list[str]:
    """Dataset files, or what belongs to them."""
    return [
        pattern.format(vintage=vintage, dataset=dataset, timescale=timescale)
        for vintage, dataset, timescale in datasets
    ]


def quality_files(datasets: Iterable[DatasetKey]) -> list[str]:
    """Findings about the raw data of some datasets."""
    pairs = sorted({(vintage, dataset) for vintage, dataset, _ in datasets})
    return [QUALITY.format(vintage=vintage, dataset=dataset) for vintage, dataset in pairs]


def _series_files(vintage: str, names: Iterable[str]) -> list[str]:
    return [f"{PATHS.series.format(vintage=vintage, series=name)}.parquet" for name in names]


def _predictions(runs: Iterable[Run], split: str = "test") -> list[str]:
    return [f"{PATHS.run.format(**run.fields())}/predictions/{split}.parquet" for run in runs]
