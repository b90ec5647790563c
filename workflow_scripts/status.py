"""Every training of a study that runs or waits to be continued, from its state directory (`make status`)."""

import time
from dataclasses import replace
from pathlib import Path

from rich.table import Table

from lib.config.places import whole_study
from lib.jobs.command import Parser, command, console
from lib.training.heartbeat import Status, read_statuses
from lib.training.progress import duration


def statuses_of(main: Path) -> list[Status]:
    """Of the main study, and of the named ones below it, whose name stands before their trainings'."""
    found = []
    for folder in whole_study(main):
        name = "" if folder == main else f"{folder.name}: "
        for status in read_statuses(folder / "results/state"):
            found.append(replace(status, beat=replace(status.beat, label=f"{name}{status.beat.label}")))
    return found


def show(statuses: list[Status]) -> None:
    """Print them as a table."""
    table = Table(caption="What stopped is continued by the command that started it.", caption_justify="left")
    for name in ("training", "state", "step", "loss", "samples/s", "°C", "at most left", "seen"):
        left = name in ("training", "state")  # the name of a run ends in its size and seed: never cut off
        table.add_column(name, justify="left" if left else "right", overflow="fold")
    for status in statuses:
        beat = status.beat
        table.add_row(
            beat.label,
            beat.doing if status.running else "stopped",
            f"{beat.step}/{beat.total_steps}",
            "" if beat.loss is None else f"{beat.loss:.4f}",
            "" if beat.samples_per_second is None else f"{beat.samples_per_second:,.0f}",
            "" if beat.temperature is None else f"{beat.temperature:.0f}",
            "" if beat.seconds_left is None or not status.running else duration(beat.seconds_left),
            f"{duration(time.time() - beat.moment)} ago",
        )
    console(least=120).print(table)


def main() -> None:
    with command(Parser(__doc__).parse_args()):
        if statuses := statuses_of(Path.cwd()):
            show(statuses)
        else:
            print(f"{Path.cwd()}: nothing is being trained, and nothing waits to be continued.")


if __name__ == "__main__":
    main()
