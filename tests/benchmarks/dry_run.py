"""Seconds and memory of a dry run of the full matrix, 2,880 runs with all upstream (`make bench-dry-run`).

On a folder of empty files: a dry run asks which data are there and reads none. Peak memory is that of the
Snakemake process.
"""

from __future__ import annotations

import json
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.unit.shipped import named_files

ROOT = Path(__file__).resolve().parents[2]
TARGET = ROOT / "results" / "benchmarks" / "dry_run.json"


def measure(configuration: str) -> dict[str, float | int | str]:
    """One dry run of `results/report.html` in an empty folder."""
    with tempfile.TemporaryDirectory() as folder:
        market = named_files(Path(folder, "market"))
        Path(folder, "study").mkdir()
        command = [sys.executable, "-m", "snakemake", "-n", "results/report.html"]
        command += ["--snakefile", str(ROOT / "Snakefile"), "--directory", str(Path(folder, "study"))]
        command += ["--configfile", str(ROOT / "config" / f"{configuration}.yaml")]
        environment = {**os.environ, "MARKET_DATA_DIR": str(market)}
        begun = time.perf_counter()
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        seconds = time.perf_counter() - begun
    if done.returncode != 0:
        sys.exit(done.stdout + done.stderr)
    jobs = re.search(r"^total +(\d+)$", done.stdout + done.stderr, re.MULTILINE)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return {
        "configuration": configuration,
        "jobs": int(jobs[1]) if jobs else 0,
        "seconds": round(seconds, 1),
        "processor_seconds": round(used.ru_utime + used.ru_stime, 1),
        "peak_mb": round(used.ru_maxrss / (1024 if sys.platform == "linux" else 1024**2)),
        "cores": os.cpu_count() or 0,
        "load_before": round(os.getloadavg()[0], 1),
    }


def main() -> None:
    """Measure the configuration named on the command line, or the full matrix; write and print the result."""
    found = measure(sys.argv[1] if len(sys.argv) > 1 else "full-matrix")
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    TARGET.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    sys.stdout.write(f"{json.dumps(found)}\n")


if __name__ == "__main__":
    main()
