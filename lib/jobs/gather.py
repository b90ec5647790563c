"""Reads the report's inputs from many small files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy as np
import polars as pl

from lib.config.base import TIERS, Timescale
from lib.data.io import read_json, read_parquet
from lib.errors import DataError, IntegrityError
from lib.features.catalogue import catalogue
from lib.features.schema import channel_names
from lib.scaling.ablation import rank_variants
from lib.scaling.samples import Reader, read_predictions
from lib.training.progress import say


def job_costs(folder: Path) -> pl.DataFrame:
    """Jobs, seconds and peak memory by rule, from Snakemake's benchmark files below `folder`."""
    rows = []
    for path in sorted(folder.rglob("*.tsv")):
        # The first component below the folder is the rule; a rule without wildcards is one file.
        rule = path.relative_to(folder).parts[0].removesuffix(".tsv")
        try:
            line = pl.read_csv(path, glob=False, separator="\t", null_values=["-", "NA"]).tail(1)
            rows.append({"rule": rule, "seconds": line["s"][0], "memory": line["max_rss"][0]})
        except (pl.exceptions.PolarsError, IndexError):  # Snakemake was killed while it wrote the file
            say(f"WARNING: {path}: not a whole measurement; the cost table leaves this job out.")
    schema = {"rule": pl.String, "seconds": pl.Float64, "memory": pl.Float64}
    return (
        pl.DataFrame(rows, schema=schema)
        .group_by("rule")
        .agg(
            jobs=pl.len(),
            seconds=pl.col("seconds").sum(),
            peak_memory_mb=pl.col("memory").max() * 1.048576,  # Snakemake counts mebibytes
        )
        .sort("seconds", descending=True)
    )


def of_runs[T](runs: list[Path], name: str, read: Callable[[Path], T]) -> dict[str, T]:
    """Content of one file of each run, by the run's folder.

    Raises:
        IntegrityError: one is missing or damaged.
    """
    found = {}
    for run in runs:
        try:
            found[run.as_posix()] = read(run / name)
        except FileNotFoundError:
            raise IntegrityError(
                f"{run / name}: missing. Make it with `snakemake --cores 1 {run / name}` (and your "
                "--configfile), then give the same command again."
            ) from None
    return found


def searches(folders: list[str]) -> dict[str, tuple[dict[str, Any], pl.DataFrame]]:
    """Best trial and all trials of each search, by its folder."""
    return {
        folder: (
            read_json(Path(folder) / "best.json"),
            read_parquet(Path(folder) / "trials.parquet"),
        )
        for folder in folders
    }


def ablations(
    runs: pl.DataFrame, primary: str | None = None, read: Reader = read_predictions
) -> tuple[pl.DataFrame, list[str]]:
    """The variants of every ablation ranked, and why some could not be."""
    tables, problems = [], []
    own = runs.filter(pl.col("role") == "ablation")
    for (name,), members in own.group_by(["experiment"], maintain_order=True):
        try:
            ranked = rank_variants(members, read, primary)
            tables.append(ranked.insert_column(0, pl.Series("experiment", [name] * ranked.height)))
        except DataError as error:
            problems.append(f"{name}: {error}")
    return (pl.concat(tables, how="diagonal") if tables else pl.DataFrame()), problems


def correlation(paths: list[str]) -> dict[str, pl.DataFrame]:
    """Correlation of the channels of each dataset file, by `dataset, timescale (vintage)`, by family."""
    tables = {}
    for path in map(Path, paths):
        frame = read_parquet(path)
        families = family_of_channels(channel_names(frame), cast(Timescale, path.stem))
        names = list(families)
        with np.errstate(invalid="ignore", divide="ignore"):  # a constant channel correlates with nothing
            matrix = np.corrcoef(frame.select(names).to_numpy().T.astype(np.float64))
        square = pl.DataFrame(matrix, schema=names).insert_column(0, pl.Series("channel", names))
        tables[f"{path.parts[-2]}, {path.stem} ({path.parts[-3]})"] = square.insert_column(
            1, pl.Series("family", list(families.values()))
        )
    return tables


def family_of_channels(channels: list[str], timescale: Timescale) -> dict[str, str]:
    """Family of each channel, those of one family together; of a series, its name."""
    own = {feature.name: feature.family for feature in catalogue(TIERS[-1], timescale)}
    found = {name: own.get(name, name.split("_")[0]) for name in channels}
    order = list(dict.fromkeys(found.values()))
    return dict(sorted(found.items(), key=lambda pair: order.index(pair[1])))
