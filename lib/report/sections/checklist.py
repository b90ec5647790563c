"""How the law was fitted: the facts needed to reproduce the fit.

The points are those that Li, Kudugunta and Zettlemoyer's survey of scaling laws found to be omitted most
often, and to change conclusions ("(Mis)Fitting", arXiv 2502.18969). Each answer is a fact from this study's
files or the fitting code; unknown facts are marked.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lib.inference.power_law import EXPONENTS, HUBER, STARTS
from lib.report.inputs import ReportInputs, asks, has_size
from lib.report.page import Column, Section, table, texts
from lib.report.wording import count, finite, listed, parameters, plural
from lib.scaling.axes import Row
from lib.scaling.extrapolation import DRAWS
from lib.scaling.scaling_law import LAW_DRAWS

_UNKNOWN = "not recorded"
_MOST = 6


def checklist_section(inputs: ReportInputs) -> Section | None:
    """One table of facts; None where no curve has sizes."""
    curves = [
        (question, curve)
        for question in inputs.questions
        for curve in question.get("curves") or []
        if question.get("scale") == "log" and len(curve.get("points") or []) > 1
    ]
    if not curves:
        return None
    sized = [row for row in inputs.done if asks(row) and has_size(row) and row.get("param_count")]
    body = [
        *_form(inputs, curves), *_training(inputs, sized), *_data(inputs, curves), *_fitting(inputs, curves)
    ]  # fmt: skip
    columns = [*texts("Topic", "Question"), Column("Answer", wide=True)]
    caption = (
        "The points of the checklist of (Mis)Fitting (arXiv 2502.18969), answered from this study's files."
    )
    lead = f"{plural(len(body), 'fact')} without which a fitted law can be neither judged nor fitted again."
    return Section("fitting", "How the law was fitted", lead, tables=[table(caption, columns, body)])


Line = tuple[str, str, str]


def _form(inputs: ReportInputs, curves: Sequence[tuple[Row, Row]]) -> list[Line]:
    along = listed(dict.fromkeys(str(q.get("axis_label") or q.get("axis")) for q, _ in curves))
    forms = list(dict.fromkeys(str(f["form"]) for _, c in curves for f in c.get("forms") or []))
    identified = sum(bool((c.get("law") or {}).get("identified")) for _, c in curves)
    foretold = [p for _, c in curves if (p := c.get("prediction"))]
    known = [p["inside"] for p in foretold if p.get("inside") is not None]
    recorded = sum(bool(p.get("on_record")) for p in foretold)
    return [
        ("Form", "What is fitted",
         "a straight line of test loss in log₁₀ size; E + A·N^−α where four sizes or more identify it "
         f"({identified} of {plural(len(curves), 'curve')})"),
        ("Form", "Rival forms", listed(forms) or "none could be compared"),
        ("Form", "Variables", along),
        ("Form", "Decided beforehand", _declared(inputs)),
        ("Form", "Prediction outside the fit",
         f"{recorded} of {len(foretold)} on record before the largest scale point was trained; {sum(known)} "
         f"of {len(known)} with an interval were inside" if foretold else "none: fewer than 3 scale points"),
    ]  # fmt: skip


def _declared(inputs: ReportInputs) -> str:
    entries = [own[-1] for own in inputs.declarations.values() if own]
    if not entries:
        return _UNKNOWN
    early = sum(not entry.get("finished_before") for entry in entries)
    return f"tests and margins of {early} of {plural(len(entries), 'experiment')} before their first run"


def _training(inputs: ReportInputs, rows: Sequence[Row]) -> list[Line]:
    sizes = sorted({float(row["param_count"]) for row in rows})
    inside = any(row.get("embedding_count") for row in rows)
    shapes = dict.fromkeys(
        f"{row.get('budget')}: width {row['d_model']}, {row['n_layers']} layers, {row['n_heads']} heads, "
        f"feed-forward {row.get('d_ff')}"
        for row in sorted(rows, key=lambda row: float(row["param_count"]))
        if row.get("d_model")
    )
    trials = sorted({int(row.get("hpo_trials") or 0) for row in rows})
    tuned = (
        "none: one recipe for every size" if trials in ([], [0]) else f"searches of {_range(trials)} trials"
    )
    recipe = _recipe(inputs, rows)
    return [
        ("Sizes", "How N is counted",
         f"all trained weights{', embeddings and head included' if inside else ''}, as built"),
        ("Sizes", "Sizes", f"{parameters(sizes[0])} to {parameters(sizes[-1])}" if sizes else _UNKNOWN),
        ("Sizes", "Shapes", "; ".join(list(shapes)[:_MOST]) or _UNKNOWN),
        ("Training", "Learning rate", _range(_column(rows, "learning_rate"), "g")),
        ("Training", "Weight decay", _range(_column(rows, "weight_decay"), "g")),
        ("Training", "Batch", _range(_column(rows, "effective_batch"), "g", " windows")),
        ("Training", "Optimiser steps", _range(_column(rows, "steps"), ",.0f")),
        ("Training", "Schedule and stopping", recipe),
        ("Training", "Choice of hyperparameters", f"{tuned}; on validation, never on test"),
        ("Training", "Precision and device",
         listed(dict.fromkeys(f"{r.get('precision')} on {r.get('device')}" for r in rows if r.get("device")))
         or _UNKNOWN),
    ]  # fmt: skip


def _recipe(inputs: ReportInputs, rows: Sequence[Row]) -> str:
    """What all networks share of the recipe, by its own names."""
    found = [(inputs.params.get(str(row.get("path"))) or {}).get("recipe") or {} for row in rows]
    hidden = ("learning_rate", "weight_decay", "effective_batch")
    shared = {
        name: value
        for name, value in (found[0].items() if found else ())
        if name not in hidden and all(own.get(name) == value for own in found)
    }
    return ", ".join(f"{name} {value}" for name, value in shared.items()) or _UNKNOWN


def _data(inputs: ReportInputs, curves: Sequence[tuple[Row, Row]]) -> list[Line]:
    points = [point for _, curve in curves for point in curve.get("points") or []]
    seeds = sorted({int(p.get("seeds") or 0) for p in points})
    folds = sorted({len(c.get("folds") or []) for _, c in curves})
    trained = _column(inputs.done, "n_train")
    sources = dict.fromkeys(f"{p.get('source')} ({p.get('vintage')})" for p in inputs.prices.values())
    n_points = sorted({len(c.get("points") or []) for _, c in curves})
    return [
        ("Data", "Source", listed(sources) or _UNKNOWN),
        ("Data", "How D is counted", "windows of the training part; a share: its latest dates"),
        ("Data", "Training windows", _range(trained, ",.0f")),
        ("Data", "Repetition", "the same windows every epoch: the history is finite"),
        ("Points", "Points of a fit",
         f"{_range(n_points)} scale points of {_range(seeds)} {'seed' if seeds == [1] else 'seeds'}"),
        ("Points", "Loss of a point",
         "best model, test part, primary symbol; " + ("the dates of " + _range(folds) + " folds" if any(folds)
          else "one division of time")),
        ("Points", "Left out", _left_out(inputs)),
    ]  # fmt: skip


def _left_out(inputs: ReportInputs) -> str:
    kinds = ("missing", "failed", "not_finite", "unreadable", "empty", "duplicate", "lost_fold")
    out = [p for p in inputs.scaling.get("problems") or [] if p.get("kind") in kinds]
    return f"{plural(len(out), 'notice')} of runs or folds left out, all listed below" if out else "nothing"


def _fitting(inputs: ReportInputs, curves: Sequence[tuple[Row, Row]]) -> list[Line]:
    families = {(q.get("family") or {}).get("size") for q, _ in curves} - {None}
    commit = str(inputs.provenance.get("git_commit") or _UNKNOWN)
    return [
        ("Fit", "Loss minimised",
         f"line: squared error, scale points weighted alike; law: Huber, {HUBER} robust standard deviations"),
        ("Fit", "Procedure and starts",
         f"line: closed form; law: E and A in closed form at each of {STARTS} exponents from "
         f"{EXPONENTS[0]} to {EXPONENTS[1]:g}, the best refined by golden section"),
        ("Fit", "Weighting of points", "none"),
        ("Uncertainty", "Intervals",
         f"{inputs.level}, over dates (paired stationary bootstrap; {LAW_DRAWS} draws for the law, {DRAWS} "
         "for a prediction) and seeds (t)"),
        ("Uncertainty", "Correction for many tests", f"Holm, families of {_range(sorted(families))}"),
        ("Uncertainty", "Distinct test predictions read", count(inputs.scaling.get("test_access"))),
        ("Availability", "Code", f"commit {commit}"),
        ("Availability", "Points", "runs.csv and scaling.json beside this report; data by SHA-256"),
    ]  # fmt: skip


def _column(rows: Sequence[Row], name: str) -> list[float]:
    return sorted({x for row in rows if (x := finite(row.get(name))) is not None})


def _range(values: Sequence[Any], style: str = "g", unit: str = "") -> str:
    """`3`, or `3 to 5`."""
    if not values:
        return _UNKNOWN
    low, high = (format(float(values[at]), style) for at in (0, -1))
    return f"{low if low == high else f'{low} to {high}'}{unit}"
