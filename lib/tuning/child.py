"""The other end of `lib.tuning.probe`: starts the probing process and talks to it through a pipe."""

from __future__ import annotations

import os
import subprocess
import sys
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from lib.errors import ModelError
from lib.tuning.probe import Candidate, Setup

_ANSWER_SECONDS = 900.0
_CHILD = "import sys; from lib.tuning.probe import serve; serve(int(sys.argv[1]))"


class Child:
    """The probing process; started on the first request, and again after it has died.

    Attributes:
        setup: what it probes.
        facts: about the network on this machine: device, precision, param_count, memory in bytes.
    """

    def __init__(self, setup: Setup) -> None:
        self.setup = setup
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: Connection | None = None
        self.facts: dict[str, Any] = {}

    def ask(self, candidate: Candidate) -> dict[str, Any]:
        """The measurement, or a `status` that says why there is none."""
        self.start()
        return self._exchange(candidate)

    def start(self) -> None:
        """Build the network in a new process, unless one is there.

        Raises:
            ModelError: it cannot be built, or not within the memory.
        """
        if self._process is not None:
            return
        ours, theirs = Pipe()
        # Not multiprocessing's spawn: that would run the main script again, and a workflow script has no
        # `if __name__ == "__main__"`.
        root = str(Path(__file__).resolve().parents[2])
        search_path = [root, *(entry for entry in sys.path if entry)]
        self._process = subprocess.Popen(
            [sys.executable, "-c", _CHILD, str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            env=os.environ | {"PYTHONPATH": os.pathsep.join(search_path)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
        theirs.close()
        self._connection = ours
        answer = self._exchange(self.setup)
        if answer["status"] != "ok":
            self.close()
            if answer["status"] == "error":
                raise ModelError(f"batch size: the network cannot be built: {answer['reason']}")
            raise ModelError(
                f"batch size: the network with its optimiser state does not fit into memory "
                f"({answer['status']}; about 16 bytes per parameter are needed). Choose a smaller budget or "
                "close other programs."
            )
        self.facts = answer

    def _exchange(self, request: Setup | Candidate) -> dict[str, Any]:
        assert self._connection is not None
        try:
            self._connection.send(request)
            if self._connection.poll(_ANSWER_SECONDS):
                answer: dict[str, Any] = self._connection.recv()
                return answer
            status = "timed out"
        except (EOFError, ConnectionError):
            status = "killed"
        self.close()
        return {"status": status}

    def close(self) -> None:
        """End the process; the next `start` or `ask` begins another."""
        if self._connection is not None:
            self._connection.close()
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self._process, self._connection = None, None
