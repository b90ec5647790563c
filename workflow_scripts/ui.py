"""MLflow's and Optuna's dashboards of a study, on this machine only, until Ctrl-C (`make ui`)."""

import contextlib
import logging
import signal
import time
from pathlib import Path
from types import FrameType

from lib.config.places import whole_study
from lib.errors import StudyError
from lib.jobs.command import Parser, command
from lib.study.dashboards import HERE, MLFLOW_PORT, OPTUNA_PORT, end, free_ports, serve_search, start_mlflow
from lib.tuning.study import STUDY_FILE


def main() -> None:
    with command(Parser(__doc__).parse_args()), contextlib.ExitStack() as servers:
        here = Path.cwd()
        studies = whole_study(here)
        stores = [path for s in studies if (path := s / "results/tracking/mlflow.db").is_file()]
        searches = sorted(p for s in studies for p in (s / "results/state/hpo").rglob(STUDY_FILE))
        if not stores and not searches:
            raise StudyError(
                f"{here}: no tracked run and no search to show. Runs are tracked with "
                "`tracking: {mlflow: true}` in the configuration; a search begins with the first trial."
            )
        for way in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(way, _stop)
        ports = free_ports(MLFLOW_PORT)
        for store, port in zip(stores, ports, strict=False):
            servers.callback(end, start_mlflow(store, port))
            print(f"MLflow  http://{HERE}:{port}/#/experiments/1/runs  {store.relative_to(here)}", flush=True)
        logging.getLogger("optuna").setLevel(logging.WARNING)
        for path, port in zip(searches, free_ports(OPTUNA_PORT), strict=False):
            serve_search(path, port)
            print(f"Optuna  http://{HERE}:{port}/dashboard  {path.relative_to(here)}", flush=True)
        print("Ctrl-C ends them.", flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            while True:
                time.sleep(3600)


def _stop(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    main()
