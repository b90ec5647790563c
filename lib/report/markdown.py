"""The report's content as Markdown, for terminals, reviews and version control. No drawings."""

from __future__ import annotations

import re
from collections.abc import Sequence

from lib.report.page import Page, Section, Table, VerdictLine

_MAX_ROWS = 60


def render_markdown(page: Page) -> str:
    """The report without drawings."""
    lines = [f"# {_text(page.title)}", "", _text(page.subtitle), ""]
    lines += [f"> {_text(page.note)}", ""] if page.note else []
    lines += ["## Verdict", "", *(_verdict(page.verdicts) or [page.no_verdict, ""])]
    if page.unanswered:
        lines += ["### Questions without a verdict", "", *_bullets(page.unanswered), ""]
    lines += [*_bullets(page.baselines), ""]
    lines += [*(f"- {check.label}: {_text(check.value)}" for check in page.checks), ""]
    if page.warnings:
        lines += ["### Warnings", "", *_bullets(page.warnings), ""]
    lines += _words(page, "verdict")
    for section in page.sections:
        lines += _section(section, page)
    lines += ["## All runs", "", page.runs_summary, ""]
    lines += [*(f"- missing: {_text(run)}" for run in page.missing), ""] if page.missing else []
    lines += _table(page.runs, limit=None) if page.runs.rows else []
    for section in page.closing:
        lines += _section(section, page)
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip() + "\n"


def _verdict(verdicts: Sequence[VerdictLine]) -> list[str]:
    lines = []
    for verdict in verdicts:
        lines += [f"### {_text(verdict.question)}", ""]
        lines += [line for sentence in verdict.predicted for line in (_text(sentence), "")]
        lines += [f"**{verdict.answer}** {verdict.sentence}", "", _text(verdict.kind), ""]
        number = f": **{_text(verdict.number)}** ({verdict.after})" if verdict.number else ""
        lines += [f"{_text(verdict.label)}{number}", "", _text(verdict.worth), ""]
        lines += [f"Why: {_text(verdict.reason)}", ""] if verdict.reason else []
        lines += ["What would change it:", "", *_bullets(verdict.change), ""]
        lines += _table(verdict.table) if verdict.table else []
    return lines


def _bullets(texts: Sequence[str]) -> list[str]:
    return [f"- {_text(text)}" for text in texts]


def _words(page: Page, identity: str) -> list[str]:
    """The terms that first stand in a section."""
    terms = [f"*{_text(term)}*: {_text(meaning)}" for term, meaning in page.words.get(identity, ())]
    return [" · ".join(terms), ""] if terms else []


def _section(section: Section, page: Page) -> list[str]:
    lines = [f"## {section.heading}", "", _text(section.lead), "", *_words(page, section.id)]
    lines += [*_bullets([*section.notes, *section.bullets]), ""]
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
    lines += [f"| {' | '.join(_text(row[i].text) for i in shown)} |" for row in table.rows[:limit]]
    if limit is not None and len(table.rows) > limit:
        lines += ["", f"… and {len(table.rows) - limit} more rows in the HTML report."]
    return [*lines, ""]


def _text(text: str) -> str:
    """Text that no Markdown renderer takes for markup, a table border or HTML."""
    flat = " ".join(str(text).split()).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    flat = re.sub(r"([\\`*|])", r"\\\1", flat).replace("](", "]\\(")
    return re.sub(r"^([#+-]|\d+\.)(?=\s)", r"\\\1", flat)
