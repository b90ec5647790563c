"""What data, models and checkpoints of a study take, and what may go (`make disk`). Deletes nothing."""

import shutil
from pathlib import Path

from rich.table import Table

from lib.config.places import whole_study
from lib.jobs.command import Parser, command, console
from lib.study.disk_use import Kind, Use, disk_use
from lib.study.preview import gigabytes


def below(*parts: str):
    return lambda path: path.parts[: len(parts)] == parts


KINDS = (
    Kind("raw data", below("data", "raw"), "no: a vintage cannot be fetched again as it was"),
    Kind(
        "processed data",
        below("data", "processed"),
        "no: built again they are younger than the runs, which the next new run would then train again",
    ),
    Kind(
        "set aside, damaged, half-written",
        lambda path: (
            any(".aside-" in part for part in path.parts)
            or path.suffix in (".damaged", ".without-best", ".tmp")
        ),
        "yes, when no job runs: it is of other parameters or data, or unreadable",
    ),
    Kind("checkpoints of trainings", below("results", "state", "runs"), "yes, when make status shows none"),
    Kind("searches", below("results", "state", "hpo"), "yes, where best.json is there and suffices"),
    Kind(
        "models of runs",
        lambda path: path.parts[:2] == ("results", "runs") and "model" in path.parts,
        "yes, of runs not to be promoted (rm -r …/seed*/model): nothing else reads them",
    ),
    Kind("predictions and measures", below("results", "runs"), "no: the report is made of them"),
    Kind("production models", below("results", "production"), "no: forecasts are made with them"),
    Kind(
        "tracking",
        below("results", "tracking"),
        "yes: the runs' own files hold the same; but MLflow's model registry goes with it",
    ),
    Kind("logs", below("results", "logs"), "yes"),
    Kind("everything else", lambda path: True, "no: the report needs some of it, and it is small"),
)


def show(used: list[Use], folder: Path) -> None:
    """Print a table of what a study's folder holds."""
    if not used:
        print(f"{folder}: nothing is here yet.")
        return
    table = Table(title=str(folder), title_justify="left")
    table.add_column("what")
    table.add_column("takes", justify="right")
    table.add_column("files", justify="right")
    table.add_column("may it go?")
    for use in used:
        table.add_row(use.kind.name, gigabytes(use.size), f"{use.files:,}", use.kind.may_go)
    console().print(table)
    total, free = sum(use.size for use in used), shutil.disk_usage(folder).free
    print(f"{gigabytes(total)} in all; {gigabytes(free)} free.")


def main() -> None:
    with command(Parser(__doc__).parse_args()):
        for folder in whole_study(Path.cwd()):
            show(disk_use(folder, ("data", "results"), KINDS), folder)


if __name__ == "__main__":
    main()
