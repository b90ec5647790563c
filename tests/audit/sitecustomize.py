"""Records the files that a job of Snakemake opens, beside those its rule declares (tests/declared_files.py).

Python imports this module first where PYTHONPATH names its folder; every other process it leaves alone.
"""

import os
import sys
from pathlib import Path

FOLDER = "OPENED_FILES"
"""Environment variable: where each job leaves its record."""


def watch(target: Path) -> None:
    import atexit
    import contextlib
    import json
    import uuid

    opened: dict[str, set[str]] = {"read": set(), "written": set()}
    start = Path.cwd()

    def note(kind: str, path: object) -> None:
        if isinstance(path, str | bytes | os.PathLike):
            opened[kind].add(os.path.relpath(start / os.fsdecode(path), start))

    def hook(event: str, arguments: tuple) -> None:
        if event == "open":
            path, _, flags = arguments
            note("written" if flags & (os.O_WRONLY | os.O_RDWR) else "read", path)
        elif event == "os.rename":  # os.replace, too: how whole files come to be
            note("written", arguments[1])

    def leave() -> None:
        job = getattr(sys.modules["__main__"], "snakemake", None)
        if job is None:
            return
        content = {
            "rule": job.rule,
            "declared": {
                "read": [*map(str, job.input)],
                "written": [*map(str, job.output), *map(str, job.log)],
            },
            "opened": {kind: sorted(paths) for kind, paths in opened.items()},
        }
        with contextlib.suppress(OSError):  # tests fill disks, too
            target.mkdir(parents=True, exist_ok=True)
            (target / f"{uuid.uuid4().hex}.json").write_text(json.dumps(content), encoding="utf-8")

    atexit.register(leave)
    sys.addaudithook(hook)


if FOLDER in os.environ and any("/.snakemake/scripts/" in word for word in sys.orig_argv):
    watch(Path(os.environ[FOLDER]))
