"""Glossary: the page's terms, explained where each first occurs.

Finds terms in the page's text; changes no text. One short sentence each: docs/methods.md has the details.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from lib.report.page import Page, Section, Table

_TERMS = {
    "Base rate": ("base rate", "no model: the class's share of the training years, forecast every day."),
    "Log loss": ("log loss",
        "minus the log of the probability given to what happened, in nats; lower is better."),
    "Budget": (r"\bbudgets?\b", "a model's nominal number of parameters; its own is within a quarter of it."),
    "Scale point": (r"scale points?\b",
        "a step along what the question varies, such as 2M, 20M and 200M parameters."),
    "Curve": (r"(?<!loss )(?<!learning )curves?\b",
        "one model on one prediction problem along one axis: the smallest unit with a verdict of its own."),
    "Margin": (r"margins?\b", "the smallest gain that would matter, declared before anything was trained."),
    "[a, b]": (r"\[−?\d[^\]]*, −?\d[^\]]*\]", "confidence interval, over test dates and seeds."),
    "Seed": (r"seeds?\b", "one training run of several that differ only in their random start."),
    "Holm": (r"\bHolm\b",
        "intervals and p-values widened for the number of comparisons, so that looking often finds "
        "nothing by chance."),
    "Walk-forward fold": (r"walk-forward|\bfolds?\b",
        "trained on some years, tested on the next; then both move on."),
    "Recalibrated": ("recalibrated",
        "the same gain after every model's probabilities were corrected on validation."),
    "Detectable": ("detectable",
        "the smallest difference that these dates and seeds would have shown, four times in five."),
    "Effective n": (r"effective n\b", "independent samples: labels of overlapping days repeat each other."),
    "Selection loss": (r"selection loss|loss on the selection",
        "the loss on the part of validation by which weights and variants are chosen."),
    "AUC": (r"\bAUC\b",
        "the chance that a day with the event was ranked above a day without; 0.5 is guessing."),
    "ECE": (r"\bECE\b|calibration error",
        "mean distance between the forecast probability and how often it came true."),
    "Brier": (r"\bBrier\b", "mean squared distance between the probability and what happened (0 or 1)."),
    "AICc": (r"\bAICc\b", "how well a form fits, charged for its parameters; lower is better."),
    "Conformal": ("conformal",
        "intervals or sets calibrated on held-out days to cover the outcome as often as promised."),
    "Vintage": ("vintage", "a copy of the raw data that is never changed once it was imported."),
    "Sharpe ratio": ("sharpe", "mean yearly return over its standard deviation."),
    "Ledger": ("ledger",
        "the count of test-set accesses; a choice made after one is no longer independent of the test."),
    "fANOVA": ("fANOVA", "how much of the differences between trials one parameter explains."),
}  # fmt: skip
"""Term to where it stands in a text, and its meaning."""


def first_words(page: Page) -> dict[str, list[tuple[str, str]]]:
    """Section (or `verdict`) to the terms that first stand in it, with their meanings, in order."""
    found: dict[str, list[tuple[str, str]]] = {}
    left = dict(_TERMS)
    for identity, text in _texts(page):
        places = {
            name: match.start()
            for name, (pattern, _) in left.items()
            if (match := re.search(pattern, text, re.IGNORECASE))
        }
        if places:
            found[identity] = [(name, left.pop(name)[1]) for name in sorted(places, key=lambda n: places[n])]
    return found


def _texts(page: Page) -> Iterator[tuple[str, str]]:
    """Every part of the page with its text, in the order in which it is read."""
    parts = [*page.baselines, *page.unanswered, *page.warnings]
    for verdict in page.verdicts:
        parts += [verdict.question, verdict.sentence, verdict.label, verdict.number, verdict.after]
        parts += [verdict.worth, verdict.reason, *verdict.change, *verdict.predicted, *_of(verdict.table)]
    yield "verdict", "\n".join(parts)
    yield from ((section.id, _section(section)) for section in page.sections)
    yield "runs", "\n".join(_of(page.runs)[: len(page.runs.columns) + 1])
    yield from ((section.id, _section(section)) for section in page.closing)


def _section(section: Section) -> str:
    parts = [section.heading, section.lead, *section.notes, *section.bullets]
    for panel in section.panels:
        parts += [panel.title, panel.reading, *_of(panel.table), *_of(panel.more)]
    for table in section.tables:
        parts += _of(table)
    return "\n".join(parts)


def _of(table: Table | None) -> Sequence[str]:
    """A table's own text: its caption and headers; its cells are data."""
    return [] if table is None else [table.caption, *(column.label for column in table.columns)]
