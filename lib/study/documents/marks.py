"""Parts of a hand-written page that the code writes: the text between two marks."""

from __future__ import annotations

import re


def rewritten(text: str, begin: str, end: str, content: str) -> str:
    """A page with the text between two marks replaced.

    Raises:
        ValueError: the page has no such marks.
    """
    pattern = re.compile(re.escape(begin) + ".*" + re.escape(end), re.DOTALL)
    if not pattern.search(text):
        raise ValueError(f"the page has no place for what the code writes: {begin} … {end}")
    return pattern.sub(lambda _: f"{begin}\n\n{content}\n\n{end}", text)
