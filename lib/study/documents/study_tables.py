"""Cost and power of the shipped study for docs/study.md, computed by the functions of the preview.

As if nothing were there yet: windows and test dates by the calendar, noise assumed.
"""

from __future__ import annotations

from lib.config.run_key import Run
from lib.study.cost import BARS_PER_YEAR, forecast
from lib.study.documents.marks import rewritten
from lib.study.jobs import everything
from lib.study.plan import Plan
from lib.study.preview import remedies
from lib.study.reach import reaches

COST = ("<!-- costs: written by make docs -->", "<!-- end of costs -->")
POWER = ("<!-- power: written by make docs -->", "<!-- end of power -->")
_CARD = 100e12
"""Operations per second of the card that hours are given for."""


def with_study(text: str, plan: Plan) -> str:
    """docs/study.md with its tables rewritten.

    Raises:
        ValueError: the page has no marks for them.
    """
    return rewritten(rewritten(text, *COST, cost_markdown(plan)), *POWER, power_markdown(plan))


def cost_markdown(plan: Plan) -> str:
    """Trainings and operations of every phase; what several phases need is counted with the first."""
    lines = [
        "| phase | experiments | trainings | trials of searches | PFLOP, at most | hours at 100 TFLOP/s |",
        "|---|---|---|---|---|---|",
    ]
    counted: set[Run] = set()
    for phase, names in plan.config.phases.items():
        if any(name in plan.study.waiting for name in names):
            lines.append(f"| {phase} | {_code(names)} | waits for the selection | | | |")
            continue
        own = {run for run in plan.scope(phase).runs if plan.specification(run).role == "question"}
        lines.append(f"| {phase} | {_code(names)} | {_totals(plan, own - counted)} |")
        counted |= own
    lines.append(f"| beside | controls and ablations | {_totals(plan, set(plan.runs) - counted)} |")
    return "\n".join(lines)


def _totals(plan: Plan, runs: set[Run]) -> str:
    costs = forecast(plan, everything(plan, [run for run in plan.runs if run in runs]), {}, {})
    flops = sum(cost.flops for cost in costs)
    trials = sum(cost.trials for cost in costs)
    return f"{len(runs)} | {trials} | {flops / 1e15:,.0f} | {flops / _CARD / 3600:,.1f}"


def power_markdown(plan: Plan) -> str:
    """The smallest gain that every question can show, and what would show the margin."""
    lines = [
        "| question | along | test dates / horizon | smallest gain | flat within | margin | |",
        "|---|---|---|---|---|---|---|",
    ]
    found = reaches(plan, {}, plan.config.data.splits.test_start)
    for reach in found:
        one, curves = reach.weakest, len(reach.comparisons)
        shows, flat = ("–" if x is None else f"{x:.4f}" for x in (one.shows, one.flat))
        along = reach.along + (f", {curves} curves" if curves > 1 else "")
        lines.append(
            f"| `{reach.experiment}` | {along} | {one.design.dates:,} / {one.design.horizon} | {shows} "
            f"| {flat} | {reach.margin:g} | {reach.answer} |"
        )
    return "\n".join([*lines, "", *(f"- {line}" for line in remedies(found, BARS_PER_YEAR))])


def _code(names: list[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)
