"""The preview of a study as tables: what is there, what is to come, what it costs, and what it could show."""

from __future__ import annotations

from rich.table import Table

from lib.config.runs import Run
from lib.planning.forecast import Cost, Speeds, Windows, forecast
from lib.planning.plan import Plan
from lib.planning.reach import Samples, reaches

SHOWN = 20
"""Lines of a list; the others are counted."""
Known = tuple[Windows, Speeds]
"""Training windows of the data that are here, and speeds that have been measured here."""


def gigabytes(size: float) -> str:
    """``2400000000`` to ``2.40 GB`` (10⁹ bytes); small sizes in MB or kB."""
    for unit, factor in (("GB", 1e9), ("MB", 1e6)):
        if size >= factor:
            return f"{size / factor:,.{2 if size < 10 * factor else 0}f} {unit}"
    return f"{size / 1e3:,.0f} kB"


def hours_in_words(costs: list[Cost]) -> str:
    """Hours of several costs, or why they are not known."""
    if any(cost.hours is None for cost in costs):
        return "not measured yet"
    about = "about " if any(cost.estimated for cost in costs) else ""
    return f"{about}{sum(cost.hours or 0.0 for cost in costs):,.2f}"


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
            f"{'about ' if cost.estimated else ''}{cost.samples:,}",
            f"{cost.flops / 1e15:,.2f}",
            hours_in_words([cost]),
            gigabytes(cost.result_bytes),
            gigabytes(cost.checkpoint_bytes),
        )
    if any(cost.estimated for cost in costs):
        table.caption = "about: the data are not here yet; their windows are estimated from the calendar."
    return table


def phase_table(plan: Plan, pending: set[Run], known: Known) -> Table | None:
    """Runs and compute by phase; None without phases."""
    if not plan.config.phases:
        return None
    names = ("phase", "experiments", "runs", "there", "trials", "PFLOP", "hours here", "weights")
    table = _table(
        "By phase (a run that several phases need is counted with the first)", names, ("phase", "experiments")
    )
    counted: set[Run] = set()
    for phase, experiments in plan.config.phases.items():
        waiting = [why for name in experiments if (why := plan.study.waiting.get(name))]
        if waiting:
            table.add_row(phase, f"waits: {waiting[0]}", *[""] * 6)
            continue
        own = {run for run in plan.scope(phase).runs if plan.specification(run).role == "question"} - counted
        table.add_row(phase, ", ".join(experiments), *_totals(plan, own, pending, known))
        counted |= own
    others = set(plan.runs) - counted
    table.add_row("others", "controls and ablations", *_totals(plan, others, pending, known))
    return table


def reach_table(plan: Plan, samples: Samples) -> Table | None:
    """The smallest effects that the test sets can show; None before samples have been counted."""
    found = reaches(plan, samples)
    if not found:
        return None
    chance = f"What the test sets can show with a chance of {plan.config.evaluation.power:.0%}"
    names = ("problem", "labels", "independent", "AUC from", "log loss", "margin", "enough")
    table = _table(f"{chance} (a measured noise may differ)", names, ("problem",))
    words = {True: "yes", False: "no", None: "–"}
    for reach in found[:SHOWN]:
        shows = reach.shows
        table.add_row(
            f"{reach.dataset} {reach.timescale} {reach.task} h{reach.horizon}",
            str(reach.n),
            f"{shows.effective_n:.0f}",
            "–" if shows.auc is None else f"{shows.auc:.3f}",
            "–" if shows.log_loss is None else f"{shows.log_loss:.4f}",
            "–" if reach.margin is None else f"{reach.margin:g}",
            words[reach.enough],
        )
    if len(found) > SHOWN:
        table.caption = f"The {SHOWN} weakest of {len(found)}."
    return table


def weak_cells(samples: Samples) -> list[str]:
    """Problems with too few samples of a class, in the data that are here, one line each."""
    lines = []
    for (_, dataset, timescale), cells in samples.items():
        for cell in cells:
            few = [split for split, counted in cell["splits"].items() if counted["flagged"]]
            if few:
                lines.append(f"{dataset} {timescale} {cell['task']} h{cell['horizon']}: {', '.join(few)}")
    more = [f"and {len(lines) - SHOWN} more"] if len(lines) > SHOWN else []
    return lines[:SHOWN] + more


def _table(title: str, names: tuple[str, ...], words: tuple[str, ...]) -> Table:
    """An empty table whose columns are numbers, but for those of `words`."""
    table = Table(title=title, title_justify="left")
    for name in names:
        table.add_column(name, justify="left" if name in words else "right")
    return table


def _totals(plan: Plan, runs: set[Run], pending: set[Run], known: Known) -> list[str]:
    """One row of numbers for some runs."""
    costs = forecast(plan, [run for run in plan.runs if run in runs and run in pending], *known)
    return [
        str(len(runs)),
        str(len(runs - pending)),
        str(sum(cost.trials for cost in costs)),
        f"{sum(cost.flops for cost in costs) / 1e15:,.0f}",
        hours_in_words(costs) if costs else "–",
        gigabytes(sum(cost.result_bytes for cost in costs)),
    ]
