"""Recognises files that are no tables, and quotes their beginning in the error."""

from __future__ import annotations

import re
from pathlib import Path

from lib.errors import DataError

_MAGIC: tuple[tuple[bytes, str, str], ...] = (
    (b"\x1f\x8b", "a gzip archive", "unpack it (gunzip) first"),
    (b"BZh", "a bzip2 archive", "unpack it first"),
    (b"\xfd7zXZ", "an xz archive", "unpack it first"),
    (b"\x28\xb5\x2f\xfd", "a Zstandard archive", "unpack it first"),
    (b"7z\xbc\xaf", "a 7-Zip archive", "unpack it first"),
    (b"Rar!", "a RAR archive", "unpack it first"),
    (b"PK\x03\x04", "a ZIP archive or a workbook", "unpack it, or give it its suffix .xlsx"),
    (b"PAR1", "a Parquet file", "give it the suffix .parquet"),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook (.xls)", "save it as .xlsx or .csv"),
    (b"%PDF", "a PDF document", "export a CSV file instead"),
    (b"SQLite format 3", "an SQLite database", "export the table as CSV"),
    (b"\x00\x05\x16\x07", "macOS's notes about another file (AppleDouble)", "delete it"),
    (b"\x89PNG", "a picture", "export a CSV file instead"),
)
_TEXT: tuple[tuple[str, str, str], ...] = (
    (
        r"version https://git-lfs",
        "a Git LFS pointer, not the file it stands for",
        "fetch the content with `git lfs pull`",
    ),
    (
        r"(\.\./)*(\.git/annex/|/?annex/objects/)",
        "a git-annex pointer, not the file it stands for",
        "fetch the content with `git annex get`",
    ),
    (r"<\?xml", "an XML document", "export a CSV file instead"),
    (
        r"(<!doctype\s+html|<html|<head|<body|<!--|<script|<table|<div|<p>)",
        "a web page (HTML), often one that asks to log in",
        "download the table itself",
    ),
    (r"[{\[]\s*([\"{\[\]}]|-?\d)", "JSON", "save the table as CSV"),
)
_OWN_SUFFIX = {".xlsx": (b"PK\x03\x04",), ".parquet": (b"PAR1",)}


def refuse_foreign(path: Path, head: bytes) -> None:
    """Refuse what cannot be a table of this kind.

    Args:
        path: its suffix says what it should be.
        head: its first bytes.

    Raises:
        DataError: it is an archive, a web page, JSON, a pointer, ...; with its first words.
    """
    expected = _OWN_SUFFIX.get(path.suffix.lower(), ())
    for magic, what, remedy in _MAGIC:
        if head.startswith(magic) and magic not in expected:
            raise DataError(f"{path}: this is {what}; {remedy}.")
    if b"\x00" in head[:200]:  # a binary file, or UTF-16
        return
    text = head.decode("utf-8", errors="replace").lstrip("\ufeff \t\r\n")
    for pattern, what, remedy in _TEXT:
        if re.match(pattern, text, re.IGNORECASE):
            raise DataError(f"{path}: this is {what}: `{first_words(text)}`; {remedy}.")


def first_words(text: str, length: int = 60) -> str:
    """The beginning of a text on one line; control characters become dots."""
    plain = " ".join(text.split())
    plain = "".join(c if c.isprintable() else "·" for c in plain)
    return plain if len(plain) <= length else plain[: length - 1].rstrip() + "…"
