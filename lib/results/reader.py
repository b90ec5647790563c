"""Opens the files of a study's folder as tables. They are compared with their checksums, as everywhere.

Reads only, and imports no more than it takes to read.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import polars as pl

from lib.data.io import read_json, read_parquet
from lib.errors import DataError

_SPLITS = {"test": "test.parquet", "validation": "val.parquet"}


def runs(study: Path | str = ".", phase: str | None = None) -> pl.DataFrame:
    """The table of runs: one row per declared run, `status` being done, missing or failed.

    Args:
        study: the folder in which a study works: the working directory, or `studies/NAME`.
        phase: one of the study's phases (`phase1`) instead of the whole.

    Returns:
        The columns of docs/results.md; `path` leads to each run's folder from where you are.

    Raises:
        DataError: the study has no such table yet.
        IntegrityError: the table is damaged.
    """
    return _with_whole_paths(study, read_parquet(_made(study, phase, "runs.parquet")))


def metrics(study: Path | str = ".", phase: str | None = None) -> pl.DataFrame:
    """Every measure of every finished run in a tidy table, with the parts of its test split.

    Arguments and errors are those of `runs`, with whose table it joins on `path`.

    >>> metrics().filter(split="test", slice="all", metric="auc")  # doctest: +SKIP
    """
    return _with_whole_paths(study, read_parquet(_made(study, phase, "metrics.parquet")))


def scaling(study: Path | str = ".", phase: str | None = None) -> dict[str, Any]:
    """Fits, tests and verdicts: what the report draws. Arguments and errors are those of `runs`."""
    content: dict[str, Any] = read_json(_made(study, phase, "scaling.json"), dict)
    return content


def predictions(chosen: pl.DataFrame, split: Literal["test", "validation"] = "test") -> pl.DataFrame:
    """Every forecast of some runs, one row per run, date and symbol.

    Args:
        chosen: rows of `runs`; those that are not done are passed over, those declared twice are read once.
        split: `test`, or `validation`, whose `part` says whether it served selection or calibration.

    Returns:
        The columns of docs/results.md after `path`, which joins them with `runs`.

    Raises:
        DataError: none of the runs is done, or there is no such split.
        IntegrityError: a table is damaged.
    """
    if split not in _SPLITS:
        raise DataError(f"predictions: no split `{split}`; there are {' and '.join(_SPLITS)}.")
    return _of_runs(chosen, Path("predictions") / _SPLITS[split])


def histories(chosen: pl.DataFrame) -> pl.DataFrame:
    """How some runs learned: one row per run and validation. Arguments and errors as of `predictions`."""
    return _of_runs(chosen, Path("history.parquet"))


def importances(chosen: pl.DataFrame) -> pl.DataFrame:
    """What each channel weighs; no rows for models that cannot say. Likewise."""
    return _of_runs(chosen, Path("importance.parquet"))


def daily(chosen: pl.DataFrame) -> pl.DataFrame:
    """Test days of the primary symbol: score, loss, conformal interval, hypothetical trading. Likewise."""
    return _of_runs(chosen, Path("daily.parquet"))


def _with_whole_paths(study: Path | str, table: pl.DataFrame) -> pl.DataFrame:
    whole = pl.col("path").map_elements(lambda run: str(Path(study) / run), return_dtype=pl.String)
    return table.with_columns(path=whole)


def _made(study: Path | str, phase: str | None, name: str) -> Path:
    target = Path("results", *([phase] if phase else []), name)
    path = Path(study) / target
    if not path.is_file():
        raise DataError(
            f"{path}: no such file. Name the folder in which the study works (`studies/NAME` of a named one) "
            f"or make the table: snakemake --cores 1 {target}"
        )
    return path


def _of_runs(chosen: pl.DataFrame, name: Path) -> pl.DataFrame:
    done = chosen.filter(status="done")["path"].unique(maintain_order=True)
    if done.is_empty():
        raise DataError(
            f"{name}: none of these {chosen.height} runs is done; `status` and `problem` say why."
        )
    tables = [read_parquet(Path(path) / name).select(pl.lit(path).alias("path"), pl.all()) for path in done]
    return pl.concat(tables, how="diagonal")  # of two or three classes, or none
