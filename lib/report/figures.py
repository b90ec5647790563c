"""The report's charts as files for papers: SVG that stands alone, and PNG at twice its size.

The same drawings as on the page, on white, in the page's colours for paper. Nothing is drawn here.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import resvg_py

from lib.report.page import Page

_TEMPLATES = Path(__file__).parent / "templates"
_FONT = "DejaVu Sans, Helvetica, Arial, sans-serif"
_MARGIN = 10
_ZOOM = 2


def figure_files(page: Page) -> dict[str, bytes]:
    """Name of a file to its content: `SECTION-NUMBER.svg` and `.png` of every chart, and a list of what
    they show."""
    files: dict[str, bytes] = {}
    listed = [f"# Figures of: {page.title}", ""]
    for section in (*page.sections, *page.closing):
        for number, panel in enumerate(section.panels, start=1):
            name = f"{section.id}-{number:02d}"
            drawing = standalone(str(panel.figure))
            files[f"{name}.svg"] = drawing.encode()
            files[f"{name}.png"] = bytes(resvg_py.svg_to_bytes(svg_string=drawing, zoom=_ZOOM))
            listed += [f"- **{name}**: {panel.title}. {panel.reading}"]
    files["README.md"] = ("\n".join(listed) + "\n").encode()
    return files


def standalone(svg: str) -> str:
    """A chart of the page as a file of its own, with its style sheet and a margin, on white."""
    found = re.match(r'<svg class="chart" viewBox="0 0 (\d+) (\d+)"', svg)
    if found is None:
        raise ValueError("not a chart of this report")
    width, height = int(found[1]) + 2 * _MARGIN, int(found[2]) + 2 * _MARGIN
    box = f"{-_MARGIN} {-_MARGIN} {width} {height}"
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="chart" viewBox="{box}" width="{width}" '
        f'height="{height}" font-family="{_FONT}"'
    )
    body = head + svg[found.end() :]
    inside = body.index(">", len(head)) + 1
    paper = f'<rect x="{-_MARGIN}" y="{-_MARGIN}" width="{width}" height="{height}" fill="#ffffff"/>'
    return f"{body[:inside]}<style>{_style()}</style>{paper}{body[inside:]}\n"


@cache
def _style() -> str:
    """The charts' style sheet with the colours of paper in place of variables."""
    root = (_TEMPLATES / "report.css").read_text(encoding="utf-8").split("}")[0]
    colours = dict(re.findall(r"(--[\w-]+): (#\w+)", root))
    style = (_TEMPLATES / "charts.css").read_text(encoding="utf-8").replace("font-family: inherit; ", "")
    return re.sub(r"var\((--[\w-]+)\)", lambda match: colours[match[1]], style)
