"""Small drawings as inline SVG: axes, lines, bands, markers, and interval strips for table cells.

Not drawn by a charting library, so that charts take their colours from the page's style sheet (dark mode and
paper included), stay legible on a phone, and weigh a few kilobytes each. Colour and shape of a mark come from
what it is (its budget), never from its place in a list. The drawing carries what the page's script needs to
show values: scales, names of lines, tips. Knows nothing of runs or metrics.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from markupsafe import Markup, escape

WIDTH, HEIGHT = 440, 290
_KINDS = {"2M": "b2", "20M": "b20", "200M": "b200"}
BUDGET_LEGEND = [("b2", "2M"), ("b20", "20M"), ("b200", "200M")]
_SHAPES = {"b2": "circle", "b20": "square", "b200": "diamond", "base": "ring"}
_R = 4.5


def kind_of(budget: str | None) -> str:
    """Style class of a budget; everything without one is a baseline."""
    return _KINDS.get(budget or "", "base")


def ticks(low: float, high: float, wanted: int = 4) -> list[float]:
    """Round values within [low, high], at least as many as wanted, by the widest step of 1, 2 or 5."""
    span = high - low
    if not span > 0:
        return [low]
    power = 10.0 ** math.floor(math.log10(span))
    found = [low]
    for step in (power * m for m in (5, 2, 1, 0.5, 0.2)):
        first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
        found = [i * step for i in range(first, last + 1)]
        if len(found) >= wanted:
            break
    return found


def log_marks(low: float, high: float) -> list[float]:
    """1, 2, …, 9 times every power of ten within [low, high]: the unlabelled marks of logarithmic paper."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    return [m * 10.0**p for p in powers for m in range(1, 10) if low <= m * 10.0**p <= high]


def tick_text(value: float, step: float) -> str:
    """A tick value with as many decimals as its step needs."""
    if value and abs(step) < 1e-6:
        return f"{value:.1e}".replace("-", "−")
    decimals = max(0, -math.floor(math.log10(step) + 1e-9)) if step > 0 else 3
    text = f"{value:.{decimals}f}"
    return ("0" if float(text) == 0 else text).replace("-", "−")


def padded(values: Sequence[float], share: float = 0.08) -> tuple[float, float]:
    """The range of the values with some air around it."""
    low, high = min(values), max(values)
    pad = (high - low) * share or abs(low) * 0.05 or 0.5
    return low - pad, high + pad


@dataclass(frozen=True)
class Scale:
    """From data to pixels."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def __call__(self, value: float) -> float:
        """Position of a value."""
        low, high, x = self.low, self.high, value
        if self.log:
            low, high, x = map(math.log10, (low, high, x))
        share = (x - low) / (high - low) if high > low else 0.5
        return self.start + share * (self.end - self.start)


def marker(x: float, y: float, kind: str, tip: str = "", size: float = _R) -> str:
    """One mark; its shape repeats what its colour says. `tip` appears when pointed at."""
    shape, r = _SHAPES.get(kind, "ring"), size
    title = f"<title>{escape(tip)}</title>" if tip else ""
    if shape == "square":
        body = f'<rect x="{x - r:.1f}" y="{y - r:.1f}" width="{2 * r:.1f}" height="{2 * r:.1f}" rx="1">'
        end = "</rect>"
    elif shape == "diamond":
        d = r * 1.35
        body = f'<path d="M{x:.1f} {y - d:.1f}l{d:.1f} {d:.1f}l{-d:.1f} {d:.1f}l{-d:.1f} {-d:.1f}z">'
        end = "</path>"
    else:
        body, end = f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{r:.1f}">', "</circle>"
    return f'<g class="mark {kind}">{body}{title}{end}</g>'


class Chart:
    """A chart with axes. Marks are drawn in the order they are added."""

    def __init__(self, x: tuple[float, float], y: tuple[float, float], *, log_x: bool = False,
                 log_y: bool = False, height: int = HEIGHT, bottom: float = 44,
                 left: float = 58) -> None:  # fmt: skip
        self.height = height
        self.x = Scale(*x, left, WIDTH - 14, log_x)
        self.y = Scale(*y, height - bottom, 26, log_y)
        self.parts: list[str] = []
        self.lines: dict[str, list[tuple[float, float]]] = {}
        """Points of the named lines: columns of the table behind the chart."""
        self._drawn: tuple[list[float], list[float]] = ([], [])

    def axes(self, x_label: str, y_label: str, x_ticks: Sequence[tuple[float, str]] | None = None) -> None:
        """Horizontal grid lines with values, ticks of x, and both labels with their units."""
        left, right, base = self.x.start, self.x.end, self.y.start
        values = ticks(self.y.low, self.y.high)
        step = values[1] - values[0] if len(values) > 1 else 0.01
        for value in values:
            at = self.y(value)
            self.parts.append(f'<line class="grid" x1="{left}" x2="{right}" y1="{at:.1f}" y2="{at:.1f}"/>')
            self.text(left - 7, at + 4, tick_text(value, step), "end", "tick ty")
        if x_ticks is None:
            found = ticks(self.x.low, self.x.high)
            width = found[1] - found[0] if len(found) > 1 else 1
            x_ticks = [(value, tick_text(value, width)) for value in found]
        self.parts.append(f'<line class="axis" x1="{left}" x2="{right}" y1="{base}" y2="{base}"/>')
        if self.x.log:
            marks = "".join(f"M{self.x(v):.1f} {base}v-3" for v in log_marks(self.x.low, self.x.high))
            self.parts.append(f'<path class="axis tx" d="{marks}"/>')
        for value, text in x_ticks:
            at = self.x(value)
            self.parts.append(
                f'<line class="axis tx" x1="{at:.1f}" x2="{at:.1f}" y1="{base}" y2="{base + 4}"/>'
            )
            self.text(at, base + 17, text, "middle", "tick tx")
        self.text((left + right) / 2, base + 36, x_label, "middle", "label")
        self.text(0, 12, y_label, "start", "label")

    def text(self, x: float, y: float, text: str, anchor: str = "start", style: str = "tick") -> None:
        """A piece of text."""
        self.parts.append(
            f'<text class="{style}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'
        )

    def line(self, points: Sequence[tuple[float, float]], style: str, name: str = "") -> None:
        """A line through points; with a name it is a column of the table behind the chart."""
        if name:
            self.lines[name] = list(points)
        self._polyline(points, style, f' data-n="{escape(name)}"' if name else "")

    def step(self, points: Sequence[tuple[float, float]], style: str, name: str = "") -> None:
        """A line that holds each value until the next point."""
        corners = [points[0]] if points else []
        for (_, before), (x, y) in pairwise(points):
            corners += [(x, before), (x, y)]
        if name:
            self.lines[name] = list(points)
        self._polyline(corners, style, f' data-n="{escape(name)}" data-step=""' if name else "")

    def _polyline(self, points: Sequence[tuple[float, float]], style: str, data: str) -> None:
        for drawn, values in zip(self._drawn, zip(*points, strict=True), strict=False):
            drawn.extend(values)
        path = " ".join(f"{self.x(x):.1f},{self.y(y):.1f}" for x, y in points)
        self.parts.append(f'<polyline class="{style}" points="{path}"{data}/>')

    def band(
        self, low: Sequence[tuple[float, float]], high: Sequence[tuple[float, float]], tip: str = ""
    ) -> None:
        """The area between two lines over the same places."""
        corners = [*low, *reversed(high)]
        path = " ".join(f"{self.x(x):.1f},{self.y(y):.1f}" for x, y in corners)
        self.parts.append(_tipped("polygon", f'class="band" points="{path}"', tip))

    def level(self, y: float, tip: str = "") -> None:
        """A horizontal line of reference."""
        at, left, right = self.y(y), self.x.start, self.x.end
        place = f'class="ref" x1="{left}" x2="{right}" y1="{at:.1f}" y2="{at:.1f}"'
        self.parts.append(_tipped("line", place, tip))

    def whisker(self, x: float, low: float, high: float, kind: str) -> None:
        """A vertical interval."""
        at, top, bottom = self.x(x), self.y(high), self.y(low)
        self.parts.append(
            f'<path class="whisker {kind}" d="M{at:.1f} {bottom:.1f}V{top:.1f}'
            f'M{at - 4:.1f} {top:.1f}h8M{at - 4:.1f} {bottom:.1f}h8"/>'
        )

    def mark(self, x: float, y: float, kind: str, tip: str = "", size: float = _R) -> None:
        """One mark at data coordinates."""
        self._drawn[0].append(x)
        self._drawn[1].append(y)
        self.parts.append(marker(self.x(x), self.y(y), kind, tip, size))

    def render(self, meaning: str, switch: str = "") -> Markup:
        """The finished drawing.

        Args:
            meaning: read to those who cannot see it.
            switch: axes (`x`, `y`) that the page may change between linear and logarithmic.
        """
        scales = "".join(
            f' data-{axis}="{scale.low:.6g} {scale.high:.6g} {scale.start:g} {scale.end:g} {scale.log:d} '
            f'{min((v for v in drawn if v > 0), default=0):.6g}"'
            for axis, scale, drawn in zip("xy", (self.x, self.y), self._drawn, strict=True)
        )
        return Markup(
            f'<svg class="chart" viewBox="0 0 {WIDTH} {self.height}" role="img" '
            f'aria-label="{escape(meaning)}"{scales}{f' data-switch="{switch}"' if switch else ""}>'
            f"{''.join(self.parts)}</svg>"
        )


def _tipped(tag: str, attributes: str, tip: str) -> str:
    """An element that shows its meaning when pointed at."""
    return f"<{tag} {attributes}><title>{escape(tip)}</title></{tag}>" if tip else f"<{tag} {attributes}/>"


@dataclass(frozen=True)
class Strip:
    """The common horizontal axis of the interval strips in one column of a table. Positions are shares of the
    width, so a strip fits any column."""

    low: float
    high: float
    references: tuple[float, ...] = ()
    band: tuple[float, float] | None = None

    @classmethod
    def around_zero(cls, values: Iterable[float | None]) -> Strip:
        """With 0 in the middle, and room for all values that are known."""
        far = max([1e-9, *(abs(value) for value in values if value is not None)]) * 1.05
        return cls(-far, far, (0.0,))

    def at(self, value: float) -> str:
        """Position of a value, kept within the strip."""
        share = (value - self.low) / (self.high - self.low) if self.high > self.low else 0.5
        return f"{4 + 92 * min(1.0, max(0.0, share)):.2f}%"

    def ticks(self, signed: bool = False) -> list[tuple[float, str]]:
        """Round values and their texts: the references always, others where there is room."""
        found = ticks(self.low, self.high, 3)
        step = found[1] - found[0] if len(found) > 1 else 1.0
        widest = max(len(tick_text(value, step)) for value in found) + signed
        apart = (self.high - self.low) * 0.055 * widest
        kept: list[float] = []
        for value in found:
            if all(abs(value - other) > apart for other in (*self.references, *kept[-1:])):
                kept.append(value)
        texts = {value: tick_text(value, step) for value in (*self.references, *kept)}
        return [(v, f"+{t}" if signed and v > 0 and t != "0" else t) for v, t in texts.items()]

    def axis(self, labels: Sequence[tuple[float, str]]) -> Markup:
        """The labels of the axis, for the head of the column."""
        texts = "".join(
            f'<text class="tick" x="{self.at(v)}" y="11" text-anchor="middle">{escape(t)}</text>'
            for v, t in labels
        )
        return Markup(f'<svg class="strip axis-strip" aria-hidden="true">{texts}</svg>')

    def draw(
        self,
        value: float | None,
        low: float | None,
        high: float | None,
        kind: str,
        extra: Sequence[float] = (),
    ) -> Markup:
        """One interval with its estimate; `extra` are further lines of reference of this row alone."""
        parts = []
        if self.band:
            left, right = (float(self.at(v).rstrip("%")) for v in self.band)
            parts.append(
                f'<rect class="margin" x="{left}%" width="{right - left:.2f}%" y="0" height="100%"/>'
            )
        parts += [
            f'<line class="{style}" x1="{self.at(r)}" x2="{self.at(r)}" y1="0" y2="100%"/>'
            for style, lines in (("ref", self.references), ("ref extra", extra))
            for r in lines
        ]
        if low is not None and high is not None:
            parts.append(
                f'<line class="whisker {kind}" x1="{self.at(low)}" x2="{self.at(high)}" y1="50%" y2="50%"/>'
            )
        if value is not None:
            mark = marker(0, 0, kind)
            parts.append(f'<svg x="{self.at(value)}" y="50%" overflow="visible">{mark}</svg>')
        return Markup(f'<svg class="strip" aria-hidden="true">{"".join(parts)}</svg>')


def legend(entries: Sequence[tuple[str, str]]) -> Markup:
    """A line of marks with their names: pairs of kind (or `line …` for a line style) and name.

    Each names its parts of the section's charts, so that the page can switch them off.
    """
    items = []
    for kind, name in entries:
        chosen = f".{kind}"
        if kind.startswith("line "):
            style = kind.removeprefix("line ")
            own = [word for word in style.split() if word != "ink"]
            chosen = "".join(f".{word}" for word in own)
            if own == ["series"]:
                chosen += ":not(.dashed)"
            drawing, width = f'<line class="{style}" x1="0" x2="24" y1="8" y2="8"/>', 24
        else:
            drawing, width = marker(8, 8, kind), 16
        items.append(
            f'<li data-for="{chosen}"><svg width="{width}" height="16" aria-hidden="true">{drawing}</svg>'
            f"{escape(name)}</li>"
        )
    return Markup(f'<ul class="legend">{"".join(items)}</ul>')
