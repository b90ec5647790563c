"""A folder of one's own: one CSV or Parquet per symbol, in any usual layout.

Everything is read as text first and cast afterwards, so that nothing is silently taken for something else.
"""

from __future__ import annotations

from pathlib import Path

import polars as pl

from lib.data.sources import PRICE_SCHEMA, adjusted
from lib.errors import DataError

MISSING = ["", ".", "null", "NaN", "nan", "NA", "N/A", "None"]
NAMES = {
    "date": ("date", "datetime", "timestamp", "time", "index"),
    "open": ("open",),
    "high": ("high",),
    "low": ("low",),
    "close": ("close", "price", "last"),
    "adj_close": ("adj_close", "adjclose", "adjusted_close", "adj._close"),
    "volume": ("volume", "vol", "vol."),
}
REQUIRED = ("date", "open", "high", "low", "close", "volume")
DATE_FORMATS = ("%Y-%m-%d", "%Y%m%d", "%m/%d/%Y", "%d.%m.%Y", "%b %d, %Y")


class FilesSource:
    """Prices in `folder/ohlcv/` (or in `folder` itself, if it has no such sub-folder)."""

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir():
            raise DataError(f"{folder}: no such folder. `data.folder` must name the one that holds ohlcv/.")
        self.folder = folder / "ohlcv" if (folder / "ohlcv").is_dir() else folder

    def symbols(self) -> list[str]:
        """Symbols that have a file."""
        return sorted({p.stem for p in self.folder.iterdir() if p.suffix.lower() in (".csv", ".parquet")})

    def prices(self, symbol: str) -> pl.DataFrame:
        """Daily prices of one file, sorted by date if it is newest first; otherwise in the file's order."""
        path = self._path(symbol)
        text = _read_text(path)
        frame = _rename(text, path)
        frame = frame.with_columns(_dates(frame["date"], path))
        for name in frame.columns:
            if name != "date":
                frame = frame.with_columns(_numbers(frame, name, path))
        frame = frame.with_columns(pl.lit(symbol).alias("symbol"))
        if "adj_close" in frame.columns:
            frame = adjusted(frame)
        if frame.height > 1 and frame["date"].is_sorted(descending=True):
            frame = frame.reverse()
        return frame.select(pl.col(name).cast(dtype) for name, dtype in PRICE_SCHEMA.items())

    def _path(self, symbol: str) -> Path:
        for suffix in (".csv", ".parquet"):
            path = self.folder / f"{symbol}{suffix}"
            if path.is_file():
                return path
        there = ", ".join(self.symbols()) or "none"
        raise DataError(f"{self.folder / symbol}.csv: no such file (nor .parquet). Symbols there: {there}.")


def _read_text(path: Path) -> pl.DataFrame:
    """All cells as text; DataError for what is no table."""
    if path.stat().st_size == 0:
        raise DataError(f"{path}: the file is empty.")
    try:
        if path.suffix == ".parquet":
            frame = pl.read_parquet(path).select(pl.all().cast(pl.String))
        else:
            frame = pl.read_csv(path, infer_schema=False, null_values=MISSING, encoding="utf8")
    except (pl.exceptions.PolarsError, OSError) as error:
        raise DataError(f"{path}: cannot be read as a table: {' '.join(str(error).split())[:200]}") from None
    if frame.is_empty():
        raise DataError(f"{path}: the file is empty: it has a header and no rows.")
    return frame


def _rename(frame: pl.DataFrame, path: Path) -> pl.DataFrame:
    """Known columns under their canonical names, the others dropped, a second header line removed."""
    found: dict[str, str] = {}
    # A nameless column is the date only if no other is: pandas writes its row numbers that way.
    for column in sorted(frame.columns, key=lambda name: _is_nameless(_key(name))):
        key = _key(column)
        name = "date" if _is_nameless(key) else _canonical(key)
        if name and name in found:
            if _is_nameless(key):
                continue
            raise DataError(f"{path}: columns `{found[name]}` and `{column}` both look like {name}.")
        if name:
            found[name] = column
    missing = [name for name in REQUIRED if name not in found]
    if missing:
        there = ", ".join(column or "(no name)" for column in frame.columns)
        raise DataError(f"{path}: no column for {', '.join(missing)}. Its columns: {there}.")
    frame = frame.select(pl.col(column).str.strip_chars().alias(name) for name, column in found.items())
    second_header = frame["open"].head(2).is_in([path.stem, "Ticker"]).any() or frame["date"][0] in (
        None,
        "Ticker",
    )
    while second_header and frame.height and not _looks_numeric(frame["open"][0]):
        frame = frame.slice(1)
    return frame


def _key(column: str) -> str:
    return column.strip().lower().replace(" ", "_")


def _is_nameless(key: str) -> bool:
    """Polars calls a column without a name "" or "_duplicated_0"; pandas writes "Unnamed: 0"."""
    return key == "" or key.startswith(("unnamed", "_duplicated"))


def _canonical(key: str) -> str | None:
    return next((name for name, spellings in NAMES.items() if key in spellings), None)


def _looks_numeric(text: str | None) -> bool:
    try:
        float(text or "")
    except ValueError:
        return False
    return True


def _dates(column: pl.Series, path: Path) -> pl.Series:
    days = column.str.slice(0, 10) if column.str.contains(r"^\d{4}-\d{2}-\d{2}[T ]").any() else column
    for layout in DATE_FORMATS:
        parsed = days.str.to_date(layout, strict=False)
        if parsed.null_count() == column.null_count():
            return parsed.alias("date")
    parsed = days.str.to_date(DATE_FORMATS[0], strict=False)
    row = int(parsed.is_null().arg_max() or 0)
    raise DataError(f"{path}: `{column[row]}` in row {row + 1} of its data is not a date like 2024-01-31.")


def _numbers(frame: pl.DataFrame, name: str, path: Path) -> pl.Series:
    text = frame[name]
    numbers = text.str.replace_all(",", "").cast(pl.Float64, strict=False)
    wrong = numbers.is_null() & text.is_not_null()
    if wrong.any():
        row = int(wrong.arg_max() or 0)
        raise DataError(f"{path}: {name} is `{text[row]}` on {frame['date'][row]}, which is not a number.")
    return numbers.alias(name)
