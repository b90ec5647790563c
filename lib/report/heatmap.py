"""A picture of a correlation matrix of any size: one small image, readable on light and on dark paper."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from itertools import groupby
from typing import Any

import numpy as np
import numpy.typing as npt
from markupsafe import Markup, escape

from lib.report.svg import WIDTH

_PIXELS = 400
"""Larger matrices are averaged down to about this many points a side."""
_POSITIVE, _NEGATIVE = (31, 119, 180), (214, 92, 20)
_LEFT = 150


def correlation_map(matrix: npt.NDArray[np.float64], families: Sequence[str], meaning: str) -> Markup:
    """Channels against channels, blocks of one family framed and named.

    Args:
        matrix: (n, n) correlations; NaN counts as 0.
        families: (n,) family of each channel; those of one family stand together.
        meaning: read to those who cannot see it.
    """
    n = len(families)
    side = WIDTH - _LEFT - 14
    image = base64.b64encode(_png(_shades(np.nan_to_num(matrix)))).decode()
    parts = [
        f'<image x="{_LEFT}" y="8" width="{side}" height="{side}" preserveAspectRatio="none" '
        f'style="image-rendering:pixelated" href="data:image/png;base64,{image}"/>'
    ]
    at, free = 0, 0.0
    for family, members in groupby(families):
        size = len(list(members))
        low, high = (8 + side * edge / n for edge in (at, at + size))
        parts.append(f'<line class="grid" x1="{_LEFT}" x2="{_LEFT + side}" y1="{high:.1f}" y2="{high:.1f}"/>')
        across = high - 8 + _LEFT
        parts.append(f'<line class="grid" y1="8" y2="{8 + side}" x1="{across:.1f}" x2="{across:.1f}"/>')
        middle = max((low + high) / 2 + 4, free + 11)
        if middle <= 8 + side:
            parts.append(
                f'<text class="tick" x="{_LEFT - 6}" y="{middle:.1f}" text-anchor="end">'
                f"{escape(family)} ({size})</text>"
            )
            free = middle
        at += size
    return Markup(
        f'<svg class="chart" viewBox="0 0 {WIDTH} {side + 16}" role="img" '
        f'aria-label="{escape(meaning)}">{"".join(parts)}</svg>'
    )


def _shades(matrix: npt.NDArray[np.float64]) -> npt.NDArray[np.uint8]:
    """(m, m, 4): hue by sign, opacity by size; of large matrices the mean of each block of points."""
    step = -(-len(matrix) // _PIXELS)
    if step > 1:
        edges = np.arange(0, len(matrix), step)
        sums = np.add.reduceat(np.add.reduceat(matrix, edges, axis=0), edges, axis=1)
        counts = np.diff(np.r_[edges, len(matrix)])
        matrix = sums / np.outer(counts, counts)
    shades = np.empty((*matrix.shape, 4), dtype=np.uint8)
    shades[..., :3] = np.where((matrix >= 0)[..., None], _POSITIVE, _NEGATIVE)
    shades[..., 3] = np.clip(np.abs(matrix), 0, 1) * 255
    return shades


def _png(pixels: npt.NDArray[np.uint8]) -> bytes:
    """An RGBA image as PNG, without a clock or a version in it."""
    from matplotlib.image import imsave

    file = io.BytesIO()
    none: dict[str, Any] = {"Software": None}
    imsave(file, pixels, format="png", metadata=none, pil_kwargs={"compress_level": 9})
    return file.getvalue()
