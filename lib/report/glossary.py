"""Glossary: the page's terms, explained where each first occurs.

Finds terms in the page's text; changes no text. One short sentence each: docs/methods.md has the details.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from lib.report.page import Page, Section, Table


@dataclass(frozen=True)
class _Term:
    name: str
    pattern: str
    meaning: str


_TERMS = (
    _Term(
        "Base rate",
        r"base rate",
        "no model: the class's share of the training years, forecast every day.",
    ),
    _Term(
        "Log loss",
        r"log loss",
        "minus the log of the probability given to what happened, in nats; lower is better.",
    ),
    _Term(
        "Scale point",
        r"scale points?\b",
        "a step along what the question varies, such as 2M, 20M and 200M parameters.",
    ),
    _Term(
        "Curve",
        r"(?<!loss )(?<!learning )curves?\b",
        "one model on one prediction problem along one axis: the smallest unit with a verdict of its own.",
    ),
    _Term(
        "Margin",
        r"margins?\b",
        "the smallest gain that would matter, declared before anything was trained.",
    ),
    _Term(
        "[a, b]",
        r"\[−?\d[^\]]*, −?\d[^\]]*\]",
        "confidence interval, over test dates and seeds.",
    ),
    _Term("Seed", r"seeds?\b", "one training run of several that differ only in their random start."),
    _Term(
        "Holm",
        r"\bHolm\b",
        "intervals and p-values widened for the number of comparisons, so that looking often finds "
        "nothing by chance.",
    ),
    _Term(
        "Walk-forward fold",
        r"walk-forward|\bfolds?\b",
        "trained on some years, tested on the next; then both move on.",
    ),
    _Term(
        "Recalibrated",
        r"recalibrated",
        "the same gain after every model's probabilities were corrected on validation.",
    ),
    _Term(
        "Detectable",
        r"detectable",
        "the smallest difference that these dates and seeds would have shown, four times in five.",
    ),
    _Term(
        "Effective n",
        r"effective n\b",
        "independent samples: labels of overlapping days repeat each other.",
    ),
    _Term(
        "AUC",
        r"\bAUC\b",
        "the chance that a day with the event was ranked above a day without; 0.5 is guessing.",
    ),
    _Term(
        "ECE",
        r"\bECE\b|calibration error",
        "mean distance between the forecast probability and how often it came true.",
    ),
    _Term("Brier", r"\bBrier\b", "mean squared distance between the probability and what happened (0 or 1)."),
    _Term("AICc", r"\bAICc\b", "how well a form fits, charged for its parameters; lower is better."),
    _Term(
        "Conformal",
        r"conformal",
        "intervals or sets calibrated on held-out days to cover the outcome as often as promised.",
    ),
    _Term("Sharpe ratio", r"sharpe", "mean yearly return over its standard deviation."),
    _Term(
        "Ledger",
        r"ledger",
        "the count of test-set accesses; a choice made after one is no longer independent of the test.",
    ),
    _Term("fANOVA", r"fANOVA", "how much of the differences between trials one parameter explains."),
)


def first_words(page: Page) -> dict[str, list[tuple[str, str]]]:
    """Section (or `verdict`) to the terms that first stand in it, with their meanings, in order."""
    found: dict[str, list[tuple[str, str]]] = {}
    left = list(_TERMS)
    for identity, text in _texts(page):
        places = [(match.start(), t) for t in left if (match := re.search(t.pattern, text, re.IGNORECASE))]
        if places:
            new = [term for _, term in sorted(places, key=lambda place: place[0])]
            found[identity] = [(term.name, term.meaning) for term in new]
            left = [term for term in left if term not in new]
    return found


def _texts(page: Page) -> Iterator[tuple[str, str]]:
    """Every part of the page with its text, in the order in which it is read."""
    parts = [*page.baselines, *page.unanswered, *page.warnings]
    for verdict in page.verdicts:
        texts = [
            verdict.question,
            verdict.sentence,
            verdict.label,
            verdict.number,
            verdict.after,
            verdict.worth,
        ]
        parts += [*texts, verdict.reason, *verdict.change, *verdict.predicted, *_of(verdict.table)]
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
