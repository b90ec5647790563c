"""`make preflight`: is this machine ready for the study? A table of pass, warn and fail; exit 1 on a fail."""

import argparse
import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from lib.config.load import read_yaml
from lib.errors import StudyError
from lib.jobs.paths import PATHS
from lib.study.plan import plan_study
from lib.study.preflight.check import Check
from lib.study.preflight.preflight import Places, preflight

COLOURS = {"pass": "green", "warn": "yellow", "fail": "bold red"}
PLACES = Places(
    work=Path.cwd(),
    state=Path("results/state"),
    locks=Path(".snakemake/locks"),
    manifests=(
        Path("data/raw/manifest.json"),
        Path("data/processed/manifest.json"),
        *sorted(Path("results").glob("phase*/*/manifest.json")),
    ),
    lock=ROOT / "envs" / "requirements.lock",
    series="data/raw/{vintage}/series/{series}.parquet",
)
DATASET = "data/processed/{}/{}/{}.parquet"


def look(configfile: Path, ask_torch: bool) -> list[Check]:
    try:
        plan = plan_study(read_yaml(configfile), ROOT / "config")
    except StudyError as error:
        return [Check("configuration", "fail", f"{configfile} cannot be used", str(error))]
    runs = {run: Path(PATHS.run.format(**run.fields()), "provenance.json") for run in plan.experiment_of}
    pending = [run for run, record in runs.items() if not record.is_file()]
    datasets = [words for words in plan.datasets if not Path(DATASET.format(*words)).exists()]
    return preflight(plan, pending, datasets, PLACES, ask_torch)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--configfile", type=Path, default=ROOT / "config" / "config.yaml")
    parser.add_argument(
        "--torch", action="store_true", help="ask PyTorch, and compare an accelerator with the CPU"
    )
    arguments = parser.parse_args()
    checks = look(arguments.configfile, arguments.torch)
    table = Table(show_lines=False)
    for name in ("", "what", "found", "what to do"):
        table.add_column(name, overflow="fold")
    for check in checks:
        colour = COLOURS[check.state]
        words = escape(check.subject), escape(check.found), escape(check.advice)
        table.add_row(f"[{colour}]{check.state}[/]", *words)
    console = Console(width=int(os.environ.get("COLUMNS", "120")), highlight=False)
    console.print(table)
    if unchecked := [check.unchecked for check in checks if check.unchecked]:
        console.print(f"Not checked: {'; '.join(unchecked)}.", markup=False)
    states = [check.state for check in checks]
    warned = f" Read the {states.count('warn')} marked warn first." if "warn" in states else ""
    console.print("Not ready: mend what failed." if "fail" in states else f"Ready.{warned}")
    sys.exit(1 if "fail" in states else 0)


if __name__ == "__main__":
    main()
