"""Seconds and memory of every tier on one core, beside all of pandas-ta-classic (`make bench-features`).

Each measurement is a process of its own: seconds of the computation once the libraries are imported, seconds
of the whole process with start and imports, and the peak memory of the process. The baseline computes its
indicators on the same bars in the same run.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
TARGET = ROOT / "results" / "benchmarks" / "features.json"
BARS = 8300
REPEATS = 3
ONE_CORE = dict.fromkeys(("POLARS_MAX_THREADS", "OMP_NUM_THREADS"), "1")

BARS_CODE = f"""
import numpy as np, polars as pl, resource, sys, time
random = np.random.default_rng(0)
close = 100 * np.exp(np.cumsum(0.01 * random.standard_normal({BARS})))
open_ = np.r_[100.0, close[:-1]] * np.exp(0.003 * random.standard_normal({BARS}))
bars = pl.DataFrame({{
    "date": np.datetime64("1993-01-29") + np.arange({BARS}), "symbol": "X", "open": open_,
    "high": np.maximum(open_, close) * 1.004, "low": np.minimum(open_, close) * 0.996,
    "close": close, "volume": random.uniform(1e6, 2e6, {BARS}).round(),
}}).with_columns(pl.col("date").cast(pl.Date))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
"""
END = """
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
unit = 1024**2 if sys.platform == "darwin" else 1024
print(seconds, columns, peak / unit, (peak - before) / unit)
"""
OURS = """
import talib
from lib.features.assembly import assemble
begin = time.perf_counter()
columns = assemble({{"X": bars}}, {tier}).width - 6
seconds = time.perf_counter() - begin
"""
THEIRS = """
import pandas as pd
frame = bars.to_pandas().set_index("date")
frame.index = pd.DatetimeIndex(frame.index)
import pandas_ta_classic
begin = time.perf_counter()
frame.ta.cores = 0
frame.ta.strategy("All", verbose=False)
seconds, columns = time.perf_counter() - begin, frame.shape[1] - 6
"""


def measure(code: str) -> dict[str, Any]:
    """Medians over some processes."""
    rows = []
    for _ in range(REPEATS):
        begin = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", BARS_CODE + code + END],
            cwd=ROOT,
            env=os.environ | ONE_CORE,
            capture_output=True,
            text=True,
            check=False,
        )
        whole = time.perf_counter() - begin
        if done.returncode != 0:
            raise SystemExit(done.stderr)
        rows.append([*map(float, done.stdout.split()[-4:]), whole])
    seconds, columns, peak, added, whole = (float(np.median(column)) for column in zip(*rows, strict=True))
    return {
        "columns": int(columns),
        "seconds": round(seconds, 3),
        "milliseconds_per_column": round(1000 * seconds / columns, 3),
        "process_seconds": round(whole, 3),
        "peak_mb": round(peak, 1),
        "added_mb": round(added, 1),
    }


def line(name: str, found: dict[str, Any]) -> str:
    """One row of the printed table."""
    return (
        f"{name:>21} {found['columns']:7} {found['seconds']:8.2f} {found['milliseconds_per_column']:10.2f} "
        f"{found['process_seconds']:10.2f} {found['peak_mb']:8.0f}"
    )


def main() -> None:
    from lib.config.base import TIERS

    theirs = measure(THEIRS)
    found: dict[str, Any] = {
        "bars": BARS,
        "cores": 1,
        "repeats": REPEATS,
        "pandas_ta_classic_all": theirs,
        "tiers": {},
    }
    print(f"{'':>21} columns  seconds  ms/column  process s  peak MB  times faster per column")
    print(line("pandas-ta-classic all", theirs))
    for tier in TIERS:
        ours = measure(OURS.format(tier=tier))
        ours["times_faster_per_column"] = round(
            theirs["milliseconds_per_column"] / ours["milliseconds_per_column"], 2
        )
        ours["times_faster_in_total"] = round(theirs["seconds"] / ours["seconds"], 2)
        found["tiers"][str(tier)] = ours
        print(line(f"tier {tier}", ours), f"{ours['times_faster_per_column']:9.1f}")
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    TARGET.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    print(f"Written to {TARGET.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
