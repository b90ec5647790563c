"""Keeps a Mac awake while a study runs. Does nothing elsewhere.

The display may go dark and a closed lid still means sleep; that is the user's to decide.
"""

from __future__ import annotations

import os
import platform
import subprocess

from lib.training.progress import say


def stay_awake(process: int | None = None) -> subprocess.Popen[bytes] | None:
    """Prevent idle sleep until a process has ended, however it ends: `caffeinate` waits for it.

    Args:
        process: its id; None is this process.

    Returns:
        The helper that was started; None outside macOS, and where it cannot be started, which is reported.
    """
    if platform.system() != "Darwin":
        return None
    try:
        return subprocess.Popen(
            ["caffeinate", "-i", "-w", str(process or os.getpid())],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C is for the workflow, which may still save for minutes
        )
    except OSError as error:
        say(f"WARNING: caffeinate cannot be started ({error}): the Mac may fall asleep during the study.")
        return None
