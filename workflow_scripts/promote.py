"""Make a run a production model: a whole, hashed copy of it (`make promote RUN=results/runs/…`)."""

from datetime import UTC, datetime
from pathlib import Path

from lib.config.training import TrackingConfig
from lib.config.validation import validate
from lib.data.io import read_json
from lib.extras.production.promote import Promoted, promote
from lib.jobs.command import Parser, command
from lib.jobs.current_study import last_start
from lib.jobs.paths import PRODUCTION
from lib.training.tracking import register

STORE = Path("results/tracking/store.json")
"""Written by the rule that sets up MLflow's store."""


def register_version(made: Promoted) -> int | None:
    """Add a new version to MLflow's registry, where the study is tracked by MLflow."""
    if not made.new or not STORE.is_file():
        return None
    config = validate(TrackingConfig, read_json(STORE), str(STORE))
    tags = {"production": made.folder.as_posix(), "version": str(made.version)}
    return register(config, made.name, made.folder, tags)


def forecast_command(name: str) -> str:
    """The command that forecasts with a production model, with all that its study was started with."""
    start = last_start(Path.cwd())
    target = f"results/forecasts/{name}.parquet"
    return f"{start.variables()}snakemake --cores 1 {target}{start.options()}"


def main() -> None:
    parser = Parser(__doc__)
    parser.add_argument("run", type=Path, metavar="RUN", help="folder of a run: results/runs/…/seed42")
    parser.add_argument("--name", help="of the production model; default: made of the words of the run")
    given = parser.parse_args()
    with command(given):
        made = promote(given.run, PRODUCTION, given.name, datetime.now(UTC))
        registered = register_version(made)
        for warning in made.warnings:
            print(f"WARNING: {warning}")
        print(f"{made.folder}: {'promoted' if made.new else 'the same run is current already'}.")
        if registered is not None:
            print(f"MLflow's registry: {made.name}, version {registered}.")
        print(f"Forecast with it: {forecast_command(made.name)}")


if __name__ == "__main__":
    main()
