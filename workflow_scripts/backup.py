"""`make backup DEST=…`: copy data, results and tracking to another place and verify every copy."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from lib.data.backup import backup
from lib.errors import StudyError


def main() -> None:
    if len(sys.argv) != 2 or not sys.argv[1]:
        sys.exit("Say where to: make backup DEST=/path/to/folder")
    try:
        done = backup(Path.cwd(), Path(sys.argv[1]).expanduser())
    except StudyError as error:
        sys.exit(str(error))
    print(
        f"{done.copied} files copied ({done.bytes / 1e6:,.1f} MB), {done.unchanged} were there already; "
        f"all {done.copied + done.unchanged} verified in {done.folder}."
    )
    if done.changing:
        names = ", ".join(path.as_posix() for path in done.changing[:4])
        print(
            f"{len(done.changing)} changed while they were copied ({names} …): run it again when no job runs."
        )


if __name__ == "__main__":
    main()
