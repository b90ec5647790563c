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
    datasets_of: dict[str, set[str]] = {}
    for vintage, dataset, _ in data.datasets if datasets is None else datasets:
        datasets_of.setdefault(vintage, set()).add(dataset)

    def needed(vintage: str, kind: str, names_of: Callable[[str, str], Iterable[str]]) -> list[str]:
        names = {
            name: None for dataset in sorted(datasets_of[vintage]) for name in names_of(vintage, dataset)
        }
        return [name for name in names if not is_imported(vintage, kind, name)]

    for vintage in sorted(datasets_of):
        config = data.data_config(vintage)
        symbols = needed(vintage, "prices", data.symbols)
        series = needed(vintage, "series", data.series)
        wanted = {config.source: symbols} if symbols else {}
        wanted |= {source: wanted.get(source, []) for source in config.series_sources if series}
        for name, labels in wanted.items():
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
