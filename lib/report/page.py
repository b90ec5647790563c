"""The report's content without its appearance: sections, panels and tables, rendered as HTML and as Markdown.

One content for both renderings, so that they cannot disagree. Holds no layout and no data access.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from markupsafe import Markup

Tone = Literal["", "pass", "fail", "muted"]


@dataclass(frozen=True)
class TableCell:
    """One cell of a table."""

    text: str
    sort: float | None = None
    """What the cell is ordered by in the table of runs; default: its text."""
    drawing: Markup | None = None
    """Shown in place of the text, which stays its meaning; left out of Markdown."""
    tone: Tone = ""
    code: bool = False
    """A hash, path or identifier, set in a fixed-width face."""


Cells = list[TableCell | str]
"""One row of a table."""


@dataclass(frozen=True)
class Column:
    """One column of a table."""

    label: str
    numeric: bool = False
    axis: Markup | None = None
    """Makes it a column of drawings that share this axis."""
    wide: bool = False
    """Running text that may wrap."""
    detail: bool = False
    """For checking: shown in a second table, folded below the first."""


@dataclass(frozen=True)
class Table:
    """A table; with `folded` it is behind that line and opens on demand."""

    caption: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[TableCell]]
    folded: str | None = None


def texts(*labels: str) -> list[Column]:
    """Columns of texts."""
    return [Column(label) for label in labels]


def numbers(*labels: str) -> list[Column]:
    """Columns of numbers."""
    return [Column(label, numeric=True) for label in labels]


def table(
    caption: str,
    columns: Sequence[Column],
    rows: Iterable[Sequence[TableCell | str]],
    folded: str | None = None,
) -> Table:
    """A table; a plain text is a cell, and so is a drawing."""
    return Table(caption, columns, [[_cell(one) for one in row] for row in rows], folded)


def _cell(content: TableCell | str) -> TableCell:
    if isinstance(content, Markup):
        return TableCell("", drawing=content)
    return TableCell(content) if isinstance(content, str) else content


@dataclass(frozen=True)
class Panel:
    """One chart and the claim it supports."""

    title: str
    """The finding, in words."""
    figure: Markup
    reading: str
    """What the chart shows, in numbers."""
    table: Table | None = None
    """What the chart draws, in numbers: folded below it, and read by the page's script."""
    more: Table | None = None
    """Another table that belongs to the chart."""


@dataclass(frozen=True)
class Section:
    """One part of the page. `lead` is its finding in a sentence."""

    id: str
    heading: str
    lead: str
    notes: Sequence[str] = ()
    legend: Markup | None = None
    panels: Sequence[Panel] = ()
    tables: Sequence[Table] = ()
    bullets: Sequence[str] = ()


@dataclass(frozen=True)
class VerdictLine:
    """The answer to one question."""

    question: str
    verdict: str
    axis: str
    """What there is more of."""
    answer: str
    """The answer in a few plain words."""
    sentence: str
    label: str
    """What the deciding number is."""
    number: str
    """The number that decides, with its interval."""
    after: str
    """The reference for the number."""
    change: Sequence[str]
    """What would change the answer."""
    table: Table | None = None
    reason: str = ""
    predicted: Sequence[str] = ()
    """The law's prediction for the largest scale point before its training, and its outcome."""
    worth: str = ""
    """Whether a larger model is worth its compute, and whether the best one is ahead of a linear model."""
    kind: str = ""
    """What an exploratory answer is worth; empty for a confirmatory one."""


@dataclass(frozen=True)
class ReportCheck:
    """One fact about the study as a whole, beside the verdict."""

    label: str
    value: str
    tone: Tone = ""


@dataclass(frozen=True)
class Page:
    """The whole report."""

    title: str
    subtitle: str
    note: str | None
    verdicts: Sequence[VerdictLine]
    no_verdict: str
    baselines: Sequence[str]
    """One sentence per problem: how the models compare with simple ones."""
    checks: Sequence[ReportCheck]
    unanswered: Sequence[str]
    """Questions without a verdict, each with the reason."""
    warnings: Sequence[str]
    sections: Sequence[Section]
    runs: Table
    runs_summary: str
    missing: Sequence[str]
    csv: str
    csv_note: str
    closing: Sequence[Section] = field(default=())
    """Sections after the table of runs."""
    unfolded: Collection[str] = ()
    """Sections whose charts and tables are open from the start; of the others the lead is."""
    words: Mapping[str, Sequence[tuple[str, str]]] = field(default_factory=dict)
    """Section (or `verdict`) to the terms that first stand in it, each with its meaning."""
