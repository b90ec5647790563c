"""Validates the study before anything runs; the look-ups, path patterns and resources that the rules share."""

import re
import sys
from pathlib import Path

from lib.config.versions import stage_versions
from lib.data.vintage import check_vintage
from lib.errors import StudyError
from lib.study.awake import stay_awake
from lib.study.preregistration import (
    confirmatory_contrasts,
    record_declarations,
    record_opening,
)
from lib.study.missing_files import check_files
from lib.training.threads import spin_briefly
from lib.jobs.ancient_inputs import (
    look_behind_ancient_inputs,
    overlook_among_recorded_inputs,
)
from lib.jobs.arguments import command_line
from lib.jobs.cores import tell_jobs
from lib.jobs.io_counters import measure_without_bytes, say_what_is_not_measured
from lib.jobs.job_resources import JobResources, channels_memory, dataset_memory
from lib.jobs.paths import (
    BATCH_KEY,
    META_DATASET,
    PATHS,
    RUN_KEY,
    SEARCHED_KEY,
    SEARCH_KEY,
)
from lib.jobs.current_study import enter, is_imported, planned, record_start
from lib.jobs.rule_inputs import (
    DATASET,
    QUALITY,
    SAMPLES,
    RuleInputs,
    checked,
    dataset_files,
    is_finished,
    quality_files,
    search_key,
)
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
SEARCH = PATHS.search
SEARCHED = f"results/hpo/{SEARCHED_KEY}"
CALENDAR = f"data/calendars/{PLAN.config.data.validation.calendar}.parquet"
PRIMARY = PLAN.data.primary_symbol(PLAN.config.data.vintage)

INPUTS = RuleInputs(PLAN, workflow.is_main_process)

# What a job requests from a cluster, by budget; a profile's `set-resources` overrides it. A training that meets its time
# limit is continued, so minutes need not cover the longest one. On one machine only the threads count.
RESOURCES = JobResources(
    PLAN,
    threads={"none": 1, "2M": 2, "20M": 4, "200M": 8},
    memory_mb={"none": 4000, "2M": 4000, "20M": 8000, "200M": 16000},
    minutes={"none": 60, "2M": 240, "20M": 720, "200M": 1440},
)


def run_labels(figure):
    """What tells the figures of single runs apart in Snakemake's own report."""
    words = ("model", "budget", "dataset", "timescale", "variant", "seed")
    return {word: f"{{{word}}}" for word in words} | {"figure": figure}
