"""Is this machine ready for a study? A table of pass, warn and fail; exit 1 on a fail (`make preflight`)."""

import sys
from pathlib import Path

from rich.markup import escape
from rich.table import Table

from lib.errors import StudyError
from lib.jobs.command import Parser, command, console
from lib.jobs.current_study import is_imported, open_study, planned
from lib.jobs.paths import PATHS
from lib.study.missing_files import check_files
from lib.study.preflight.check import Check
from lib.study.preflight.preflight import Places, preflight

ROOT = Path(__file__).resolve().parents[1]

COLOURS = {"pass": "green", "warn": "yellow", "fail": "bold red"}
DATASET = "data/processed/{}/{}/{}.parquet"


def places() -> Places:
    """Of the study in whose folder this is."""
    return Places(
        work=Path.cwd(),
        state=Path("results/state"),
        locks=Path(".snakemake/locks"),
        manifests=(
            Path("data/raw/manifest.json"),
            Path("data/processed/manifest.json"),
            *sorted(Path("results").glob("phase*/*/manifest.json")),
        ),
        lock=ROOT / "envs" / "requirements.lock",
        series=f"{PATHS.series}.parquet",
    )


def look(configfile: Path | None, ask_torch: bool) -> list[Check]:
    """All checks of the study that is meant."""
    try:
        configfile, content = open_study(configfile)
        plan = planned(content)
        check_files(plan.data, is_imported)
    except StudyError as error:
        return [Check("configuration", "fail", f"{configfile or 'it'} cannot be used", str(error))]
    runs = {run: Path(PATHS.run.format(**run.fields()), "provenance.json") for run in plan.experiment_of}
    pending = [run for run, record in runs.items() if not record.is_file()]
    datasets = [words for words in plan.datasets if not Path(DATASET.format(*words)).exists()]
    return preflight(plan, pending, datasets, places(), ask_torch)


def show(checks: list[Check]) -> None:
    """Print the checks as a table, and what follows of them."""
    table = Table(show_lines=False)
    for name in ("", "what", "found", "what to do"):
        table.add_column(name, overflow="fold")
    for check in checks:
        colour = COLOURS[check.state]
        words = escape(check.subject), escape(check.found), escape(check.advice)
        table.add_row(f"[{colour}]{check.state}[/]", *words)
    terminal = console()
    terminal.print(table)
    if unchecked := [check.unchecked for check in checks if check.unchecked]:
        terminal.print(f"Not checked: {'; '.join(unchecked)}.", markup=False)
    states = [check.state for check in checks]
    warned = " Read what is marked warn first." if "warn" in states else ""
    terminal.print("Not ready: fix what failed." if "fail" in states else f"Ready.{warned}")


def main() -> None:
    parser = Parser(__doc__, configfile=True)
    parser.add_argument(
        "--torch", action="store_true", help="ask PyTorch, and compare an accelerator with the CPU"
    )
    given = parser.parse_args()
    with command(given):
        checks = look(given.configfile, given.torch)
        show(checks)
        sys.exit(1 if any(check.state == "fail" for check in checks) else 0)


if __name__ == "__main__":
    main()
