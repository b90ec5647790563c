"""Checks before the first job that the files to import exist. Reads none of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from lib.data.sources import open_source, source_class
from lib.errors import DataError
from lib.study.data_plan import DataPlan

SHOWN = 12
"""Names of what is there, in a message."""


def check_files(
    data: DataPlan,
    is_imported: Callable[[str, str, str], bool],
    datasets: Iterable[tuple[str, str, str]] | None = None,
) -> None:
    """Refuse a vintage whose folder or price files are missing. What was imported needs them no more.

    Args:
        data: of the study.
        is_imported: whether the raw file of a vintage, a kind (`prices`, `series`) and a name is there.
        datasets: those to look at, each (vintage, dataset, timescale); default: all of the study.

    Raises:
        DataError: names the folder, or the files.
    """
    names: dict[str, set[str]] = {}
    for vintage, dataset, _ in data.datasets if datasets is None else datasets:
        names.setdefault(vintage, set()).add(dataset)
    for vintage, asked_for in sorted(names.items()):
        config = data.data_config(vintage)
        wanted = dict.fromkeys(
            name for dataset in sorted(asked_for) for name in data.symbols(vintage, dataset)
        )
        symbols = [name for name in wanted if not is_imported(vintage, "prices", name)]
        wanted = dict.fromkeys(
            name for dataset in sorted(asked_for) for name in data.series(vintage, dataset)
        )
        series = [name for name in wanted if not is_imported(vintage, "series", name)]
        asked = {config.source: symbols} if symbols else {}
        asked |= {source: asked.get(source, []) for source in config.series_sources if series}
        for name, labels in asked.items():
            if not source_class(name).knows_its_files:  # only the server knows whether it has it
                continue
            source = open_source(config, name)
            if missing := source.missing_prices(labels):
                there = source.symbols()
                more = f" and {len(there) - SHOWN} more" if len(there) > SHOWN else ""
                raise DataError(
                    f"{', '.join(missing)}: no price file in {config.folder} (SYMBOL.csv, .parquet, .xlsx). "
                    f"There: {', '.join(there[:SHOWN]) or 'none'}{more}. Add the files, or choose other "
                    "symbols with `assets: {rows: …}`."
                )
