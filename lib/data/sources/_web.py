"""Queries a server: attempts with growing pauses, a total deadline, and a clear error at the end.

A server that says when to come back (Retry-After) is obeyed. Nothing is cached, and no error names a secret.
"""

from __future__ import annotations

import email.utils
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime

import tenacity

from lib.config.confidential import shown_address
from lib.config.data import DownloadConfig
from lib.errors import DataError


class Retriable(Exception):
    """Something that may work a moment later.

    Args:
        reason: for the message at the end.
        after: least seconds to wait, if the server gave any.
    """

    def __init__(self, reason: str, after: float | None = None) -> None:
        super().__init__(reason)
        self.after = after


USUAL = DownloadConfig()


def retry_after(header: str | None) -> float | None:
    """Seconds of a Retry-After header (a number or an HTTP date), None if there is none."""
    if not header:
        return None
    if header.strip().isdigit():
        return float(header)
    try:
        moment = email.utils.parsedate_to_datetime(header)
    except ValueError:
        return None
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())


def patiently[T](what: str, action: Callable[[], T], patience: DownloadConfig) -> T:
    """The result of an action that raises `Retriable` while the server is busy.

    Raises:
        DataError: it failed within the attempts and the deadline; names their number and the last reason.
    """
    begin = time.monotonic()

    def pause(state: tenacity.RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        growing = patience.first_pause_seconds * 2 ** (state.attempt_number - 1)
        return max(growing, getattr(error, "after", None) or 0.0)

    def say(state: tenacity.RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        wait = state.next_action.sleep if state.next_action else 0.0
        sys.stderr.write(f"{what}: {error}; trying again in {wait:.0f} s\n")
        sys.stderr.flush()

    def enough(state: tenacity.RetryCallState) -> bool:
        late = time.monotonic() - begin + pause(state) > patience.deadline_seconds
        return late or state.attempt_number >= patience.attempts

    retrying = tenacity.Retrying(
        retry=tenacity.retry_if_exception_type(Retriable),
        stop=enough,
        wait=pause,
        before_sleep=say,
        reraise=False,
    )
    try:
        return retrying(action)
    except tenacity.RetryError as error:
        tried = error.last_attempt.attempt_number
        reason = error.last_attempt.exception()
        seconds = time.monotonic() - begin
        times = "once" if tried == 1 else f"{tried} times"
        raise DataError(
            f"{what}: {reason}. Tried {times} in {seconds:.0f} s; nothing was written. "
            "Run the same command again later: what is there already is not fetched again."
        ) from None


def download(url: str, what: str, patience: DownloadConfig) -> bytes:
    """The body of a page.

    Raises:
        DataError: it cannot be had, or the address is wrong.
    """
    import requests

    def attempt() -> bytes:
        try:
            answer = requests.get(
                url, timeout=patience.timeout_seconds, headers={"User-Agent": "Mozilla/5.0"}
            )
        except requests.RequestException as error:
            raise Retriable(f"no answer ({type(error).__name__})") from None
        if answer.status_code == 429 or answer.status_code >= 500:
            wait = retry_after(answer.headers.get("Retry-After"))
            raise Retriable(f"the server answered {answer.status_code}", wait)
        if answer.status_code != 200:
            raise DataError(f"{what}: the server answered {answer.status_code} for {shown_address(url)}.")
        expected = answer.headers.get("Content-Length")
        if expected and answer.raw.tell() < int(expected):
            raise Retriable("the answer broke off")
        return answer.content

    return patiently(what, attempt, patience)
