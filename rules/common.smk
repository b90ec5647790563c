"""Validates the study before anything runs, names every path pattern once, and expands runs into targets."""

import json
import re
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

from lib.config.versions import stage_versions
from lib.data.vintage import check_vintage
from lib.errors import StudyError
from lib.study.awake import stay_awake
from lib.study.preregistration import (
    confirmatory_contrasts,
    record_declarations,
    record_opening,
)
from lib.study.data_plan import feature_identity
from lib.study.missing_files import check_files
from lib.training.threads import spin_briefly
from lib.jobs.ancient_inputs import (
    look_behind_ancient_inputs,
    overlook_among_recorded_inputs,
)
from lib.jobs.arguments import command_line
from lib.jobs.cores import tell_jobs
from lib.jobs.io_counters import measure_without_bytes, say_what_is_not_measured
from lib.jobs.paths import PATHS
from lib.jobs.current_study import enter, is_imported, planned, record_start
from lib.jobs.snakemake_targets import check_targets, datasets_asked_for

# A named study works in a folder of its own, below the directory where Snakemake was started (or --directory).
try:
    enter(config, Path.cwd())
    PLAN = planned(config)
    for vintage in PLAN.vintages:
        check_vintage(Path("data/raw") / vintage, PLAN.data.source_settings(vintage))
    if workflow.is_main_process:
        asked_for = datasets_asked_for(PLAN, command_line().targets)
        check_files(PLAN.data, is_imported, asked_for)
except (StudyError, OSError) as error:
    sys.exit(str(error))  # Snakemake would add lines of a traceback

VERSIONS = stage_versions()

# What decides the measures of a run: opening the confirmation is no reason to measure runs again.
MEASURES = PLAN.config.evaluation.model_dump_json(exclude={"confirmation"})

spin_briefly()
tell_jobs(workflow.resource_settings.cores)
look_behind_ancient_inputs()
# Another question about existing runs is no reason to train them again.
overlook_among_recorded_inputs(PATHS.prediction.split("{")[0])
measure_without_bytes()


wildcard_constraints:
    vintage=r"[A-Za-z0-9][A-Za-z0-9._-]*",
    symbol=r"[A-Za-z0-9^.=_-]+",
    series=r"[A-Z][A-Z0-9_]*",
    calendar=r"[A-Z0-9]+",
    dataset=r"[A-E][a-d](?:20|50|100|200|500|1000|2000)",
    timescale=r"daily|2d|3d|5d|weekly|2wk|monthly|multires",
    variant=r"[A-Za-z0-9][A-Za-z0-9._-]*",
    task=r"direction|threshold_[1235]pct|regression|triple_barrier",
    horizon=r"[1-9][0-9]*",
    model=r"[A-Za-z0-9][A-Za-z0-9._-]*",
    budget=r"2M|20M|200M|none",
    seed=r"[0-9]+",
    search=r"[1-9][0-9]*",
    searched=r"2M|20M|200M",
    worker=r"[0-9]+",
    name=r"[A-Za-z0-9][A-Za-z0-9._-]*",
    day=r"[0-9]{4}-[0-9]{2}-[0-9]{2}",
    meta=r"[A-Za-z0-9][A-Za-z0-9._-]*",
    phase=r"phase[0-9]+",
    axis=r"parameters|data",
    id="|".join(map(re.escape, PLAN.ids)) or r"(?!)",


RUN = PATHS.run
PREDICTION = PATHS.prediction
SEARCH = PATHS.search
BATCH_SIZE = PATHS.batch_size
CALENDAR = f"data/calendars/{PLAN.config.data.validation.calendar}.parquet"
DATASET = f"{PATHS.dataset}.parquet"
META_DATASET = "results/meta/{meta}/dataset.parquet"
QUALITY = f"{PATHS.quality}.json"
SAMPLES = f"{PATHS.dataset}.samples.json"

BEST = f"{SEARCH}/best.json"
TRANSFER_CHECK = PATHS.transfer_check

# What a job requests from a cluster, by budget; a profile's `set-resources` overrides it. A training that meets its time
# limit is continued, so minutes need not cover the longest one. On one machine only the threads count.
THREADS = {"none": 1, "2M": 2, "20M": 4, "200M": 8}
MEMORY_MB = {"none": 4000, "2M": 4000, "20M": 8000, "200M": 16000}
MINUTES = {"none": 60, "2M": 240, "20M": 720, "200M": 1440}


def size_of(wildcards):
    """The budget whose resources a job gets: networks without a budget are small, but take longer than a moment."""
    if PLAN.has_weights(wildcards.model, wildcards.budget):
        return wildcards.budget
    return "2M" if PLAN.uses_gpu(wildcards.model) else "none"


def threads_of(wildcards):
    """CPUs of a job that trains."""
    return THREADS[size_of(wildcards)]


def memory_of(wildcards):
    """Memory of a job that trains, in MB: its network, and the channels of its dataset."""
    return MEMORY_MB[size_of(wildcards)] + channels_memory(wildcards)


def minutes_of(wildcards):
    """Time limit of a training."""
    return MINUTES[size_of(wildcards)]


def search_minutes_of(wildcards):
    """Time limit of a search, which is continued as a training is: thrice that of one, at most a day."""
    return min(3 * minutes_of(wildcards), MINUTES["200M"])


def submission_of(wildcards):
    """The group of a training: those that take a moment share a submission; a meta-module waits for them."""
    short = size_of(wildcards) == "none" and not PLAN.meta.of(run_of(wildcards))
    return "short" if short else None


def channels_memory(wildcards):
    """Memory for the channels of a dataset, in MB: in row D one is 0.33 MB (8,300 days, ten symbols), and copied."""
    return 2 * int(wildcards.dataset[2:])


def checked(look_up, *words):
    """A look-up in the plan whose refusal ends the workflow with its message."""
    try:
        return look_up(*words)
    except (StudyError, OSError) as error:
        raise WorkflowError(str(error)) from None


def raw_prices(vintage, dataset=None):
    """Price files of a vintage, or of one dataset of it."""
    symbols = checked(PLAN.data.symbols, vintage, dataset)
    return [f"data/raw/{vintage}/prices/{symbol}.parquet" for symbol in symbols]


def raw_series(vintage, dataset=None):
    """Series files of a vintage, or of one dataset of it."""
    names = checked(PLAN.data.series, vintage, dataset)
    return [f"data/raw/{vintage}/series/{name}.parquet" for name in names]


def raw_series_and_parts(vintage, dataset):
    """Series files of a dataset, and of what its combined series are made of."""
    names = checked(PLAN.data.series_and_parts, vintage, dataset)
    return [f"data/raw/{vintage}/series/{name}.parquet" for name in names]


def quality_files(datasets):
    """Findings about the raw data of some datasets, each (vintage, dataset, timescale)."""
    pairs = sorted({(vintage, dataset) for vintage, dataset, _ in datasets})
    return [
        QUALITY.format(vintage=vintage, dataset=dataset) for vintage, dataset in pairs
    ]


def quality_of_scope(wildcards):
    """The same of a report's datasets."""
    return quality_files(scope_of(wildcards).datasets)


def raw_of_scope(wildcards):
    """Raw files that a report's datasets are made of."""
    pairs = {(vintage, name) for vintage, name, _ in scope_of(wildcards).datasets}
    return sorted(
        {
            path
            for vintage, name in pairs
            for path in raw_prices(vintage, name) + raw_series_and_parts(vintage, name)
        }
    )


def raw_by_dataset(datasets):
    """Raw files of each dataset, separated by commas."""
    return [
        ",".join(raw_prices(vintage, dataset) + raw_series(vintage, dataset))
        for vintage, dataset, _ in datasets
    ]


def bars_of(wildcards, timescale):
    """Bars of a dataset's symbols; multires has daily ones."""
    return expand(
        "data/processed/{vintage}/bars/{timescale}/{symbol}.parquet",
        vintage=wildcards.vintage,
        timescale="daily" if timescale == "multires" else timescale,
        symbol=checked(PLAN.data.symbols, wildcards.vintage, wildcards.dataset),
    )


def is_finished(run):
    """Whether a run's predictions are there."""
    return Path(RUN.format(**run.fields()), "predictions", "test.parquet").is_file()


def scope_of(wildcards):
    """What a report covers: a phase of the study, or all of it."""
    return checked(PLAN.scope, wildcards.get("phase"))


def run_folders(wildcards):
    """Folders of all runs that a report covers."""
    return [RUN.format(**run.fields()) for run in scope_of(wildcards).runs]


def run_predictions(wildcards):
    """Test predictions of all runs that a report covers."""
    return [f"{run}/predictions/test.parquet" for run in run_folders(wildcards)]


def run_datasets(wildcards):
    """Dataset file of each of those runs."""
    return [dataset_file(run) for run in scope_of(wildcards).runs]


def run_primaries(wildcards):
    """Symbol that gives the primary measure of each of those runs."""
    runs = scope_of(wildcards).runs
    return [PLAN.data.primary_symbol(PLAN.vintage(run)) for run in runs]


def search_workers(wildcards):
    """Outputs of all but the first worker, of the searches that a report covers."""
    return [
        f"{search}/workers/{worker}.json"
        for search in scope_of(wildcards).search_paths(SEARCH)
        for worker in range(2, PLAN.config.search.workers + 1)
    ]


def searches_of(wildcards):
    """What the searches found that a report covers."""
    return scope_of(wildcards).search_paths(BEST)


def dataset_files(wildcards, pattern=DATASET):
    """Dataset files (or what belongs to them) of a report."""
    return [
        pattern.format(vintage=vintage, dataset=dataset, timescale=timescale)
        for vintage, dataset, timescale in scope_of(wildcards).datasets
    ]


def run_labels(figure):
    """What tells the figures of single runs apart in Snakemake's own report."""
    words = ("model", "budget", "dataset", "timescale", "variant", "seed")
    return {word: f"{{{word}}}" for word in words} | {"figure": figure}


def run_of(wildcards):
    """The declared run that a path names."""
    return checked(PLAN.run, dict(wildcards))


def specification(wildcards):
    """What decides the result of a run, as canonical JSON: a change re-trains, nothing else does."""
    return PLAN.specification(run_of(wildcards)).to_json()


def dataset_of(wildcards):
    """Dataset file of a run: in the vintage that its variant uses, or a meta-module's stacked forecasts."""
    return dataset_file(run_of(wildcards))


def dataset_file(run):
    """The same of a run."""
    meta = PLAN.meta.of(run)
    return META_DATASET.format(meta=meta) if meta else declared_dataset(run)


def declared_dataset(run):
    """Dataset file that the key of a run names."""
    return DATASET.format(
        vintage=PLAN.vintage(run), dataset=run.dataset, timescale=run.timescale
    )


def samples_of(wildcards):
    """The checked sample counts and base rates that must exist before a run may train.

    Stacked forecasts have none: they are checked when they are loaded.
    """
    run = run_of(wildcards)
    if PLAN.meta.of(run):
        return []
    return SAMPLES.format(
        vintage=PLAN.vintage(run), dataset=run.dataset, timescale=run.timescale
    )


def batch_size_for(wildcards):
    """The found batch size of a shape; nothing for models without weights of a budget."""
    sized = PLAN.has_weights(wildcards.model, wildcards.budget)
    return BATCH_SIZE.format(**wildcards) if sized else []


def predictions_before(wildcards):
    """What must be recorded before a run may train, where it is the largest of a question.

    A run that is there already cannot wait for what is not. A job's own process has its place in the order.
    """
    if not workflow.is_main_process:
        return []
    run = run_of(wildcards)
    keys = PLAN.predictions.before(run)
    records = [PREDICTION.format(axis=axis, name=name) for axis, name in keys]
    if not records or not is_finished(run):
        return records
    return [record for record in records if Path(record).is_file()]


def best_of(wildcards):
    """The search a run is trained with; nothing with `tuning: none`."""
    run = run_of(wildcards)
    words = PLAN.searches.words(run)
    return BEST.format(**words) if words else []


def search_words(wildcards):
    """Key of the search that a path names, whichever of its outputs it is."""
    words = {name: word for name, word in wildcards.items() if name != "worker"}
    return words | {"budget": words.pop("searched", wildcards.budget)}


def searched_data(wildcards, pattern):
    """Dataset file of a search, or what belongs to it."""
    vintage = checked(PLAN.searches.vintage, search_words(wildcards))
    return pattern.format(vintage=vintage, **dict(wildcards))


def transfer_checks(wildcards):
    """Whether transferred recipes hold at every size, of the searches that a report covers."""
    return scope_of(wildcards).check_paths(TRANSFER_CHECK)


def production_quality(wildcards):
    """Findings about the raw data that a production model's forecast is made of."""
    words = checked(PLAN.production_dataset, Path("results/production"), wildcards.name)
    return QUALITY.format(**words)


def production_dataset(wildcards):
    """Dataset file that a production model reads, in the vintage of this configuration."""
    return DATASET.format(
        **checked(PLAN.production_dataset, Path("results/production"), wildcards.name)
    )


def production_data(wildcards):
    """Source and identity of the features of that dataset, as canonical JSON."""
    words = checked(PLAN.production_dataset, Path("results/production"), wildcards.name)
    features = feature_identity(words["dataset"], words["timescale"])
    content = {"source": PLAN.config.data.source, "features": features}
    return json.dumps(content, sort_keys=True)
