"""The report's content as Markdown, for terminals, reviews and version control. No drawings."""

from __future__ import annotations

import re
from collections.abc import Sequence

from lib.report.page import Page, Section, Table, TableCell

_MAX_ROWS = 60


def page_markdown(page: Page) -> str:
    """The whole page."""
    lines = [f"# {_text(page.title)}", ""]
    if page.subtitle:
        lines += [_text(page.subtitle), ""]
    if page.note:
        lines += [f"> {_text(page.note)}", ""]
    lines += ["## Verdict", ""]
    if not page.verdicts:
        lines += [page.no_verdict, ""]
    for verdict in page.verdicts:
        lines += [f"### {_text(verdict.question)}", ""]
        lines += [line for sentence in verdict.predicted for line in (_text(sentence), "")]
        lines += [f"**{verdict.answer}** {verdict.sentence}", ""]
        lines += [_text(verdict.kind), ""] if verdict.kind else []
        decisive = (
            f"{_text(verdict.label)}: **{_text(verdict.number)}** ({verdict.after})"
            if verdict.number
            else verdict.label
        )
        lines += [decisive, ""]
        lines += [_text(verdict.worth), ""] if verdict.worth else []
        if verdict.reason:
            lines += [f"Why: {_text(verdict.reason)}", ""]
        lines += ["What would change it:", "", *(f"- {_text(step)}" for step in verdict.change), ""]
        lines += _table(verdict.table) if verdict.table else []
    if page.unanswered:
        lines += [
            "### Questions without a verdict",
            "",
            *(f"- {_text(sentence)}" for sentence in page.unanswered),
            "",
        ]
    lines += [f"- {_text(sentence)}" for sentence in page.baselines]
    lines += ["", *(f"- {check.label}: {_text(check.value)}" for check in page.checks), ""]
    if page.warnings:
        lines += ["### Warnings", "", *(f"- {_text(warning)}" for warning in page.warnings), ""]
    lines += _words(page, "verdict")
    for section in page.sections:
        lines += _section(section, page)
    lines += ["## All runs", "", page.runs_summary, ""]
    lines += [*(f"- missing: {_text(run)}" for run in page.missing), ""] if page.missing else []
    lines += _table(page.runs, limit=None) if page.runs.rows else []
    for section in page.closing:
        lines += _section(section, page)
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip() + "\n"


def _words(page: Page, identity: str) -> list[str]:
    """The terms that first stand in a section."""
    terms = [f"*{_text(term)}*: {_text(meaning)}" for term, meaning in page.words.get(identity, ())]
    return [" · ".join(terms), ""] if terms else []


def _section(section: Section, page: Page) -> list[str]:
    lines = [f"## {section.heading}", "", _text(section.lead), "", *_words(page, section.id)]
    lines += [f"- {_text(text)}" for text in (*section.notes, *section.bullets)]
    lines.append("")
    for panel in section.panels:
        lines += [f"### {_text(panel.title)}", "", _text(panel.reading), ""]
        for table in (panel.table, panel.more):
            lines += _table(table) if table else []
    for table in section.tables:
        lines += _table(table)
    return lines


def _table(table: Table, limit: int | None = _MAX_ROWS) -> list[str]:
    shown = [i for i, column in enumerate(table.columns) if column.axis is None]
    heads = [table.columns[i] for i in shown]
    lines = [f"*{_text(table.caption)}*", ""] if table.caption else []
    lines.append(f"| {' | '.join(_text(head.label) for head in heads)} |")
    lines.append(f"|{'|'.join('---:' if head.numeric else '---' for head in heads)}|")
    lines += [f"| {' | '.join(_cells(row, shown))} |" for row in table.rows[:limit]]
    if limit is not None and len(table.rows) > limit:
        lines += ["", f"… and {len(table.rows) - limit} more rows in the HTML report."]
    return [*lines, ""]


def _cells(row: Sequence[TableCell], shown: Sequence[int]) -> list[str]:
    return [_text(row[i].text) for i in shown]


def _text(text: str) -> str:
    """Text that no Markdown renderer takes for markup, a table border or HTML."""
    flat = " ".join(str(text).split()).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    flat = re.sub(r"([\\`*|])", r"\\\1", flat).replace("](", "]\\(")
    return re.sub(r"^([#+-]|\d+\.)(?=\s)", r"\\\1", flat)
