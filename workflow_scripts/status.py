"""`make status`: every training that runs or waits to be continued, from its state directory."""

import os
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from rich.console import Console
from rich.table import Table

from lib.training.heartbeat import read_statuses
from lib.training.progress import duration


def main() -> None:
    statuses = read_statuses(Path("results/state"))
    if not statuses:
        print("Nothing is being trained, and nothing waits to be continued.")
        return
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
    Console(width=max(120, int(os.environ.get("COLUMNS", "120")))).print(table)


if __name__ == "__main__":
    main()
