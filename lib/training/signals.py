"""SIGINT, SIGTERM and SIGHUP as a request to stop, which training follows at the next safe moment.

A handler only records the request; the training loop saves. Outside the main thread Python does not allow
handlers, and there nothing is installed.
"""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import Any, Self

SIGNALS = (signal.SIGINT, signal.SIGTERM, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else []))
"""SIGHUP: the terminal was closed."""


class StopSignals:
    """While the context lasts, a stop signal sets `name`; afterwards the former handlers are back.

    A second signal changes nothing: a workflow manager often passes on a Ctrl-C that the process got as
    well, and the state must be saved all the same.
    """

    def __init__(self) -> None:
        self.name: str | None = None
        self._former: dict[signal.Signals, Any] = {}

    def requested(self) -> bool:
        """Whether a stop signal has come."""
        return self.name is not None

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in SIGNALS:
                if signal.getsignal(number) is not signal.SIG_IGN:  # nohup: meant to be survived
                    self._former[number] = signal.signal(number, self._note)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._former.items():
            signal.signal(number, handler)
        self._former.clear()

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.name = self.name or signal.Signals(number).name
