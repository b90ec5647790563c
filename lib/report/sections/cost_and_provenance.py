"""Sections on cost, provenance and limits of the study.

Sums recorded times; judges nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lib.report.compared import seeds_by_size
from lib.report.inputs import ReportInputs
from lib.report.page import Column, Section, Table, TableCell
from lib.report.svg import Strip
from lib.report.wording import count, duration, finite, listed, memory, percent, plural

_FEW_STEPS = 1000


def cost_section(inputs: ReportInputs) -> Section:
    """Where time and memory went."""
    rules = inputs.cost.to_dicts() if {"rule", "seconds"} <= set(inputs.cost.columns) else []
    done = [r for r in inputs.runs.to_dicts() if finite(r.get("total_seconds")) is not None]
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
        hot = [t for r in done if (t := _recorded(r, "temperature_max", inputs)) is not None]
        if hot:
            lead += f" The hottest reading while training was {max(hot):.0f} °C."
        lead += _energy(done, inputs)
    return Section("cost", "Compute and cost", lead, tables=tables)


def _rules(rules: Sequence[Mapping[str, Any]]) -> Table:
    longest = max((finite(r["seconds"]) or 0.0) for r in rules) or 1.0
    strip = Strip(0.0, longest)
    columns = [
        Column("Rule"),
        Column("Time", axis=strip.axis([(0.0, "0"), (longest, duration(longest))])),
        *(Column(head, numeric=True) for head in ("Time in all", "Jobs", "Peak memory")),
    ]
    rows = []
    for r in rules:
        seconds = finite(r["seconds"]) or 0.0
        rows.append(
            [
                TableCell(str(r["rule"]), code=True),
                TableCell("", drawing=strip.draw(None, 0.0, seconds, "bar")),
                TableCell(duration(seconds), sort=seconds),
                TableCell(count(r.get("jobs"))),
                TableCell(memory(r.get("peak_memory_mb")), sort=finite(r.get("peak_memory_mb"))),
            ]
        )
    return Table("Rules by time, slowest first (benchmarks of the workflow).", columns, rows)


def _recorded(row: Mapping[str, Any], name: str, inputs: ReportInputs) -> float | None:
    """A number of a run's provenance; None where no sensor or counter was read."""
    return finite((inputs.run_provenance.get(str(row.get("path"))) or {}).get(name))


def _energy(done: Sequence[Mapping[str, Any]], inputs: ReportInputs) -> str:
    """A sentence on what the trainings took; a run that two experiments declare counts once."""
    trained = {str(r.get("path")): r for r in done if r.get("budget") not in (None, "none")}
    used = [e for r in trained.values() if (e := _recorded(r, "energy_kwh", inputs)) is not None]
    if not used:
        return " Energy was not measured."
    return (
        f" Processors and cards took {_kilowatt_hours(sum(used))} in {len(used)} of "
        f"{plural(len(trained), 'run')} with a budget; runs side by side count each other's."
    )


def _kilowatt_hours(value: float) -> str:
    """With two digits, however small."""
    return f"{value:.0f} kWh" if value >= 10 else f"{value:#.2g} kWh"


def _by_size(done: Sequence[Mapping[str, Any]], inputs: ReportInputs) -> Table:
    groups: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for r in done:
        groups.setdefault((str(r.get("model")), str(r.get("budget"))), []).append(r)
    columns = [Column("Model"), Column("Budget"), *(Column(h, numeric=True) for h in (
        "Runs", "Time in all", "Steps per run", "Samples per second", "Peak memory", "Hottest"))]  # fmt: skip
    rows = []
    for (model, budget), runs in groups.items():
        speeds = [v for r in runs if (v := finite(r.get("samples_per_second"))) is not None]
        peaks = [v for r in runs if (v := finite(r.get("peak_memory_mb"))) is not None]
        steps = [v for r in runs if (v := finite(r.get("steps"))) is not None]
        hot = [v for r in runs if (v := _recorded(r, "temperature_max", inputs)) is not None]
        rows.append(
            [
                TableCell(model),
                TableCell("–" if budget == "none" else budget),
                TableCell(count(len(runs))),
                TableCell(duration(sum(float(r["total_seconds"]) for r in runs))),
                TableCell(count(max(steps)) if steps else "–"),
                TableCell(count(sum(speeds) / len(speeds)) if speeds else "–"),
                TableCell(memory(max(peaks)) if peaks else "–"),
                TableCell(f"{max(hot):.0f} °C" if hot else "–"),
            ]
        )
    return Table("Finished runs by model and size.", columns, rows)


def provenance_section(inputs: ReportInputs) -> Section:
    """Provenance of these numbers."""
    facts = {**inputs.provenance, **inputs.environment}
    if not facts:
        return Section("provenance", "Provenance", "No provenance was recorded in this study.")
    rows, tables = [], []
    for name, value in facts.items():
        label = str(name).replace("_", " ")
        if name == "packages" and isinstance(value, Mapping):
            body = [[TableCell(str(k), code=True), TableCell(str(v))] for k, v in value.items()]
            tables.append(Table("Package versions.", [Column("Package"), Column("Version")], body,
                                plural(len(body), "package")))  # fmt: skip
        elif isinstance(value, Mapping):
            rows += [
                [TableCell(f"{label}: {str(k).replace('_', ' ')}"), TableCell(str(v))]
                for k, v in value.items()
            ]
        else:
            rows.append([TableCell(label), TableCell(str(value), code=name == "git_commit")])
    head = Table("What produced these numbers.", [Column("Fact"), Column("Value", wide=True)], rows)
    commit = str(inputs.provenance.get("git_commit") or "")
    lead = f"Made from commit {commit[:10]}." if commit else "The commit was not recorded."
    return Section("provenance", "Provenance", lead, tables=[head, *tables])


def limits_section(inputs: ReportInputs) -> Section:
    """Limits that a sceptical reader must know."""
    rows = [r for r in inputs.runs.to_dicts() if r.get("status") == "done"]
    sized = [r for r in rows if r.get("budget") not in (None, "none")]
    points = []
    seeds = seeds_by_size(inputs)
    single = sum(n < 2 for n in seeds)
    if single:
        where = f"Fewer than two finished seeds at {single} of {plural(len(seeds), 'size')} of the problems"
        where = "One seed per size" if single == len(seeds) else where
        points.append(
            f"{where}: the noise between seeds is unknown there, and it is often as large as the "
            "differences shown here."
        )
    steps = [v for r in sized if (v := finite(r.get("steps"))) is not None]
    if steps and max(steps) < _FEW_STEPS:
        points.append(
            f"At most {count(max(steps))} optimiser steps per run: the models are under-trained, the largest "
            "most of all. A flat curve here says nothing about trained models."
        )
    stand_ins = sorted(str(s) for s in inputs.prices if str(s).startswith("^"))
    if stand_ins:
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
    accesses = finite(inputs.scaling.get("test_access"))
    if accesses:
        points.append(
            f"The test set was accessed {plural(int(accesses), 'time')} (distinct predictions). Every choice "
            "made after reading this report spends more of it."
        )
    devices = sorted({str(r["device"]) for r in rows if r.get("device")})
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
