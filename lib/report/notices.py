"""Groups warnings: one line where many curves have the same problems.

Only rearranges text; no warning is dropped, and ungrouped warnings stay unchanged.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from lib.report.wording import listed

_PLACED = re.compile(r"(?P<where>\S+/\S+): (?P<said>.+)", re.S)
_LAST = re.compile(r"(?P<start>.*?) (?P<last>\S+?)\.", re.S)


def grouped(warnings: Iterable[str]) -> list[str]:
    """`Only one seed at 2M and 20M; no null control is declared. In 2 places: a; b.` for six lines."""
    places: dict[str, list[str]] = {}
    """What is said to where it is said of; the text itself where it names no place."""
    for text in dict.fromkeys(warnings):
        found = _PLACED.fullmatch(text)
        where, said = (found["where"], found["said"]) if found else ("", text)
        places.setdefault(said, []).append(where)
    lines: dict[tuple[str, ...], list[str]] = {}
    for said, where in places.items():
        lines.setdefault(tuple(where), []).append(said)
    return [line for where, own in lines.items() for line in _lines(_joined(own), where)]


def _joined(said: list[str]) -> list[str]:
    """Sentences that differ in their last word alone become one."""
    ends: dict[str, list[str]] = {}
    for text in said:
        found = _LAST.fullmatch(text)
        start, last = (found["start"], found["last"]) if found else (text, "")
        ends.setdefault(start, []).append(last)
    return [f"{start} {listed(last)}." if last != [""] else start for start, last in ends.items()]


def _lines(said: list[str], where: tuple[str, ...]) -> list[str]:
    if where == ("",):
        return said
    text = "; ".join(one.rstrip(".") for one in said)
    if len(where) == 1:
        return [f"{where[0]}: {text}."]
    return [f"{text[:1].upper()}{text[1:]}. In {len(where)} places: {'; '.join(where)}."]
