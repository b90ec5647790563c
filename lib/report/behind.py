"""The table behind a chart: what it draws, in numbers.

Screen readers read it, the page shows and saves it on demand, and the page's script takes pointed-at values
from it: so chart and table cannot disagree. Only arranges what was drawn.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from lib.report.page import Column, Table, TableCell
from lib.report.svg import Chart
from lib.report.wording import number

SHOWN = "Show as table"
"""The line that a table behind a chart is folded under."""


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
    columns = [Column(first), *(Column(name, numeric=True) for name in chart.lines)]
    values = [dict(points) for points in chart.lines.values()]
    places = sorted({x for own in values for x in own})
    rows = [
        [TableCell(x_text(x)), *(TableCell(y_text(own[x]) if x in own else "") for own in values)]
        for x in places
    ]
    return Table(caption, columns, rows, SHOWN)


def of_rows(heads: Sequence[str], rows: Sequence[Sequence[str]], caption: str = "") -> Table:
    """A table of texts, its first column the names."""
    columns = [Column(heads[0]), *(Column(head, numeric=True) for head in heads[1:])]
    return Table(caption, columns, [[TableCell(text) for text in row] for row in rows], SHOWN)
