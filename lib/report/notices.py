"""Groups warnings: one line where many curves have the same problems.

Only rearranges text; no warning is dropped, and ungrouped warnings stay unchanged.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from lib.report.wording import listed

_PLACED = re.compile(r"(?P<where>\S+/\S+): (?P<message>.+)", re.S)
_LAST = re.compile(r"(?P<start>.*?) (?P<last>\S+?)\.", re.S)


def grouped(warnings: Iterable[str]) -> list[str]:
    """`Only one seed at 2M and 20M; no null control is declared. In 2 places: a; b.` for six lines."""
    places: dict[str, list[str]] = {}
    """Messages, each with the places that it names; a text that names none is its own message."""
    for text in dict.fromkeys(warnings):
        found = _PLACED.fullmatch(text)
        where, message = (found["where"], found["message"]) if found else ("", text)
        places.setdefault(message, []).append(where)
    lines: dict[tuple[str, ...], list[str]] = {}
    for message, where in places.items():
        lines.setdefault(tuple(where), []).append(message)
    return [line for where, own in lines.items() for line in _lines(_joined(own), where)]


def _joined(messages: list[str]) -> list[str]:
    """Sentences that differ in their last word alone become one."""
    ends: dict[str, list[str]] = {}
    for text in messages:
        found = _LAST.fullmatch(text)
        start, last = (found["start"], found["last"]) if found else (text, "")
        ends.setdefault(start, []).append(last)
    return [f"{start} {listed(last)}." if last != [""] else start for start, last in ends.items()]


def _lines(messages: list[str], where: tuple[str, ...]) -> list[str]:
    if where == ("",):
        return messages
    text = "; ".join(one.rstrip(".") for one in messages)
    if len(where) == 1:
        return [f"{where[0]}: {text}."]
    return [f"{text[:1].upper()}{text[1:]}. In {len(where)} places: {'; '.join(where)}."]
