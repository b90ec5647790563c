"""`make rehearse-heat SENSOR=FILE`: play a temperature curve through a file sensor while a training runs.

Put `thermal: {sensor: "file:FILE"}` into the configuration, start the training, then this in another
terminal. The curve rises through all bands, falls, and (with STOP=1) ends above the limit, where training
saves and stops.
"""

import argparse
import time
from pathlib import Path

RISE = (60, 68, 72, 80, 84, 87, 91, 93)
FALL = (88, 82, 75, 69, 60)
STOP = (75, 88, 96, 98)


def curve(stop: bool) -> list[int]:
    """Degrees Celsius, in order."""
    return [*RISE, *FALL, *(STOP if stop else ())]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--seconds", type=float, default=5.0, help="per point of the curve")
    parser.add_argument("--stop", action="store_true", help="end above the limit")
    arguments = parser.parse_args()
    for degrees in curve(arguments.stop):
        temporary = arguments.file.with_suffix(".tmp")
        temporary.write_text(f"{degrees}\n", encoding="utf-8")
        temporary.replace(arguments.file)
        print(f"{degrees} °C", flush=True)
        time.sleep(arguments.seconds)


if __name__ == "__main__":
    main()
