"""`make promote RUN=results/runs/…`: a whole, hashed copy of a run becomes the current production model."""

import argparse
import sys
from datetime import UTC, datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from lib.config.load import validate
from lib.config.training import TrackingConfig
from lib.data.io import read_json
from lib.errors import StudyError
from lib.extras.production.promote import Promoted, promote
from lib.training.tracking import register

PRODUCTION = Path("results/production")
STORE = Path("results/tracking/store.json")
"""Written by the rule that sets up MLflow's store."""


def register_version(made: Promoted) -> int | None:
    """Add a new version to MLflow's registry, where the study is tracked by MLflow."""
    if not made.new or not STORE.is_file():
        return None
    config = validate(TrackingConfig, read_json(STORE), str(STORE))
    tags = {"production": made.folder.as_posix(), "version": str(made.version)}
    return register(config, made.name, made.folder, tags)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", help="folder of a finished run")
    parser.add_argument("--name", help="of the production model")
    given = parser.parse_args()
    if not given.run:
        sys.exit("Say which run: make promote RUN=results/runs/…/seed42")
    try:
        made = promote(Path(given.run), PRODUCTION, given.name, datetime.now(UTC))
        registered = register_version(made)
    except StudyError as error:
        sys.exit(str(error))
    for warning in made.warnings:
        print(f"WARNING: {warning}")
    print(f"{made.folder}: {'promoted' if made.new else 'the same run is current already'}.")
    if registered is not None:
        print(f"MLflow's registry: {made.name}, version {registered}.")
    print(f"Forecast with it: snakemake --cores 1 results/forecasts/{made.name}.parquet")


if __name__ == "__main__":
    main()
