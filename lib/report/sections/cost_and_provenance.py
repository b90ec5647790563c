"""Sections on cost, provenance and limits of the study.

Sums recorded times; judges nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from lib.report.compared import seeds_by_size
from lib.report.inputs import ReportInputs, has_size
from lib.report.page import Cells, Column, Section, Table, TableCell, numbers, table, texts
from lib.report.svg import Strip
from lib.report.wording import DASH, count, duration, finite, listed, memory, percent, plural
from lib.scaling.axes import Row

_FEW_STEPS = 1000


def cost_section(inputs: ReportInputs) -> Section:
    """Where time and memory went."""
    rules = inputs.cost.to_dicts() if {"rule", "seconds"} <= set(inputs.cost.columns) else []
    done = [r for r in inputs.rows if finite(r.get("total_seconds")) is not None]
    if not rules and not done:
        return Section("cost", "Compute and cost", "No record of time and memory in this study.")
    tables, lead = [], ""
    if rules:
        rules = sorted(rules, key=lambda r: -(finite(r["seconds"]) or 0.0))
        total = sum(finite(r["seconds"]) or 0.0 for r in rules)
        share = (finite(rules[0]["seconds"]) or 0.0) / total if total else 0.0
        lead = f"{duration(total)} of work in all; {percent(share, 0)} of it in rule {rules[0]['rule']}."
        tables.append(_rules(rules))
    if done:
        lead = lead or f"{duration(sum(float(r['total_seconds']) for r in done))} of work in finished runs."
        tables.append(_by_size(done, inputs))
        if hot := _known(map(inputs.recorded, done), "temperature_max"):
            lead += f" The hottest reading while training was {max(hot):.0f} °C."
        lead += _energy(done, inputs)
    return Section("cost", "Compute and cost", lead, tables=tables)


def _rules(rules: Sequence[Row]) -> Table:
    longest = max((finite(r["seconds"]) or 0.0) for r in rules) or 1.0
    strip = Strip(0.0, longest)
    columns = [
        *texts("Rule"),
        Column("Time", axis=strip.axis([(0.0, "0"), (longest, duration(longest))])),
        *numbers("Time in all", "Jobs", "Peak memory"),
    ]
    rows: list[Cells] = []
    for r in rules:
        seconds = finite(r["seconds"]) or 0.0
        rows.append(
            [
                TableCell(str(r["rule"]), code=True),
                strip.draw(None, 0.0, seconds, "bar"),
                duration(seconds),
                count(r.get("jobs")),
                memory(r.get("peak_memory_mb")),
            ]
        )
    return table("Rules by time, slowest first (benchmarks of the workflow).", columns, rows)


def _known(rows: Iterable[Mapping[str, Any]], name: str) -> list[float]:
    """The values of a column that are there: not every machine has a sensor or a counter."""
    return [value for row in rows if (value := finite(row.get(name))) is not None]


def _energy(done: Sequence[Row], inputs: ReportInputs) -> str:
    """A sentence on what the trainings took; a run that two experiments declare counts once."""
    trained = {str(r.get("path")): r for r in done if has_size(r)}
    used = _known(map(inputs.recorded, trained.values()), "energy_kwh")
    if not used:
        return " Energy was not measured."
    return (
        f" Processors and cards took {_kilowatt_hours(sum(used))} in {len(used)} of "
        f"{plural(len(trained), 'run')} with a budget; runs side by side count each other's."
    )


def _kilowatt_hours(value: float) -> str:
    """With two digits, however small."""
    return f"{value:.0f} kWh" if value >= 10 else f"{value:#.2g} kWh"


def _by_size(done: Sequence[Row], inputs: ReportInputs) -> Table:
    groups: dict[tuple[str, str], list[Row]] = {}
    for r in done:
        groups.setdefault((str(r.get("model")), str(r.get("budget"))), []).append(r)
    heads = ("Runs", "Time in all", "Steps per run", "Samples per second", "Peak memory", "Hottest")
    rows = []
    for (model, budget), runs in groups.items():
        speeds, hot = (
            _known(runs, "samples_per_second"),
            _known(map(inputs.recorded, runs), "temperature_max"),
        )
        rows.append(
            [
                model,
                DASH if budget == "none" else budget,
                count(len(runs)),
                duration(sum(float(r["total_seconds"]) for r in runs)),
                count(max(_known(runs, "steps"), default=None)),
                count(sum(speeds) / len(speeds) if speeds else None),
                memory(max(_known(runs, "peak_memory_mb"), default=None)),
                f"{max(hot):.0f} °C" if hot else DASH,
            ]
        )
    return table("Finished runs by model and size.", [*texts("Model", "Budget"), *numbers(*heads)], rows)


def provenance_section(inputs: ReportInputs) -> Section:
    """Provenance of these numbers."""
    facts = {**inputs.provenance, **inputs.environment}
    if not facts:
        return Section("provenance", "Provenance", "No provenance was recorded in this study.")
    rows: list[Cells] = []
    tables = []
    for name, value in facts.items():
        label = str(name).replace("_", " ")
        if name == "packages" and isinstance(value, Mapping):
            body: list[Cells] = [[TableCell(str(k), code=True), str(v)] for k, v in value.items()]
            folded = plural(len(body), "package")
            tables.append(table("Package versions.", texts("Package", "Version"), body, folded))
        elif isinstance(value, Mapping):
            rows += [[f"{label}: {str(k).replace('_', ' ')}", TableCell(str(v))] for k, v in value.items()]
        else:
            rows.append([label, TableCell(str(value), code=name == "git_commit")])
    head = table("What produced these numbers.", [*texts("Fact"), Column("Value", wide=True)], rows)
    commit = str(inputs.provenance.get("git_commit") or "")
    lead = f"Made from commit {commit[:10]}." if commit else "The commit was not recorded."
    return Section("provenance", "Provenance", lead, tables=[head, *tables])


def limits_section(inputs: ReportInputs) -> Section:
    """Limits that a sceptical reader must know."""
    sized, points = list(filter(has_size, inputs.done)), []
    seeds = seeds_by_size(inputs)
    single = sum(n < 2 for n in seeds)
    if single:
        where = f"Fewer than two finished seeds at {single} of {plural(len(seeds), 'size')} of the problems"
        where = "One seed per size" if single == len(seeds) else where
        points.append(
            f"{where}: the noise between seeds is unknown there, and it is often as large as the "
            "differences shown here."
        )
    steps = _known(sized, "steps")
    if steps and max(steps) < _FEW_STEPS:
        points.append(
            f"At most {count(max(steps))} optimiser steps per run: the models are under-trained, the largest "
            "most of all. A flat curve here says nothing about trained models."
        )
    if stand_ins := sorted(str(s) for s in inputs.prices if str(s).startswith("^")):
        points.append(
            f"{listed(stand_ins)}: an index stands in for a fund. It cannot be traded and pays no dividends."
        )
    if any(p.get("source") == "synthetic" for p in inputs.prices.values()):
        points.append("Synthetic prices serve the controls; they say nothing about a market.")
    if len({r.get("budget") for r in sized}) == 3:
        points.append(
            "Three sizes leave no degree of freedom for a power law with a floor: only the slope and the "
            "gain between the ends are tested."
        )
    if accesses := finite(inputs.scaling.get("test_access")):
        points.append(
            f"The test set was accessed {plural(int(accesses), 'time')} (distinct predictions). Every choice "
            "made after reading this report spends more of it."
        )
    devices = sorted({str(r["device"]) for r in inputs.done if r.get("device")})
    if devices:
        points.append(f"Trained on {listed(devices)} only; other hardware was not verified by this study.")
    return Section("limits", "Limits", "What these numbers do not show.", bullets=[*points, *_ALWAYS])


_ALWAYS = (
    "Symbols were chosen with hindsight: markets and firms that survived. Results for a survivor overstate "
    "what an investor could have known.",
    "Prices are adjusted for splits and dividends with what is known today, so their past levels are not "
    "those that traders saw. Channels are relations between prices, which adjustment changes little.",
    "Intervals resample blocks of dates. They hold for markets like the ones in the test period and say "
    "nothing about a new regime.",
    "A forecast is not a profit: costs, slippage and capacity are outside these measures.",
    "Intervals in charts are point by point; only the verdicts are adjusted for the number of curves.",
)
