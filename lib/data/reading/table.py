"""Cells and header of a text, Parquet or Excel file, whatever the cells mean.

Encoding, delimiter and the line of the header are found together: the header is the line that, split by one
of the delimiters, has most words that name columns. Lines above and below the table are left out and
reported.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from lib.data.reading.foreign import first_words, refuse_foreign
from lib.data.reading.header import HEAD_LINES, Header, header_of, refuse_headless, unique
from lib.data.reading.names import column_and_ticker, is_dated, known_names
from lib.errors import DataError

MISSING = (
    "", ".", "-", "--", "—", "null", "NULL", "NaN", "nan", "NA", "N/A", "n/a", "N/D", "None", "#N/A",
    "#N/A N/A",
)  # fmt: skip
MAX_COLUMNS = 1000
_DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
_FOOTER_LINES = 20
_MARKS = (
    (b"\xef\xbb\xbf", "utf-8-sig"),
    (b"\xff\xfe\x00\x00", "utf-32"),
    (b"\x00\x00\xfe\xff", "utf-32"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
)
"""Byte-order marks; the longer ones first."""


@dataclass(frozen=True)
class RawTable:
    """A header and its columns.

    Attributes:
        frame: all cells; text (missing marks are null), or typed as a Parquet file has them.
        tickers: the symbol that a second header line gives to each column; empty if there is none.
        lines: of the file, on which the rows stand; empty where rows have no lines.
        notes: what was left out, and how it was read.
    """

    path: Path
    frame: pl.DataFrame
    tickers: tuple[str, ...] = ()
    lines: Sequence[int] = ()
    notes: tuple[str, ...] = ()

    def place(self, row: int) -> str:
        """Where a row (counted from 0) stands, in words."""
        return f"line {self.lines[row]}" if self.lines else f"row {row + 1}"


@dataclass
class _Text:
    """What is known of a text file while it is read."""

    path: Path
    notes: list[str] = field(default_factory=list)


def read_table(path: Path) -> RawTable:
    """The table of a file.

    Raises:
        DataError: it is empty, no table, absurdly wide, or torn; names what and where.
    """
    if path.stat().st_size == 0:
        raise DataError(f"{path}: the file is empty. Download it again.")
    suffix = path.suffix.lower()
    with path.open("rb") as handle:
        refuse_foreign(path, handle.read(4096))
    try:
        if suffix == ".parquet":
            table = _parquet(path)
        elif suffix == ".xlsx":
            table = _workbook(path)
        else:
            table = _text(path)
    except (pl.exceptions.PolarsError, OSError, KeyError, ValueError, csv.Error) as error:
        raise DataError(
            f"{path}: cannot be read as a table ({first_words(str(error), 160)}). Replace the file."
        ) from None
    if table.frame.width > MAX_COLUMNS:
        raise DataError(f"{path}: {table.frame.width:,} columns; at most {MAX_COLUMNS:,} make sense here.")
    if table.frame.is_empty():
        raise DataError(f"{path}: the file is empty: it has a header and no rows. Download it again.")
    return table


def text_of(path: Path) -> pl.DataFrame:
    """All cells of a file as text, under the names of its header, missing marks as null.

    Raises:
        DataError: as `read_table`.
    """
    return read_table(path).frame.select(pl.all().cast(pl.String))


def _parquet(path: Path) -> RawTable:
    frame = pl.read_parquet(path, glob=False)
    pairs = [column_and_ticker(name) for name in frame.columns]
    tickers = tuple(ticker for _, ticker in pairs)
    frame.columns = unique([name for name, _ in pairs])
    texts = pl.selectors.string()
    frame = frame.with_columns(pl.when(texts.is_in(MISSING)).then(None).otherwise(texts).name.keep())
    return RawTable(path, frame, tickers if any(tickers) else ())


def _workbook(path: Path) -> RawTable:
    """The one sheet with a header; of several, the last (the first usually explains)."""
    import zipfile

    import openpyxl

    try:
        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
    except (zipfile.BadZipFile, KeyError) as error:
        raise DataError(f"{path}: not a readable workbook ({error}). Replace the file.") from None
    sheets = [
        [["" if cell is None else str(cell) for cell in row] for row in sheet.iter_rows(values_only=True)]
        for sheet in book.worksheets
    ]
    names = book.sheetnames
    book.close()
    scored = [
        (max((known_names(row) for row in rows[:HEAD_LINES]), default=0), n) for n, rows in enumerate(sheets)
    ]
    number = max(scored)[1]
    if not sheets[number]:
        return RawTable(path, pl.DataFrame())
    found = _Text(path)
    if len(sheets) > 1:
        found.notes.append(f"sheet {names[number]}")
    header, notes = header_of(sheets[number])
    found.notes += notes
    rows, lines = _whole_rows(found, sheets[number][header.begin :], header.begin + 1, len(header.names))
    return _framed(found, header, _transposed(rows, len(header.names)), lines)


def _text(path: Path) -> RawTable:
    found = _Text(path)
    text = _decoded(path.read_bytes(), found)
    if "\n" not in text:
        text = text.replace("\r", "\n")
    head = text[:400_000].split("\n", HEAD_LINES)[:HEAD_LINES]
    if max((line.count(mark) for line in head for mark in _DELIMITERS), default=0) > MAX_COLUMNS:
        raise DataError(
            f"{path}: more than {MAX_COLUMNS:,} columns; this is not a table of prices or values."
        )
    split = {mark: [next(csv.reader([line], delimiter=mark), []) for line in head] for mark in _DELIMITERS}
    scores = {mark: max(map(known_names, rows), default=0) for mark, rows in split.items()}
    mark = max(_DELIMITERS, key=lambda each: scores[each])
    if not scores[mark]:
        refuse_headless(path, text, split)
    if mark != ",":
        found.notes.append(f"{_DELIMITERS[mark]} between columns")
    header, notes = header_of(split[mark])
    found.notes += notes
    body = text.split("\n", header.begin)[-1] if text.count("\n") >= header.begin else ""
    columns = _regular(body, mark, len(header.names))
    if columns is not None:
        return _framed(found, header, columns, range(header.begin + 1, header.begin + 1 + len(columns[0])))
    rows = list(csv.reader(io.StringIO(body, newline=""), delimiter=mark))
    rows, lines = _whole_rows(found, rows, header.begin + 1, len(header.names))
    return _framed(found, header, _transposed(rows, len(header.names)), lines)


def _regular(body: str, mark: str, width: int) -> list[pl.Series] | None:
    """The columns of a regular text; None where it must be read line by line."""
    try:
        frame = pl.read_csv(body.encode(), separator=mark, has_header=False, infer_schema=False)
    except pl.exceptions.PolarsError:
        return None
    whole = frame.width == width and frame.height == body.count("\n") + (not body.endswith("\n"))
    last = frame.to_series(-1)
    if (
        not whole
        or last.null_count()
        or frame.to_series(0).tail(1).str.contains("[A-Za-z]{3}.*[A-Za-z]{3}")[0]
    ):
        return None  # a row may be short, blank, or a footer
    return frame.get_columns()


def _transposed(rows: Sequence[Sequence[str]], width: int) -> list[pl.Series]:
    columns = list(zip(*rows, strict=True)) if rows else [()] * width
    return [pl.Series(cells, dtype=pl.String) for cells in columns]


def _decoded(content: bytes, found: _Text) -> str:
    """A file's text: UTF-8, UTF-16 or UTF-32 (by their marks or their zeros), else Windows-1252."""
    encoding = next((name for mark, name in _MARKS if content.startswith(mark)), "")
    if not encoding:
        sample, encoding = content[:4000], "utf-8"
        if sample[1::2].count(0) > 0.4 * len(sample):
            encoding = "utf-16-le"
        elif sample[::2].count(0) > 0.4 * len(sample):
            encoding = "utf-16-be"
        elif b"\x00" in content:
            raise DataError(f"{found.path}: this is not a text file. Export the table as CSV.")
    if encoding not in ("utf-8", "utf-8-sig"):
        found.notes.append(encoding.upper()[:6])
    try:
        return content.decode(encoding)
    except UnicodeDecodeError:
        if encoding != "utf-8":
            raise
    try:
        text = content.decode("cp1252")
    except UnicodeDecodeError:
        raise DataError(
            f"{found.path}: cannot be read as a table: its text is neither UTF-8 nor Windows-1252. "
            "Export it anew."
        ) from None
    found.notes.append("Windows-1252")
    return text


def _framed(found: _Text, header: Header, columns: Sequence[pl.Series], lines: Sequence[int]) -> RawTable:
    frame = pl.DataFrame(dict(zip(header.names, columns, strict=True))).with_columns(
        pl.all().str.strip_chars()
    )
    frame = frame.with_columns(pl.when(pl.all().is_in(MISSING)).then(None).otherwise(pl.all()).name.keep())
    return RawTable(found.path, frame, header.tickers, lines, tuple(found.notes))


def _whole_rows(
    found: _Text, body: list[list[str]], line: int, width: int
) -> tuple[list[list[str]], Sequence[int]]:
    """Rows of equal width and their lines; blank ones and a footer are gone.

    Raises:
        DataError: a row has more or fewer cells than the header; names its line.
    """
    footer = ""
    for _ in range(_FOOTER_LINES):
        while body and not any(cell.strip() for cell in body[-1]):
            body.pop()
        if not body or not _is_words(body[-1]):
            break
        footer = " ".join(body.pop())
    if footer:
        found.notes.append(f"left out below the table: `{first_words(footer)}`")
    if set(map(len, body)) <= {width} and all(map(any, body)):
        return body, range(line, line + len(body))
    rows, lines = [], []
    for number, row in enumerate(body, start=line):
        if not any(cell.strip() for cell in row):
            continue
        if len(row) < width:
            raise DataError(
                f"{found.path}: line {number} has {len(row)} cells and the header {width}: "
                f"`{first_words(' '.join(row))}`. Is the file cut off there? Download it again."
            )
        if any(cell.strip() for cell in row[width:]):
            raise DataError(
                f"{found.path}: line {number} has {len(row)} cells and the header {width}: "
                f"`{first_words(','.join(row))}`. Commas within numbers need quotes or another delimiter."
            )
        rows.append(row[:width])
        lines.append(number)
    return rows, lines


def _is_words(row: Sequence[str]) -> bool:
    """A line of words, not of data: its first cell has two words at least, and no other a number."""
    filled = [cell.strip() for cell in row if cell.strip()]
    return (
        bool(filled)
        and len(re.findall(r"[^\W\d_]{3,}", filled[0])) >= 2
        and not is_dated(filled[0])
        and not any(re.search(r"^[-+$]?[\d.,]+[KMB%]?$", cell) for cell in filled[1:])
    )
