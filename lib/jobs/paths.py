"""Path patterns of everything that the workflow makes, shared by rules and previews.

Other rooms receive the patterns they need as arguments.
"""

from pathlib import Path

from lib.study.jobs import Paths

_RUN = "{variant}/{dataset}/{timescale}/{task}/h{horizon}/{model}/{budget}"
_SEARCH = f"results/hpo/{_RUN}/search{{search}}"

PATHS = Paths(
    run=f"results/runs/{_RUN}/seed{{seed}}",
    search=_SEARCH,
    transfer_check=f"{_SEARCH}/transfer_check/{{size}}.parquet",
    batch_size="results/batch_sizes/{dataset}/{timescale}/{model}/{budget}.json",
    dataset="data/processed/{vintage}/{dataset}/{timescale}",
    quality="data/raw/{vintage}/quality/{dataset}",
    bars="data/processed/{vintage}/bars/{timescale}/{symbol}",
    prices="data/raw/{vintage}/prices/{symbol}",
    series="data/raw/{vintage}/series/{series}",
    phase="results/{phase}",
    prediction="results/predicted/{axis}/{name}.json",
)

STATES = Path("results/state/runs")
"""State directories of trainings, in the same order of folders as their runs."""
_RUNS = Path("results/runs")


def state_of(run: Path) -> Path:
    """Where a run's training keeps its state."""
    return STATES / run.relative_to(_RUNS)


def predictions_of(state: Path) -> Path:
    """The test predictions of the run whose state this is."""
    return _RUNS / state.relative_to(STATES) / "predictions" / "test.parquet"
