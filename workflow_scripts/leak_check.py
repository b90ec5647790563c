"""`make leak-check`: does anything of today change with the future? A table of verdicts; exit 1 on a leak."""

import argparse
import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from rich.console import Console
from rich.markup import escape

from lib.config.load import read_yaml
from lib.errors import StudyError
from lib.study.leak_check.leak_check import leak_check
from lib.study.leak_check.outcome import conclusion
from lib.study.plan import plan_study

COLOURS = {"clean": "green", "leak": "bold red", "unclear": "yellow", "not checked": "dim"}


def stored(vintage: str, series: str) -> Path:
    return Path(f"data/raw/{vintage}/series/{series}.parquet")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--configfile", type=Path, default=ROOT / "config" / "config.yaml")
    parser.add_argument(
        "what",
        nargs="*",
        help="feature, series, source or model, each alone or with a name (feature:close_to_high_33); "
        "default: all that the configuration uses",
    )
    arguments = parser.parse_args()
    console = Console(width=int(os.environ.get("COLUMNS", "120")), highlight=False)
    verdicts = []
    try:
        plan = plan_study(read_yaml(arguments.configfile), ROOT / "config")
        for verdict in leak_check(plan, arguments.what, stored):
            colour = COLOURS[verdict.state]
            console.print(f"[{colour}]{verdict.state:11}[/] {escape(verdict.what)}: {escape(verdict.found)}")
            verdicts.append(verdict)
    except StudyError as error:
        sys.exit(str(error))
    console.print(conclusion(verdicts), markup=False)
    sys.exit(0 if all(verdict.passes for verdict in verdicts) else 1)


if __name__ == "__main__":
    main()
