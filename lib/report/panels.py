"""A chart and what belongs to it: the claim, its reading, and what is drawn as a table behind it.

Screen readers read that table, the page shows and saves it on demand, and the page's script takes pointed-at
values from it: so chart and table cannot disagree. Only arranges what was drawn.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from lib.report.page import Panel, Table, numbers, table, texts
from lib.report.svg import Chart
from lib.report.wording import number, plural

SHOWN = "Show as table"
"""The line that a table behind a chart is folded under."""
MAX_PANELS = 12
"""Charts per section; beyond, a sentence says how many more there are, and the tables hold their numbers."""


def panel(
    title: str, reading: str, chart: Chart, behind: Table, more: Table | None = None, switch: str = ""
) -> Panel:
    """A chart with its words, which are also read to those who cannot see it; `switch` names the axes (`x`,
    `y`) that the page may change between linear and logarithmic."""
    return Panel(title, chart.render(f"{title}. {reading}", switch), reading, behind, more)


def limited(panels: Sequence[Panel]) -> tuple[list[Panel], list[str]]:
    """At most `MAX_PANELS` charts, and a note on the others."""
    rest = len(panels) - MAX_PANELS
    notes = [f"{plural(rest, 'more chart')} of this kind not drawn; the table of runs has the numbers."]
    return list(panels[:MAX_PANELS]), notes if rest > 0 else []


def of_lines(
    chart: Chart,
    first: str,
    x_text: Callable[[float], str],
    y_text: Callable[[float], str] = number,
    caption: str = "",
) -> Table:
    """One row per place on the horizontal axis, one column per named line of the chart.

    Args:
        chart: drawn, its lines with names.
        first: what the horizontal axis is.
        x_text: writes a place.
        y_text: writes a value.
        caption: shown above the table.
    """
    values = [dict(points) for points in chart.lines.values()]
    rows = [
        [x_text(x), *(y_text(own[x]) if x in own else "" for own in values)]
        for x in sorted({x for own in values for x in own})
    ]
    return table(caption, [*texts(first), *numbers(*chart.lines)], rows, SHOWN)


def of_rows(heads: Sequence[str], rows: Sequence[Sequence[str]], caption: str = "") -> Table:
    """A table of texts, its first column the names."""
    return table(caption, [*texts(heads[0]), *numbers(*heads[1:])], rows, SHOWN)
