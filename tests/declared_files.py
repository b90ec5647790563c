"""Which files of a study its jobs opened without their rules declaring them.

Every job that the tests run is watched by an audit hook of Python (`tests/audit`), so a rule cannot read or
write what it does not declare: `Project.snakemake` asks after each run. What polars opens by itself is seen
when its checksum is compared.
"""

from __future__ import annotations

import fnmatch
import json
import shutil
from pathlib import Path

RECORDS = ".opened"

_STATE = "what an interrupted job keeps: Snakemake deletes declared outputs of a job that fails"
_RECORD = (
    "a record that only grows; as an output it would be made again, as an input it would re-run the rule"
)
_ONE_JOB = (
    "one job makes all files of a run: the test predictions, which `collect_runs` declares, stand for them"
)
_RUN = "results/runs/*/seed*"
EXCEPTIONS: dict[str, dict[str, str]] = {
    "": {
        "results/state/*": _STATE,
        "results/tracking/*": "MLflow's own store, which jobs share",
    },
    "import_prices": {"data/raw/*/source.json": "what a vintage is made from: the first import records it"},
    "import_series": {"data/raw/*/source.json": "what a vintage is made from: the first import records it"},
    "discover_batch_size": {
        "results/batch_sizes/*": "the precision of shapes found before: one for all runs, whichever is first"
    },
    "evaluate": {f"{_RUN}/model/checksums.json": "compared while it is there: models of runs may be deleted"},
    "predict_largest": {"results/test_looks.txt": _RECORD},
    "fit_scaling": {
        f"{_RUN}/*": _ONE_JOB,
        "results/test_looks.txt": _RECORD,
        "results/confirmation.json": _RECORD,
        "results/predicted/*": _RECORD,
    },
    "report": {"results/declarations/*": _RECORD, f"{_RUN}/*": _ONE_JOB},
    "compare_models": {f"{_RUN}/*": _ONE_JOB},
    "collect_runs": {
        f"{_RUN}/*": _ONE_JOB,
        f"{_RUN}/metrics.json": "kept measures, to the byte those of `evaluate`, whose outputs they are",
        f"{_RUN}/daily.parquet": "the same",
    },
}
"""Files that a rule opens without declaring them, and why; those of all rules under the empty name."""
PHASES = {"collect_phase": "collect_runs", "fit_phase": "fit_scaling", "report_phase": "report"}
"""Rules that do the same for one phase."""


def undeclared(folder: Path) -> list[str]:
    """One line for each file that a job opened and its rule does not declare; the records are deleted."""
    found = set()
    for record in sorted((folder / RECORDS).glob("*.json")):
        content = json.loads(record.read_text(encoding="utf-8"))
        rule, declared, opened = content["rule"], content["declared"], content["opened"]
        for kind, own in (("read", declared["read"] + declared["written"]), ("written", declared["written"])):
            for path in opened[kind]:
                if _of_study(path) and not _is_declared(path, own) and not _is_excepted(rule, path):
                    found.add(f"{rule}: {path} is {kind}")
    shutil.rmtree(folder / RECORDS, ignore_errors=True)
    return sorted(found)


def _of_study(path: str) -> bool:
    """Whether a path, from the study's folder, is of its data or results; not what is about to be renamed,
    and not what Python compiles of a user's own module."""
    parts = Path(path).parts
    return parts[:1] in (("data",), ("results",)) and not any(
        (part.startswith(".") and part.endswith(".tmp")) or part == "__pycache__" for part in parts
    )


def _is_declared(path: str, declared: list[str]) -> bool:
    return any(path == own or path.startswith(f"{own}/") for own in declared)


def _is_excepted(rule: str, path: str) -> bool:
    patterns = [*EXCEPTIONS[""], *EXCEPTIONS.get(PHASES.get(rule, rule), {})]
    return any(fnmatch.fnmatch(path, pattern) for pattern in patterns)
