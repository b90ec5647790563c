"""`make promote RUN=results/runs/…`: a whole, hashed copy of a run becomes the current production model."""

import argparse
import sys
from datetime import UTC, datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from lib.errors import StudyError
from lib.production.promote import promote

PRODUCTION = Path("results/production")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", help="folder of a finished run")
    parser.add_argument("--name", help="of the production model")
    given = parser.parse_args()
    if not given.run:
        sys.exit("Say which run: make promote RUN=results/runs/…/seed42")
    try:
        made = promote(Path(given.run), PRODUCTION, given.name, datetime.now(UTC))
    except StudyError as error:
        sys.exit(str(error))
    for warning in made.warnings:
        print(f"WARNING: {warning}")
    print(f"{made.folder}: {'promoted' if made.new else 'the same run is current already'}.")
    print(f"Forecast with it: snakemake --cores 1 results/forecasts/{made.name}.parquet")


if __name__ == "__main__":
    main()
