"""MLflow's and Optuna's dashboards of a study, served on this machine only.

Whoever may start programs here can see them; nobody on the network can. Optuna's are served by threads of
this process, one for each search; MLflow's is a process of its own.
"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen
from wsgiref.simple_server import WSGIRequestHandler, make_server

import psutil

from lib.errors import StudyError

HERE = "127.0.0.1"
MLFLOW_PORT, OPTUNA_PORT = 5050, 8080
"""The first that are tried. Not MLflow's 5000, where a Mac listens for AirPlay."""
START_SECONDS = 300
END_SECONDS = 10


def free_ports(first: int) -> Iterator[int]:
    """Ports from `first` on at which nobody listens."""
    for port in range(first, 65536):
        with socket.socket() as tried:
            if tried.connect_ex((HERE, port)) == 0:
                continue
        with socket.socket() as tried, contextlib.suppress(OSError):
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            tried.bind((HERE, port))
            yield port


def start_mlflow(store: Path, port: int) -> subprocess.Popen[bytes]:
    """Start MLflow's server on a store, in a process group of its own, and wait until it answers.

    Raises:
        StudyError: it ends, or does not answer in five minutes.
    """
    options = ("--host", HERE, "--port", str(port), "--workers", "1")
    server = subprocess.Popen(
        [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", f"sqlite:///{store}", *options],
        env=os.environ | {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    output = bytearray()
    threading.Thread(target=_drain, args=(server, output), daemon=True).start()
    limit = time.monotonic() + START_SECONDS
    try:
        while server.poll() is None and time.monotonic() < limit:
            with contextlib.suppress(OSError), urlopen(f"http://{HERE}:{port}/health", timeout=5):
                return server
            time.sleep(0.2)
        raise StudyError(
            f"{store}: MLflow's server did not start.\n{output.decode(errors='replace').strip()}"
        )
    except BaseException:  # Ctrl-C, too
        end(server)
        raise


def _drain(server: subprocess.Popen[bytes], output: bytearray) -> None:
    """Read what a server says, so that it never waits for a reader; the last 4 kB are kept."""
    for line in server.stderr or ():
        output += line
        del output[:-4000]


def end(server: subprocess.Popen[bytes]) -> None:
    """End a server and all that it started; by force what is there after ten seconds."""
    with contextlib.suppress(psutil.NoSuchProcess):
        whole = psutil.Process(server.pid)
        processes = [*whole.children(recursive=True), whole]
        for process in processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.terminate()
        for process in psutil.wait_procs(processes, timeout=END_SECONDS)[1]:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
    server.wait()


class _Quiet(WSGIRequestHandler):
    """Prints no line for each request."""

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


def serve_search(path: Path, port: int) -> None:
    """Serve a search's trials in a thread that ends with this process."""
    from optuna_dashboard import wsgi

    server = make_server(HERE, port, wsgi(f"sqlite:///{path}"), handler_class=_Quiet)
    threading.Thread(target=server.serve_forever, daemon=True).start()
