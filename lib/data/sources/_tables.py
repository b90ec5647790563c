"""Tables as people have them: any usual column names, order, date format, header lines, missing marks.

Everything is read as text first and cast afterwards, so that nothing is silently taken for something else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import polars as pl

from lib.errors import DataError

MISSING = ["", ".", "null", "NaN", "nan", "NA", "N/A", "None", "#N/A", "-"]
SUFFIXES = (".csv", ".parquet", ".xlsx")
DATE_NAMES = (
    "date", "datetime", "timestamp", "time", "index", "observation_date", "day", "week", "month",
)  # fmt: skip
DATE_FORMATS = ("%Y-%m-%d", "%Y%m%d", "%m/%d/%Y", "%d.%m.%Y", "%b %d, %Y", "%Y-%m")
MAX_COLUMNS = 1000
_TICKER_ROWS = ("ticker", "price", "date")


def read_text(path: Path) -> pl.DataFrame:
    """All cells of a CSV, Parquet or Excel file as text, missing marks as null.

    Of a workbook, the last sheet is read (the first usually explains).

    Raises:
        DataError: the file is empty, no table, or absurdly wide.
    """
    if path.stat().st_size == 0:
        raise DataError(f"{path}: the file is empty.")
    try:
        if path.suffix == ".parquet":
            frame = pl.read_parquet(path).select(pl.all().cast(pl.String))
        elif path.suffix == ".xlsx":
            frame = _read_workbook(path)
        else:
            frame = _read_csv(path)
    except (pl.exceptions.PolarsError, OSError, KeyError, ValueError) as error:
        raise DataError(f"{path}: cannot be read as a table: {' '.join(str(error).split())[:200]}") from None
    if frame.width > MAX_COLUMNS:
        raise DataError(f"{path}: {frame.width:,} columns; at most {MAX_COLUMNS:,} make sense here.")
    if frame.is_empty():
        raise DataError(f"{path}: the file is empty: it has a header and no rows.")
    return frame.with_columns(pl.when(pl.all().is_in(MISSING)).then(None).otherwise(pl.all()).name.keep())


def _read_csv(path: Path) -> pl.DataFrame:
    with path.open("rb") as handle:
        head = handle.read(2_000_000)
    if b"\x00" in head:
        raise DataError(f"{path}: this is not a text file.")
    if head.split(b"\n", 1)[0].count(b",") > MAX_COLUMNS:
        raise DataError(f"{path}: more than {MAX_COLUMNS:,} columns; this is not a table of prices.")
    # Google Trends puts a title and an empty line above its header.
    lines = head[:4000].decode("utf-8-sig", errors="replace").splitlines()
    skip = 2 if len(lines) > 2 and lines[0].lower().startswith("category:") and not lines[1].strip() else 0
    return pl.read_csv(
        path,
        infer_schema=False,
        null_values=MISSING,
        encoding="utf8",
        skip_lines=skip,
        truncate_ragged_lines=False,
    )


def _read_workbook(path: Path) -> pl.DataFrame:
    import zipfile

    import openpyxl

    try:
        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
    except (zipfile.BadZipFile, KeyError) as error:
        raise DataError(f"{path}: not a readable workbook ({error}).") from None
    rows = list(book.worksheets[-1].iter_rows(values_only=True))
    book.close()
    if len(rows) < 2:
        return pl.DataFrame()
    names = [str(cell) if cell is not None else "" for cell in rows[0]]
    columns = list(zip(*rows[1:], strict=True))
    return pl.DataFrame(
        {
            name or f"_duplicated_{i}": [None if cell is None else str(cell) for cell in columns[i]]
            for i, name in enumerate(names)
        },
        schema_overrides={name or f"_duplicated_{i}": pl.String for i, name in enumerate(names)},
    )


def key_of(column: str) -> str:
    """A column's name in the form that is compared."""
    return column.strip().lstrip("\ufeff").lower().replace(" ", "_")


def is_nameless(key: str) -> bool:
    """Polars calls a column without a name "" or "_duplicated_0"; pandas writes "Unnamed: 0"."""
    return key == "" or key.startswith(("unnamed", "_duplicated"))


def rename(
    frame: pl.DataFrame, names: Mapping[str, Sequence[str]], required: Sequence[str], path: Path
) -> pl.DataFrame:
    """Known columns under their canonical names, the others dropped, further header lines removed.

    Raises:
        DataError: a required column is absent, or two look like the same.
    """
    found: dict[str, str] = {}
    first = frame.columns[0]
    # yfinance writes the dates under "Price", above a line "Ticker,SPY,..." and a line "Date,,,".
    if key_of(first) == "price" and (frame[first][0] or "").lower() in _TICKER_ROWS:
        frame = frame.rename({first: "Date"})
    # A nameless column is the date only if no other is: pandas writes its row numbers that way.
    for column in sorted(frame.columns, key=lambda name: is_nameless(key_of(name))):
        key = key_of(column)
        name = "date" if is_nameless(key) else next((n for n, said in names.items() if key in said), None)
        if name and name in found:
            if is_nameless(key):
                continue
            raise DataError(f"{path}: columns `{found[name]}` and `{column}` both look like {name}.")
        if name:
            found[name] = column
    missing = [name for name in required if name not in found]
    if missing:
        there = ", ".join(column or "(no name)" for column in frame.columns[:30])
        raise DataError(f"{path}: no column for {', '.join(missing)}. Its columns: {there}.")
    frame = frame.select(pl.col(column).str.strip_chars().alias(name) for name, column in found.items())
    return _without_further_headers(frame)


def _without_further_headers(frame: pl.DataFrame) -> pl.DataFrame:
    """Without at most two lines under the header that repeat the symbol or column names."""
    values = [name for name in frame.columns if name != "date"]
    for _ in range(2):
        label = (frame["date"][0] or "").lower() if frame.height else ""
        words = [frame[name][0] for name in values] if frame.height else []
        header = label in ("", *_TICKER_ROWS) and not any(looks_numeric(word) for word in words)
        if not header:
            break
        frame = frame.slice(1)
    return frame


def looks_numeric(text: str | None) -> bool:
    """Whether a cell is a number."""
    try:
        float((text or "").replace(",", ""))
    except ValueError:
        return False
    return True


def dates(column: pl.Series, path: Path | str) -> pl.Series:
    """Dates of a column of text.

    Raises:
        DataError: a cell is no date.
    """
    days = column.str.slice(0, 10) if column.str.contains(r"^\d{4}-\d{2}-\d{2}[T ]").any() else column
    for layout in DATE_FORMATS:
        whole, form = (days + "-01", layout + "-%d") if layout == "%Y-%m" else (days, layout)
        parsed = whole.str.to_date(form, strict=False)
        if parsed.null_count() == column.null_count():
            return parsed.alias("date")
    parsed = days.str.to_date(DATE_FORMATS[0], strict=False)
    row = int((parsed.is_null() & column.is_not_null()).arg_max() or 0)
    raise DataError(f"{path}: `{column[row]}` in row {row + 1} of its data is not a date like 2024-01-31.")


def numbers(frame: pl.DataFrame, name: str, path: Path | str) -> pl.Series:
    """Numbers of a column of text; thousands may be set apart by commas, `<1` counts as one half.

    Raises:
        DataError: a cell is no number.
    """
    text = frame[name]
    # Google Trends writes <1 for what it rounds down to nothing; every other text is refused below.
    plain = text.str.replace_all(",", "").replace("<1", "0.5")
    found = plain.cast(pl.Float64, strict=False)
    wrong = found.is_null() & text.is_not_null()
    if wrong.any():
        row = int(wrong.arg_max() or 0)
        raise DataError(f"{path}: {name} is `{text[row]}` on {frame['date'][row]}, which is not a number.")
    return found.alias(name)


def oldest_first(frame: pl.DataFrame) -> pl.DataFrame:
    """A table that is newest first turned round; any other order stays for validation to judge."""
    newest_first = frame.height > 1 and frame["date"].is_sorted(descending=True)
    return frame.reverse() if newest_first else frame
