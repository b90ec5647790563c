"""Path patterns of everything that the workflow makes, shared by rules and previews: each stands here once.

Other rooms receive the patterns they need as arguments.
"""

from pathlib import Path

from lib.study.jobs import Paths

_PROBLEM = "{variant}/{dataset}/{timescale}/{task}/h{horizon}"
_SHAPE = f"{_PROBLEM}/{{model}}/{{budget}}"

RUN_KEY = f"{_SHAPE}/seed{{seed}}"
"""Key of a run as folders: below results/runs, and below the logs and benchmarks of each of its rules."""
SEARCH_KEY = f"{_SHAPE}/search{{search}}"
"""The same of a search."""
SEARCHED_KEY = f"{_PROBLEM}/{{model}}/{{searched}}/search{{search}}"
"""The same where `{budget}` is the size at which the recipe of another is checked."""
BATCH_KEY = "{dataset}/{timescale}/{model}/{budget}"
"""Key of a shape, for which a batch size is found."""

PATHS = Paths(
    run=f"results/runs/{RUN_KEY}",
    search=f"results/hpo/{SEARCH_KEY}",
    transfer_check=f"results/hpo/{SEARCH_KEY}/transfer_check/{{size}}.parquet",
    batch_size=f"results/batch_sizes/{BATCH_KEY}.json",
    dataset="data/processed/{vintage}/{dataset}/{timescale}",
    quality="data/raw/{vintage}/quality/{dataset}",
    bars="data/processed/{vintage}/bars/{timescale}/{symbol}",
    prices="data/raw/{vintage}/prices/{symbol}",
    series="data/raw/{vintage}/series/{series}",
    phase="results/{phase}",
    prediction="results/predicted/{axis}/{name}.json",
)
META_DATASET = "results/meta/{meta}/dataset.parquet"
PRODUCTION = Path("results/production")
"""Folder of all production models."""

STATES = Path("results/state/runs")
"""State directories of trainings, in the same order of folders as their runs."""
_RUNS = Path("results/runs")


def state_of(run: Path) -> Path:
    """Where a run's training keeps its state."""
    return STATES / run.relative_to(_RUNS)


def predictions_of(state: Path) -> Path:
    """The test predictions of the run whose state this is."""
    return _RUNS / state.relative_to(STATES) / "predictions" / "test.parquet"
