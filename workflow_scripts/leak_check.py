"""Does anything of today change with the future? A line a verdict; exit 1 on a leak (`make leak-check`)."""

import sys
from pathlib import Path

from rich.markup import escape

from lib.jobs.command import Parser, command, console
from lib.jobs.current_study import open_study, planned
from lib.jobs.paths import PATHS
from lib.study.leak_check.leak_check import leak_check
from lib.study.leak_check.outcome import conclusion

COLOURS = {"clean": "green", "leak": "bold red", "unclear": "yellow", "not checked": "dim"}


def stored(vintage: str, series: str) -> Path:
    return Path(f"{PATHS.series.format(vintage=vintage, series=series)}.parquet")


def main() -> None:
    parser = Parser(__doc__, configfile=True)
    parser.add_argument(
        "what",
        nargs="*",
        help="feature, series, source or model, each alone or with a name (feature:close_to_high_33); "
        "default: all that the configuration uses",
    )
    given = parser.parse_args()
    terminal = console()
    verdicts = []
    with command(given):
        plan = planned(open_study(given.configfile)[1])
        for verdict in leak_check(plan, given.what, stored):
            colour = COLOURS[verdict.state]
            terminal.print(f"[{colour}]{verdict.state:11}[/] {escape(verdict.what)}: {escape(verdict.found)}")
            verdicts.append(verdict)
        terminal.print(conclusion(verdicts), markup=False)
        sys.exit(0 if all(verdict.passes for verdict in verdicts) else 1)


if __name__ == "__main__":
    main()
