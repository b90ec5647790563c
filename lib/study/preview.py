"""The preview of a study as tables: progress, remaining jobs, cost and power."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from rich.table import Table

from lib.config.base import BUDGET_PARAMETERS
from lib.config.run_key import NO_BUDGET, Run
from lib.scaling.preconditions import LEAST_SEEDS
from lib.study.cost import Cost, Speeds, effort_of, forecast
from lib.study.jobs import Pending, Search, everything
from lib.study.plan import Plan
from lib.study.reach import Reach, Samples

SHOWN = 20
"""Lines of a list; the others are counted."""
Known = tuple[Speeds, Mapping[Search, Mapping[str, Any]]]
"""Speeds that have been measured here, and what finished searches have found."""


def gigabytes(size: float) -> str:
    """``2400000000`` to ``2.40 GB`` (10⁹ bytes); small sizes in MB or kB."""
    for unit, factor in (("GB", 1e9), ("MB", 1e6)):
        if size >= factor:
            return f"{size / factor:,.{2 if size < 10 * factor else 0}f} {unit}"
    return f"{size / 1e3:,.0f} kB"


def rough(value: float) -> str:
    """A forecast, to two digits, which is more than its precision: ``1385.18`` to ``1,400``."""
    if value <= 0.0:
        return "0"
    digits = 1 - math.floor(math.log10(value))
    return f"{round(value, digits):,.{max(0, min(digits, 2))}f}"


def hours_in_words(costs: list[Cost]) -> str:
    """Hours of several costs, or why they are not known."""
    if any(cost.hours is None for cost in costs):
        return "not measured yet"
    return rough(sum(cost.hours or 0.0 for cost in costs))


def cost_table(costs: list[Cost]) -> Table:
    """The forecast as a table."""
    names = ("model", "budget", "runs", "trials", "samples", "PFLOP", "hours here", "weights", "checkpoints")
    table = _table(
        "Compute still to come, at most (early stopping usually ends sooner)", names, ("model", "budget")
    )
    for cost in costs:
        table.add_row(
            cost.model,
            cost.budget,
            str(cost.runs),
            str(cost.trials),
            f"{cost.samples:,}",
            f"{cost.flops / 1e15:,.2f}",
            hours_in_words([cost]),
            gigabytes(cost.result_bytes),
            gigabytes(cost.checkpoint_bytes),
        )
    return table


def phase_table(
    plan: Plan, pending: Pending, known: Known, jobs: Mapping[str | None, int], expanded: Mapping[str, Plan]
) -> Table | None:
    """Jobs, runs and compute by phase; None without phases.

    Args:
        plan: the study.
        pending: what the target has still to wait for.
        known: what is known of speeds and searches.
        jobs: of each phase (`jobs_by_phase`).
        expanded: the study as it would be with other selections, by what would be selected; for phases that
            wait for one.
    """
    if not plan.config.phases:
        return None
    names = ("phase", "experiments", "jobs", "runs", "to train", "trials", "PFLOP", "hours here", "weights")
    table = _table(
        "By phase (what several phases need is counted with the first)", names, ("phase", "experiments")
    )
    counted: set[Run] = set()
    for phase, experiments in plan.config.phases.items():
        waiting = [name for name in experiments if name in plan.study.waiting]
        if waiting:
            table.add_row(phase, f"waits: {plan.study.waiting[waiting[0]]}", *[""] * 7)
            for selection, other in expanded.items():
                runs = {run for name in waiting for run in other.grids[name]}
                row = _totals(other, runs, everything(other, other.runs), known)
                table.add_row("", f"  an estimate, if it is {selection}", "", *row)
            continue
        own = {run for run in plan.scope(phase).runs if plan.specification(run).role == "question"} - counted
        row = _totals(plan, own, pending, known)
        table.add_row(phase, ", ".join(experiments), str(jobs.get(phase, 0)), *row)
        counted |= own
    others = set(plan.runs) - counted
    row = _totals(plan, others, pending, known)
    table.add_row("others", "controls, ablations, folds", str(jobs.get(None, 0)), *row)
    return table


def reach_table(found: Sequence[Reach], power: float) -> Table | None:
    """The smallest gains that the questions of a study could show; None without a question."""
    if not found:
        return None
    names = ("phase", "question", "dates / horizon", "noise", "gain", "flat", "margin", "answer")
    title = f"The smallest gain that each question can show with a chance of {power:.0%} (nats)"
    table = _table(title, names, ("phase", "question", "noise", "answer"))
    for column in table.columns[2:]:
        column.no_wrap = True
    for reach in found:
        one, curves = reach.weakest, len(reach.comparisons)
        table.add_row(
            reach.phase or "–",
            f"{reach.experiment}: {reach.along}" + (f", {curves} curves" if curves > 1 else ""),
            f"{'about ' if one.estimated else ''}{one.design.dates:,} / {one.design.horizon}",
            f"{one.noise.label:.3f} {one.noise.source}",
            "–" if one.shows is None else f"{one.shows:.4f}",
            "–" if one.flat is None else f"{one.flat:.4f}",
            f"{reach.margin:g}",
            f"{reach.answer} in {curves - reach.able}" if 0 < reach.able < curves else reach.answer,
        )
    table.caption = (
        "Of a question's weakest curve. about: by the calendar. noise: standard deviation of the paired "
        "difference of one label. gain: at Holm's level for the first of its family. flat: smallest margin "
        "within which equal scale points are found flat. Every verdict takes skill and controls as well."
    )
    return table


def remedies(found: Sequence[Reach], bars_per_year: Mapping[str, float]) -> list[str]:
    """What would let questions show their margins, one line each; equal lines are printed once."""
    whose: dict[str, list[str]] = {}
    for reach in found:
        if text := _remedy(reach, bars_per_year):
            whose.setdefault(text, []).append(f"{reach.experiment} ({reach.along})")
    return [f"{', '.join(names)}: {text}" for text, names in whose.items()]


def _remedy(reach: Reach, bars_per_year: Mapping[str, float]) -> str:
    """One sentence per way, with the figure that it leads to."""
    if reach.enough:
        return ""
    design = reach.weakest.design
    if reach.weakest.shows is None:
        return (
            f"{design.dates} test dates at a horizon of {design.horizon} bars cannot be resampled; "
            "walk-forward folds, a longer test or a shorter horizon would do."
        )
    lacking = f"{LEAST_SEEDS} seeds, without which nothing is decided" if reach.seeds < LEAST_SEEDS else ""
    if reach.dates_needed is None:
        return f"{lacking}."
    more = reach.dates_needed - design.dates
    years = more / bars_per_year[str(reach.weakest.key["timescale"])]
    folds = ""
    if design.folds > 1:
        folds = f", {math.ceil(more / (design.dates / design.folds)):,} more folds like its {design.folds}"
    ways = [f"{more:,} more test dates ({years:,.0f} years{folds}): {reach.margin:g}"]
    ways += [lacking] if lacking else []
    ways += [
        f"{way.text}: {way.shows:.4f}{'' if way.enough else ', not enough by itself'}" for way in reach.ways
    ]
    return "; ".join(ways) + "."


def sparse_problems(samples: Samples) -> list[str]:
    """Problems with too few samples of a class, in the data that are here, one line each."""
    lines = []
    for (_, dataset, timescale), problems in samples.items():
        for problem in problems:
            few = [split for split, counted in problem["splits"].items() if counted["flagged"]]
            if few:
                lines.append(
                    f"{dataset} {timescale} {problem['task']} h{problem['horizon']}: {', '.join(few)}"
                )
    more = [f"and {len(lines) - SHOWN} more"] if len(lines) > SHOWN else []
    return lines[:SHOWN] + more


def _table(title: str, names: tuple[str, ...], words: tuple[str, ...]) -> Table:
    """An empty table whose columns are numbers, but for those of `words`."""
    table = Table(title=title, title_justify="left")
    for name in names:
        table.add_column(name, justify="left" if name in words else "right")
    return table


def _totals(plan: Plan, runs: set[Run], pending: Pending, known: Known) -> list[str]:
    """One row of numbers for some runs."""
    own = pending.of(plan, runs)
    costs = forecast(plan, own, *known)
    return [
        str(len(runs)),
        str(len(own.runs)),
        str(sum(cost.trials for cost in costs)),
        f"{sum(cost.flops for cost in costs) / 1e15:,.0f}",
        hours_in_words(costs) if costs else "–",
        gigabytes(sum(cost.result_bytes for cost in costs)),
    ]


def dearest(plan: Plan) -> dict[str, dict[str, str]]:
    """For every budget the costliest configuration that may be selected, by name."""
    if plan.config.selection is None:
        return {}
    wanted = plan.config.selection
    found: dict[str, tuple[int, Run]] = {}
    for run in {run for phase in wanted.phases for run in plan.scope(phase).runs}:
        facts = plan.facts(run)
        usual = facts["context_length"] == plan.config.context_length[run.timescale]  # type: ignore[index]
        problem = (facts["condition"], facts["train_fraction"], run.task, run.timescale, run.horizon)
        selected = ("base", 1.0, wanted.task, wanted.timescale, wanted.horizon)
        if problem != selected or not usual or run.budget == NO_BUDGET:
            continue
        effort = effort_of(plan, run)
        cost = effort.windows * effort.flops
        found[run.budget] = max((cost, run), found.get(run.budget, (0, run)))
    order = sorted(found, key=lambda budget: BUDGET_PARAMETERS[budget])
    return {
        f"{budget} on {run.dataset}": {"dataset": run.dataset, "model": run.model, "budget": budget}
        for budget, (_, run) in ((budget, found[budget]) for budget in order)
    }
