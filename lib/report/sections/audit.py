"""Audit sections: the power of the test set, other differences between runs, and test-set access."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from lib.report.compared import Compared, axis_of
from lib.report.inputs import ReportInputs
from lib.report.page import Cells, Column, Section, Table, TableCell, numbers, table, texts
from lib.report.wording import DASH, Names, count, finite, listed, number, percent, plural, prose
from lib.scaling.axes import Row
from lib.scaling.words import of_all, sentence

_EXPECTED = {
    "parameters": ("architecture", "run.budget"),
    "features": ("run.dataset", "data.dataset_sha256"),
    "data": ("run.variant", "train_fraction", "windows", "training_base_rate"),
    "context": ("run.variant", "context_length", "windows", "training_base_rate"),
    "quality": ("run.dataset", "data.dataset_sha256"),
    "assets": ("run.dataset", "windows", "training_base_rate", "data.dataset_sha256"),
}
"""What must differ along an axis, because it is the axis or follows from it."""
_FOLD_BEYOND = 12
_RECORDED = ("git_commit", "packages", "hardware", "data")
"""What is compared of each run's provenance."""
_ROUNDING = ("micro_batch", "compiled")
"""What moves the last digits alone: shown, and not counted as another explanation."""
_NEVER = ("run.seed", "search", "experiment", "question", "role", "hpo.best_value", "hpo.n_trials")


def power_section(inputs: ReportInputs, names: Names) -> Section:
    """The smallest effects that these test sets can show."""
    rows = list(inputs.scaling.get("power") or [])
    questions = [one for one in inputs.questions if one.get("power")]
    heading = "What this test set can show"
    if not rows and not questions:
        return Section("power", heading, "The smallest detectable effects were not computed in this study.")
    tables = [_question_power(questions)] if questions else []
    known = [row for row in rows if row.get("enough") is not None]
    enough = sum(row["enough"] is True for row in known)
    able = sum(one["power"]["enough"] is True for one in questions)
    summary = (
        f"{sentence(of_all(able, len(questions), 'question'))} can show the margin. " if questions else ""
    )
    lead = (
        f"{summary}The declared margin could have been seen between models in "
        f"{of_all(enough, len(known), 'test set')}. What is smaller than the detectable difference stays "
        "invisible, however good the model."
    )
    heads = ("Samples", "Independent samples", "Base rate", "AUC", "Loss difference", "Planned difference",
             "Planned, of squared error", "Margin")  # fmt: skip
    body = [
        [
            names.problem(row.get("problem") or {}),
            count(row.get("n")),
            count(row.get("effective_n")),
            percent(row.get("base_rate")),
            number(row.get("detectable_auc"), 3),
            number(row.get("detectable_log_loss")),
            number(row.get("planned_log_loss")),
            percent(row.get("planned_relative_mse")),
            number(row.get("margin"), 3),
        ]
        for row in rows
    ]
    caption = (
        "Smallest AUC that can be distinguished from 0.5, and smallest difference in loss between two "
        "models, with 80 % power; planned: what the same function gave before training, in nats, and for "
        "returns as a share of the squared error."
    )
    folded = f"All {plural(len(body), 'test set')}" if len(body) > _FOLD_BEYOND else None
    notes = [prose(row.get("text")) for row in rows[:1] if row.get("text")]
    tables += [table(caption, [*texts("Problem"), *numbers(*heads)], body, folded)] if rows else []
    return Section("power", heading, lead, notes, tables=tables)


def _question_power(questions: Sequence[Row]) -> Table:
    """The smallest gain that each question can show, and what would show its margin."""
    columns = [
        *texts("Question"), *numbers("Smallest gain", "Margin"),
        *texts("Answer", "What would show the margin"),
    ]  # fmt: skip
    words = {True: "can answer", False: "cannot show its margin", None: "not measured"}
    body = [
        [
            f"{one.get('experiment', '')}: {one.get('axis_label', '')}",
            number(one["power"].get("detectable_gain")),
            number(one["power"].get("margin"), 3),
            words[one["power"].get("enough")],
            " ".join(prose(text) for text in one["power"].get("remedies") or ()),
        ]
        for one in questions
    ]
    caption = (
        "Smallest gain in nats that the weakest curve of each question shows with 80 % power, at Holm's "
        "level and with the measured noise of dates and seeds."
    )
    folded = f"All {plural(len(body), 'question')}" if len(body) > _FOLD_BEYOND else None
    return table(caption, columns, body, folded)


def confounds_section(inputs: ReportInputs) -> Section:
    """Unintended differences between compared runs."""
    compared = Compared(inputs)
    found: dict[tuple[str, str], Cells] = {}
    curves = [(q, c) for q in inputs.questions for c in q.get("curves") or []]
    heading = "What else differed?"
    if not curves:
        return Section("confounds", heading, "Nothing was compared along an axis in this study.")
    unrecorded = 0
    for question, curve in curves:
        paths = [str(r.get("path")) for r in compared.runs(curve) if r.get("status") == "done"]
        unrecorded += any(path not in inputs.run_provenance for path in paths)
        folds: dict[str, list[dict[str, str]]] = {}
        for fact in (fact for path in paths if (fact := _facts(path, inputs))):
            folds.setdefault(fact.get("fold", ""), []).append(fact)
        asked = str(question.get("question") or "")
        for key, values in (
            pair for facts in folds.values() for pair in _differences(facts, axis_of(curve)).items()
        ):
            found.setdefault((asked, key), [asked, TableCell(key, code=True), listed(values)])
    rounding = sorted({key for _, key in found if key in _ROUNDING})
    others = sum(key not in _ROUNDING for _, key in found)
    lead = (
        f"{plural(others, 'setting')} differed besides the axis: each may explain it as well."
        if others
        else "Between the compared runs nothing differed but the axis, the seed, and what follows from them: "
        "not their settings, commit, packages, hardware, precision or data."
    )
    notes = []
    if rounding:
        notes.append(
            f"Different values of {' and '.join(rounding)} are in the table, too: batches and dropout are "
            "the same whatever they are, so that only rounding differs (measured in docs/methods.md)."
        )
    if unrecorded:
        notes.append(
            f"In {of_all(unrecorded, len(curves), 'curve')} the provenance of some runs is not at hand, "
            "so their commit, packages, hardware and data could not be compared."
        )
    columns = [Column("Question", wide=True), *texts("Setting"), Column("Values", wide=True)]
    differing = table("Settings that differ between compared runs.", columns, found.values())
    return Section("confounds", heading, lead, notes, tables=[differing] if found else [])


def _facts(path: str, inputs: ReportInputs) -> dict[str, str]:
    """Parameters and provenance of a run, one value per dotted name."""
    record = inputs.run_provenance.get(path) or {}
    return _flat(inputs.params.get(path) or {}) | _flat({k: record[k] for k in _RECORDED if k in record})


def declaration_section(inputs: ReportInputs) -> Section:
    """What was to be tested, and when that was written down."""
    heading = "What was declared, and when"
    if not inputs.declarations:
        return Section("declared", heading, "No declarations are on record.")
    rows: list[Cells] = []
    late = 0
    for name, entries in sorted(inputs.declarations.items()):
        for place, entry in enumerate(entries):
            before = int(entry.get("finished_before") or 0)
            late += before > 0 and place == len(entries) - 1
            rows.append(
                [
                    TableCell(name, code=True),
                    "; ".join(entry.get("tests") or []) or DASH,
                    str(entry.get("date") or "")[:16].replace("T", " "),
                    TableCell(str(entry.get("hash")), code=True),
                    f"{before} of {entry.get('runs')}",
                ]
            )
    lead = (
        "Every comparison was declared before its first run was finished."
        if not late
        else f"{plural(late, 'experiment')} changed its declaration after runs were finished: what these "
        "show was not declared beforehand."
    )
    columns = [
        *texts("Experiment"), Column("What will be tested", wide=True), *texts("Declared (UTC)", "Hash"),
        *numbers("Runs finished by then"),
    ]  # fmt: skip
    caption = "Written when the workflow first ran with this declaration; a changed one is a new line."
    folded = plural(len(rows), "declaration") if len(rows) > _FOLD_BEYOND else None
    return Section("declared", heading, lead, tables=[table(caption, columns, rows, folded)])


def ledger_section(inputs: ReportInputs) -> Section:
    """Number of test-set accesses and trials."""
    ledger = inputs.scaling.get("ledger") or {}
    accesses = ledger.get("test_access", inputs.scaling.get("test_access"))
    if accesses is None:
        return Section("ledger", "Ledger of the test set", "Test-set access was not counted.")
    lead = prose(ledger.get("text")) or f"The test set was accessed {plural(int(accesses), 'time')}."
    rows = [
        [label, count(ledger.get(key))]
        for label, key in (
            ("Distinct predictions of test samples", "test_access"),
            ("Runs", "runs"),
            ("Trials of searches (validation only)", "search_trials"),
        )
        if finite(ledger.get(key)) is not None
    ]
    problems = [[_problem(found)] for found in inputs.scaling.get("problems") or []]
    tables = []
    if rows:
        caption = "Counted from the files, so that reporting twice counts once."
        tables.append(table(caption, [*texts("What"), *numbers("Count")], rows))
    if problems:
        caption, folded = (
            "What is wrong with the runs, and weakens verdicts.",
            plural(len(problems), "problem"),
        )
        tables.append(table(caption, [Column("Problem", wide=True)], problems, folded))
    return Section("ledger", "Ledger of the test set", lead, tables=tables)


def _problem(found: Row) -> str:
    """A problem with its place, unless its sentence begins with it."""
    where, text = str(found.get("where")), prose(found.get("text"))
    return text if text.startswith(where) else f"{where}: {text}"


def _differences(compared: list[dict[str, str]], axis: str) -> dict[str, list[str]]:
    meant = (*_EXPECTED.get(axis, ()), *_NEVER)
    found: dict[str, list[str]] = {}
    for key in sorted({key for params in compared for key in params}):
        if any(key == name or key.startswith(f"{name}.") for name in meant):
            continue
        values = list(dict.fromkeys(params.get(key, "–") for params in compared))
        if len(values) > 1:
            found[key] = values[:6]
    return found


def _flat(content: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    flat: dict[str, str] = {}
    for key, value in content.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = _text(value)
    return flat


def _text(value: Any) -> str:
    if isinstance(value, str | int | float) or value is None:
        return str(value)
    return json.dumps(value) if isinstance(value, Iterable) else str(value)
