"""Jobs of a dry run: their trainings and searches, and the phase that needs them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lib.config.run_key import Run

if TYPE_CHECKING:  # every job imports the paths, and a plan takes two seconds to import
    from lib.study.plan import Plan

SEARCH_FIELDS = ("variant", "dataset", "timescale", "task", "horizon", "model", "budget", "search")
"""Key of a search: that of a run, with the searched budget, and the number of the search instead of the
seed."""
Search = tuple[str, ...]
"""The values of these fields."""
Job = tuple[str, list[str]]
"""Rule and outputs."""


@dataclass(frozen=True)
class Paths:
    """Path patterns in the fields of a run key; without suffix, except for `batch_size`."""

    run: str
    search: str
    transfer_check: str
    """Of a search, with the `size` that is checked."""
    batch_size: str
    dataset: str
    quality: str
    """Findings about the raw data of a dataset."""
    bars: str
    prices: str
    series: str
    phase: str
    """Folder of a phase's report."""
    prediction: str
    """Record of the prediction for the largest scale point of a question."""


@dataclass(frozen=True)
class Pending:
    """Trainings and searches that a target has still to wait for."""

    runs: tuple[Run, ...]
    searches: tuple[Search, ...]
    checks: tuple[tuple[Search, str], ...] = ()
    """Of transferred recipes: the search, and the size at which its recipe is checked."""

    def of(self, plan: Plan, runs: Iterable[Run]) -> Pending:
        """What of it some runs need."""
        own = set(runs)
        wanted = {search for run in own if (search := search_of(plan, run))}
        return Pending(
            tuple(run for run in self.runs if run in own),
            tuple(search for search in self.searches if search in wanted),
            tuple(check for check in self.checks if check[0] in wanted),
        )


def search_of(plan: Plan, run: Run) -> Search | None:
    """The search that a run is trained with; None without one."""
    key = plan.searches.key(run)
    return tuple(key.values()) if key else None


def key_of(search: Search) -> dict[str, str]:
    """Fields of a search's key by name."""
    return dict(zip(SEARCH_FIELDS, search, strict=True))


def everything(plan: Plan, runs: Iterable[Run]) -> Pending:
    """Some runs with all their searches, as if nothing were there."""
    listed = tuple(runs)
    searches = dict.fromkeys(search for run in listed if (search := search_of(plan, run)))
    checks = dict.fromkeys(
        (search_of(plan, run) or (), size) for run in listed for size in plan.searches.checked_sizes(run)
    )
    return Pending(listed, tuple(searches), tuple(checks))


def pending_of(plan: Plan, jobs: Sequence[Job], paths: Paths) -> Pending:
    """Trainings and searches among the jobs."""
    outputs = {path for _, made in jobs for path in made}
    whole = everything(plan, plan.experiment_of)
    return Pending(
        tuple(
            r for r in whole.runs if f"{paths.run.format(**r.fields())}/predictions/test.parquet" in outputs
        ),
        tuple(s for s in whole.searches if f"{paths.search.format(**key_of(s))}/best.json" in outputs),
        tuple(c for c in whole.checks if paths.transfer_check.format(**key_of(c[0]), size=c[1]) in outputs),
    )


def jobs_by_phase(plan: Plan, jobs: Sequence[Job], paths: Paths) -> dict[str | None, int]:
    """Number of jobs of each phase, counted with the first that needs them; the others under None."""
    owners: dict[str, str] = {}
    for phase in plan.config.phases:
        if any(name in plan.study.waiting for name in plan.config.phases[phase]):
            continue
        for begin in _beginnings(plan, phase, paths):
            owners.setdefault(begin, phase)
    counted: dict[str | None, int] = dict.fromkeys([*plan.config.phases, None], 0)
    for _, made in jobs:
        counted[_owner(made[0], owners) if made else None] += 1
    return counted


def _owner(path: str, owners: Mapping[str, str]) -> str | None:
    """The phase to which a path belongs: by itself without suffixes, or by one of its folders."""
    folder, _, name = path.rpartition("/")
    if (exact := f"{folder}/{name.split('.')[0]}") in owners:
        return owners[exact]
    while folder:
        if folder in owners:
            return owners[folder]
        folder = folder.rpartition("/")[0]
    return None


def _beginnings(plan: Plan, phase: str, paths: Paths) -> list[str]:
    """Paths without suffix, and folders, of everything that a phase's own runs need."""
    runs = [run for run in plan.scope(phase).runs if plan.specification(run).role == "question"]
    found = [paths.phase.format(phase=phase)]
    for run in runs:
        fields: dict[str, str | int] = run.fields() | {"vintage": plan.vintage(run)}
        own = (paths.run, paths.dataset, paths.quality, paths.batch_size.removesuffix(".json"))
        found += [pattern.format(**fields) for pattern in own]
        if search := search_of(plan, run):
            found.append(paths.search.format(**key_of(search)))
        vintage, slower = plan.vintage(run), ("daily", "weekly", "monthly")
        for symbol in plan.data.symbols(vintage, run.dataset):
            found.append(paths.prices.format(vintage=vintage, symbol=symbol))
            found += [
                paths.bars.format(vintage=vintage, timescale=bars, symbol=symbol)
                for bars in (slower if run.timescale == "multires" else (run.timescale,))
            ]
        for name in plan.data.series_and_parts(vintage, run.dataset):
            found.append(paths.series.format(vintage=vintage, series=name))
    return found
