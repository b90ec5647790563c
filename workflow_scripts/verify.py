"""Re-hash a study's data, models and checkpoints against their records (`make verify`)."""

import sys
from pathlib import Path

from lib.config.places import STUDIES, whole_study
from lib.data.manifest import verify
from lib.jobs.command import Parser, command


def main() -> None:
    with command(Parser(__doc__).parse_args()):
        checked, mismatches = 0, []
        for folder in whole_study(Path.cwd()):
            number, found = verify(folder, beside=(STUDIES,))
            checked, mismatches = checked + number, mismatches + found
        for mismatch in mismatches:
            print(f"{mismatch.path}: {mismatch.problem}")
        print(f"{Path.cwd()}: {checked} files checked, {len(mismatches)} differ from their records.")
        sys.exit(1 if mismatches else 0)


if __name__ == "__main__":
    main()
