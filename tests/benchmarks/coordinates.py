"""The coordinate check of the parametrization as a picture: `python -m tests.benchmarks.coordinates`.

Writes `docs/coordinates.svg`: after 1, 2, 4 and 8 steps, how much each block adds to the stream and how far
the stream's end has moved, by width (Yang et al. 2022, arXiv:2203.03466, appendix D.1). The numbers are those
that `tests/unit/models/test_models_mup.py` judges.
"""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure

from tests.unit.models.test_models_mup import STEPS, WIDTHS, coordinates

TARGET = Path("docs/coordinates.svg")
COLOURS = dict(zip(STEPS, ("#9ecae1", "#4292c6", "#2171b5", "#08306b"), strict=True))
WHAT = ("what a block adds", "change of the stream's end")


def main() -> None:
    mpl.rcParams.update({"svg.hashsalt": "coordinates", "svg.fonttype": "none"})  # the same file each time
    figure = Figure(figsize=(8, 6), layout="constrained")
    for row, kind in zip(figure.subplots(2, 2, sharex=True, sharey="col"), ("mup", "standard"), strict=True):
        found = {width: coordinates(width, kind) for width in WIDTHS}
        for which, axes in enumerate(row):
            for step in STEPS[which:]:  # at the first the output's weights are 0: nothing has moved
                sizes = [found[width][step][which] for width in WIDTHS]
                axes.loglog(WIDTHS, sizes, marker="o", label=str(step), color=COLOURS[step])
            axes.set_title(f"{kind}: {WHAT[which]}")
            axes.set_xticks(WIDTHS, map(str, WIDTHS))
            axes.minorticks_off()
            axes.set_xlabel("width")
        row[0].legend(title="steps", fontsize="small", loc="lower right")
    figure.savefig(TARGET, metadata={"Date": None})
    print(f"Written to {TARGET}")


if __name__ == "__main__":
    main()
