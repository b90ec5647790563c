"""The report: one self-contained HTML page, and the same content as Markdown.

Gathers the sections and renders them. Everything from data or configuration is escaped; the page contacts no
server. Computes no statistic: its numbers come from the evaluation.
"""

from __future__ import annotations

import base64
import gzip
import re
from dataclasses import replace
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from lib.report import glossary, notices
from lib.report.inputs import ReportInputs
from lib.report.markdown import render_markdown
from lib.report.page import Page, Section
from lib.report.sections import (
    ablations,
    answers,
    audit,
    axes_together,
    checklist,
    conformal_coverage,
    cost_and_provenance,
    curve_charts,
    data_quality,
    hyperparameters,
    hypothetical_trading,
    laws,
    learning_curves,
    model_tables,
    reliability,
    single_folds,
    slices,
    unanswered,
)
from lib.report.sections import runs as runs_table
from lib.report.wording import Names, prose

_UNFOLDED = (
    "scaling", "features", "amount", "context", "quality", "assets", "laws", "interactions", "ablations",
    "baselines", "controls", "limits",
)  # fmt: skip
"""Sections that answer the study's questions: open from the start. Of the others a reader sees the finding,
and opens what it rests on."""
__all__ = ["ReportInputs", "build_page", "render_html", "render_markdown"]
_BEGUN = 170
"""Letters of a chart's reading that are shown; more are folded."""
_NAMED = 6
"""Symbols that stand below the title."""


def render_html(page: Page) -> str:
    """The whole report as HTML that opens from disk, without a network.

    The table of runs is inside twice: to be read, and packed, as the CSV that can be saved.
    """
    csv = base64.b64encode(gzip.compress(page.csv.encode(), mtime=0)).decode()
    return _environment().get_template("report.html.j2").render(page=page, csv=csv)


def build_page(inputs: ReportInputs) -> Page:
    """The content of the report, before it is rendered."""
    names = Names(inputs.rows or inputs.curves)
    csv, csv_note = runs_table.runs_csv(inputs)
    page = Page(
        title=inputs.title,
        subtitle=_subtitle(inputs),
        note=inputs.note,
        verdicts=answers.verdicts(inputs, names),
        no_verdict="No question about size in this study: a verdict on scaling needs at least two budgets.",
        baselines=model_tables.baseline_sentences(inputs, names),
        unanswered=unanswered.unanswered(inputs),
        checks=answers.checks(inputs),
        warnings=notices.grouped(prose(text) for text in inputs.scaling.get("warnings") or []),
        sections=_sections(inputs, names),
        runs=runs_table.runs_table(inputs),
        runs_summary=runs_table.summary_line(inputs),
        missing=runs_table.missing_runs(inputs),
        csv=csv,
        csv_note=csv_note,
        closing=[
            audit.power_section(inputs, names),
            audit.confounds_section(inputs),
            audit.declaration_section(inputs),
            audit.ledger_section(inputs),
            cost_and_provenance.cost_section(inputs),
            cost_and_provenance.provenance_section(inputs),
            cost_and_provenance.limits_section(inputs),
        ],
        unfolded=_UNFOLDED,
    )
    return replace(page, words=glossary.first_words(page))


def _sections(inputs: ReportInputs, names: Names) -> list[Section]:
    """The sections before the run table; those without content are left out."""
    found = [
        *curve_charts.curve_sections(inputs, names),
        laws.laws_section(inputs, names),
        checklist.checklist_section(inputs),
        *axes_together.effects_sections(inputs, names),
        ablations.ablations_section(inputs, names),
        single_folds.folds_section(inputs, names),
        model_tables.baselines_section(inputs, names),
        model_tables.controls_section(inputs, names),
        slices.parts_section(inputs, names),
        reliability.reliability_section(inputs, names),
        conformal_coverage.coverage_section(inputs, names),
        hypothetical_trading.trading_section(inputs, names),
        learning_curves.curves_section(inputs, names),
        hyperparameters.search_section(inputs),
        data_quality.data_section(inputs, names),
    ]
    return [section for section in found if section is not None]


def _subtitle(inputs: ReportInputs) -> str:
    facts = []
    spans = [
        (str(p["first"]), str(p["last"])) for p in inputs.prices.values() if p.get("first") and p.get("last")
    ]
    if inputs.prices:
        named, more = list(inputs.prices)[:_NAMED], len(inputs.prices) - _NAMED
        facts.append(", ".join(named) + (f" and {more} more" if more > 0 else ""))
    if spans:
        facts.append(f"{min(first for first, _ in spans)} to {max(last for _, last in spans)}")
    vintages = sorted({str(p["vintage"]) for p in inputs.prices.values() if p.get("vintage")})
    if vintages:
        facts.append(f"vintage {', '.join(vintages)}")
    if inputs.provenance.get("date"):
        facts.append(f"made {str(inputs.provenance['date'])[:10]}")
    return " · ".join(facts)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["begun"] = _begun
    environment.filters["coded"] = _coded
    return environment


def _coded(text: str) -> Markup:
    """A text as HTML, with what stands between backticks as code."""
    return Markup(re.sub(r"`([^`\n]+)`", r"<code>\1</code>", str(escape(text))))


def _begun(text: str) -> tuple[str, str]:
    """The first sentences of a long text, and the rest of it: the page shows them and folds it."""
    end = 0
    for found in re.finditer(r"(?<=[.!?]) (?=[A-Z−\d])", text):
        if end and found.start() > _BEGUN:
            break
        end = found.start()
    return (text, "") if len(text) <= 1.5 * _BEGUN or not end else (text[:end], text[end + 1 :])
