"""Play a temperature curve through a file sensor while a training runs (`make rehearse-heat SENSOR=FILE`).

Put `thermal: {sensor: "file:FILE"}` into the configuration, start the training, then this in another
terminal. The curve rises through all bands, falls, and (with STOP=1) ends above the limit, where training
saves and stops.
"""

import time
from pathlib import Path

from lib.jobs.command import Parser, command

RISE = (60, 68, 72, 80, 84, 87, 91, 93)
FALL = (88, 82, 75, 69, 60)
STOP = (75, 88, 96, 98)


def curve(stop: bool) -> list[int]:
    """Degrees Celsius, in order."""
    return [*RISE, *FALL, *(STOP if stop else ())]


def main() -> None:
    parser = Parser(__doc__, study=False)
    parser.add_argument("file", type=Path, help="the sensor's")
    parser.add_argument("--seconds", type=float, default=5.0, help="per point of the curve; default: 5")
    parser.add_argument("--stop", action="store_true", help="end above the limit")
    given = parser.parse_args()
    with command(given):
        for degrees in curve(given.stop):
            temporary = given.file.with_suffix(".tmp")
            temporary.write_text(f"{degrees}\n", encoding="utf-8")
            temporary.replace(given.file)
            print(f"{degrees} °C", flush=True)
            time.sleep(given.seconds)


if __name__ == "__main__":
    main()
