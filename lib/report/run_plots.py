"""Pictures of one run for its own folder: forecasts against outcomes, and the importance of channels.

Standalone SVG files drawn by matplotlib, with the same bytes for the same run. The report's own charts are
elsewhere.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from lib.config.base import classes_of
from lib.data.io import atomic_path
from lib.metrics.ternary import confusion_matrix

SHOWN = 25
"""Channels in the picture of their importance."""
_NAMES = {2: ("no", "yes"), 3: ("down", "neither", "up")}


def confusion_figure(test: pl.DataFrame, task: str, title: str) -> Any:
    """Test samples by observed class (rows) and forecast class (columns), with shares of the row.

    For regression: by the sign of the return and of its forecast.
    """
    target, forecast = test["target"].to_numpy(), test["prediction"].to_numpy()
    classes = classes_of(task)
    if not classes:
        target, forecast, classes = (target > 0).astype(int), (forecast > 0).astype(int), (0, 1)
    counts = confusion_matrix(target, forecast, classes)
    names = _NAMES[len(classes)] if classes_of(task) else ("fall", "rise")
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    figure, axes = _figure(4.6, 4.2)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for i, j in np.ndindex(counts.shape):
        dark = "white" if shares[i, j] > 0.55 else "black"
        text = f"{counts[i, j]:,.0f}\n{shares[i, j]:.0%}"
        axes.text(j, i, text, ha="center", va="center", color=dark)
    axes.set_xticks(range(len(classes)), names)
    axes.set_yticks(range(len(classes)), names)
    axes.set_xlabel("forecast (most probable)")
    axes.set_ylabel("happened")
    axes.set_title(f"{title}\n{len(test):,} test samples; % of each row", fontsize=9)
    return figure


def importance_figure(importance: pl.DataFrame, title: str) -> Any:
    """The most important channels, as shares of all weights; a note where the model has none."""
    total = float(importance["importance"].sum()) if importance.height else 0.0
    top = importance.sort("importance", descending=True).head(SHOWN).reverse()
    figure, axes = _figure(6.4, 1.2 + 0.22 * max(top.height, 4))
    if not total:
        axes.text(0.5, 0.5, "this model gives no weight to single channels", ha="center", va="center")
        axes.set_axis_off()
    else:
        axes.barh(top["channel"].to_list(), (top["importance"] / total).to_list(), color="#2b6cb0")
        axes.set_xlabel("share of all weights")
        axes.tick_params(axis="y", labelsize=7)
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
    more = importance.height - top.height
    axes.set_title(title + (f"\n{more:,} more channels not shown" if more > 0 else ""), fontsize=9)
    return figure


def save_svg(figure: Any, path: Path) -> None:
    """Write a figure as SVG without clocks or random names."""
    import matplotlib as mpl

    with mpl.rc_context({"svg.hashsalt": "run", "svg.fonttype": "path"}), atomic_path(path) as temporary:
        figure.savefig(temporary, format="svg", metadata={"Date": None}, bbox_inches="tight")


def _figure(width: float, height: float) -> tuple[Any, Any]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height))
    return figure, figure.add_subplot()
