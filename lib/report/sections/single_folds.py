"""The walk-forward folds one by one: does what holds over all of them hold in single years?

Shows what `lib.scaling.walk_forward` has measured; draws no verdicts.
"""

from __future__ import annotations

from lib.report.inputs import ReportInputs
from lib.report.page import Section, Table, numbers, table, texts
from lib.report.wording import DASH, Names, count, estimate
from lib.scaling.axes import Row
from lib.scaling.words import model_words


def folds_section(inputs: ReportInputs, names: Names) -> Section | None:
    """Per prediction problem in how many folds a model is better, and each fold; None without folds."""
    entries = [entry for entry in inputs.scaling.get("walk_forward") or [] if entry.get("folds")]
    if not entries:
        return None
    lead = (
        "Each fold is trained on the years before it and tested on its own; the test parts together are the "
        "long test set on which the questions above are decided. Folds share training years, so they are not "
        "independent, and no fold decides anything by itself."
    )
    tables = []
    for entry in entries:
        tables += [_better(entry, names)] if entry.get("better") else []
        tables.append(_single(entry, names))
    return Section("folds", "Fold by fold", lead, tables=tables)


def _words(line: Row) -> str:
    first = model_words(line["model"], line["budget"])
    return f"{first} against {model_words(line['against_model'], line['against_budget'])}"


def _better(entry: Row, names: Names) -> Table:
    body = [
        [_words(line), f"{count(line['better_folds'])} of {count(line['folds'])}"] for line in entry["better"]
    ]
    caption = f"{names.problem(entry['problem'])}: {entry['question']}"
    return table(caption, [*texts("Comparison"), *numbers("Lower loss in folds")], body)


def _single(entry: Row, names: Names) -> Table:
    columns = [
        *texts("Fold", "Tested on", "Comparison or model"),
        *numbers("Loss, or difference in it", "Seeds"),
    ]
    body = []
    for fold in entry["folds"]:
        start = [str(fold["fold"]), f"{fold['first']} to {fold['last']}"]
        body += [
            [*start, _words(line), estimate(line["difference"]), DASH]
            for line in fold.get("differences") or []
        ]
        body += [
            [*start, model_words(line["model"], line["budget"]), estimate(line["loss"]), count(line["seeds"])]
            for line in fold.get("models") or []
        ]
    problem = names.problem(entry["problem"])
    folded = f"{problem}: {len(entry['folds'])} of {entry.get('declared_folds')} folds one by one"
    return table(f"{problem}, fold by fold", columns, body, folded)
