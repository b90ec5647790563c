"""Words that name columns, and files that name symbols.

Words are compared without case, blanks and marks; unknown ones are refused with the list of known ones.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path, PurePosixPath

from lib.errors import DataError

TABLE_SUFFIXES = (".csv", ".parquet", ".xlsx", ".tsv", ".txt")
DATE_KEYS = (
    "date", "datetime", "timestamp", "time", "index", "observationdate", "day", "week", "month", "tradedate",
    "windowstart", "indexlevel0",
)  # fmt: skip
PRICE_KEYS: dict[str, tuple[str, ...]] = {
    "open": ("open",),
    "high": ("high",),
    "low": ("low",),
    "close": ("close", "closelast", "price", "last", "latest", "lastprice", "closeprice"),
    "volume": ("volume", "vol"),
    "adj_open": ("adjopen", "adjustedopen"),
    "adj_high": ("adjhigh", "adjustedhigh"),
    "adj_low": ("adjlow", "adjustedlow"),
    "adj_close": ("adjclose", "adjustedclose", "closeadj", "adjcloselast"),
    "adj_volume": ("adjvolume", "adjustedvolume"),
    "tick_volume": ("tickvol", "tickvolume"),
    "split": ("splitfactor", "splitcoefficient", "splitratio", "stocksplits", "splits"),
    "ticker": ("ticker", "symbol"),
}
"""Of each column that is used: the names that it may have."""
LETTER_KEYS = {"t": "date", "o": "open", "h": "high", "l": "low", "c": "close", "v": "volume"}
"""Polygon's; they count only together."""
AVAILABLE_KEYS = ("availablefrom", "realtimestart", "releasedate")
SERIES_KEYS = ("value", *AVAILABLE_KEYS)
_NAMED = frozenset((*DATE_KEYS, *SERIES_KEYS, *(key for keys in PRICE_KEYS.values() for key in keys)))
_COPY = re.compile(r"( \(\d+\)| - Copy( \(\d+\))?| copy( \d+)?)$", re.IGNORECASE)


@lru_cache(maxsize=4096)
def key_of(name: str) -> str:
    """A column's name in the form that is compared: `1. Adj Close` and `<ADJ_CLOSE>` are `adjclose`."""
    plain = unicodedata.normalize("NFKC", name).replace("\ufeff", "").lower()
    plain = re.sub(r"\((usd|eur|gbp|us\$|\$|local|utc|est)\)", "", plain)
    plain = re.sub(r"^\s*\d+\.\s*|\|\d+$", "", plain)  # a number before it, its place behind it
    return re.sub(r"[^\w%]|_", "", plain)


def is_nameless(key: str) -> bool:
    """A column without a name: of dates, or of row numbers (pandas writes `Unnamed: 0`)."""
    return key == "" or key.startswith(("unnamed", "duplicated"))


def known_names(row: Sequence[str]) -> int:
    """How many cells of a row are names of columns, as a header has them."""
    if row and is_dated(row[0]):
        return 0
    keys = [key_of(cell) for cell in row]
    count = len({key for key in keys if key in _NAMED})
    if not count and len(set(LETTER_KEYS) & set(keys)) == len(LETTER_KEYS):
        return len(LETTER_KEYS)
    if count and len(keys) > 1 and is_nameless(keys[0]):
        return count + 1
    if not count and len(keys) > 1 and is_nameless(keys[0]) and keys[1] and not keys[1][0].isdigit():
        return 1
    if not count and len(row) > 1 and (pair := column_and_ticker(row[-1]))[1]:
        return int(key_of(pair[0]) in _NAMED)
    return count


def is_dated(cell: str) -> bool:
    """Whether a cell looks like a date, a time or a number, so that its line is no header."""
    return bool(re.match(r"^\s*[\"']?[$(+-]?\d", cell))


def column_and_ticker(name: str) -> tuple[str, str]:
    """Name and symbol out of pandas' two-level names, as `('Close', 'SPY')`; the symbol may be empty."""
    found = re.match(r"^\(\s*'([^']*)'\s*,\s*'([^']*)'\s*\)$", name.strip())
    if not found:
        return name, ""
    first, second = found.groups()
    if key_of(first) not in _NAMED and key_of(second) in _NAMED:
        first, second = second, first
    return first, second


def symbols_in(folder: Path) -> list[str]:
    """Symbols or series that have a file here; hidden files and copies are none."""
    return sorted({path.stem for path in _files(folder)})


def file_of(folder: Path, name: str) -> Path | None:
    """The file of a symbol or series; its suffix may be in capitals, and its name in another case.

    Raises:
        DataError: the name points outside the folder, or several files have it.
    """
    inside = PurePosixPath(name)
    if inside.is_absolute() or ".." in inside.parts:
        raise DataError(f"`{name}` leads out of the data folder; name a file below it.")
    place = folder / inside.parent
    if not place.is_dir():
        return None
    own = _plain(inside.name)
    named = [path for path in _files(place) if _plain(path.stem) == own]
    alike = named or [path for path in _files(place) if _plain(path.stem).casefold() == own.casefold()]
    if len(alike) > 1:
        both = " and ".join(path.name for path in alike[:3])
        raise DataError(f"{place}: {both} are both files of {inside.name}. Keep one of them.")
    return alike[0] if alike else None


def others_like(folder: Path, name: str) -> str:
    """What lies beside a file that is missing, in words: archives, old workbooks, copies of it."""
    if not folder.is_dir():
        return ""
    near = [
        path.name
        for path in sorted(folder.iterdir())
        if path.is_file() and path.name.lower().startswith(name.lower()) and path not in _files(folder)
    ]
    return f" Not read: {', '.join(near[:3])}; rename, unpack or save as .csv what is meant." if near else ""


def _files(folder: Path) -> list[Path]:
    return [
        path
        for path in sorted(folder.iterdir())
        if path.suffix.lower() in TABLE_SUFFIXES
        and not path.name.startswith((".", "~$"))
        and not _COPY.search(path.stem)
        and path.is_file()
    ]


def _plain(name: str) -> str:
    """macOS writes an umlaut as two characters; both spellings are one name."""
    return unicodedata.normalize("NFC", name)


def words_for(canonical: Iterable[str]) -> str:
    """The accepted column names, for messages."""
    looked = {"date": DATE_KEYS[:4], **PRICE_KEYS}
    return "; ".join(f"{name}: {', '.join(looked[name][:4])}" for name in canonical)
