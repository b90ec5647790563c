"""What the page's terms mean, said where each first stands.

Finds terms in the page's text; changes no text. One short sentence each: what the methods' page explains at length.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from lib.reporting.page import Page, Section, Table

_TERMS = {
    "Base rate": (r"base rate", "no model: the share of the class in the training years, said every day."),
    "Log loss": (
        r"log loss",
        "the price of a probability, −ln of what was given to what happened; less is better. Its unit is the nat.",
    ),
    "Level": (r"levels?\b", "a step along what the question varies, such as 2M, 20M and 200M parameters."),
    "Cell": (r"cells?\b", "one prediction problem with one model: the smallest unit that gets a verdict of its own."),
    "Margin": (r"margins?\b", "the smallest gain that would matter, declared before anything was trained."),
    "[a, b]": (r"\[−?\d[^\]]*, −?\d[^\]]*\]", "interval: where the true value lies, as far as these dates and seeds tell."),
    "Seed": (r"seeds?\b", "one training run of several that differ only in their random start."),
    "Holm": (
        r"\bHolm\b",
        "intervals and p-values widened for the number of comparisons made, so that chance finds nothing "
        "when one looks often.",
    ),
    "Walk-forward fold": (r"walk-forward|\bfolds?\b", "trained on ten years, tested on the next; then all moved on."),
    "Recalibrated": (r"recalibrated", "the same gain after each model's probabilities were corrected on validation."),
    "Detectable": (r"detectable", "the smallest difference that this many dates and seeds would have shown, four times in five."),
    "Effective n": (r"effective n\b", "independent samples: labels of overlapping days repeat each other."),
    "AUC": (r"\bAUC\b", "the chance that a day with the event was ranked above a day without; 0.5 is guessing."),
    "ECE": (r"\bECE\b|calibration error", "mean distance between the probability said and how often it came true."),
    "Brier": (r"\bBrier\b", "mean squared distance between the probability and what happened (0 or 1)."),
    "AICc": (r"\bAICc\b", "how well a form fits, charged for its parameters; lower is better."),
    "Conformal": (r"conformal", "a set of answers made wide enough, on held-out days, to hold the truth as often as promised."),
    "Sharpe ratio": (r"sharpe", "mean yearly return over its standard deviation."),
    "Ledger": (r"ledger", "the count of all looks at the test set: every look spends some of its honesty."),
    "fANOVA": (r"fANOVA", "how much of the differences between trials one parameter explains."),
}  # fmt: skip


def first_words(page: Page) -> dict[str, list[tuple[str, str]]]:
    """Section (or `verdict`) to the terms that first stand in it, with their meanings, in order of the text."""
    found: dict[str, list[tuple[str, str]]] = {}
    left: Mapping[str, tuple[str, str]] = dict(_TERMS)
    for identity, text in _texts(page):
        places = {
            name: m.start() for name, (pattern, _) in left.items() if (m := re.search(pattern, text, re.I))
        }
        if places:
            found[identity] = [
                (name, left[name][1]) for name in sorted(places, key=lambda name: places[name])
            ]
            left = {name: meaning for name, meaning in left.items() if name not in places}
    return found


def _texts(page: Page) -> Iterator[tuple[str, str]]:
    """Every part of the page with its text, in the order in which it is read."""
    parts = [*page.opponents, *page.unanswered, *page.warnings]
    for verdict in page.verdicts:
        said = [
            verdict.question,
            verdict.sentence,
            verdict.label,
            verdict.number,
            verdict.after,
            verdict.worth,
        ]
        parts += [*said, verdict.reason, *verdict.change, *verdict.predicted, *_of(verdict.table)]
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
    """A table's own words: its caption and heads; what stands in cells is data."""
    return [] if table is None else [table.caption, *(column.label for column in table.columns)]
