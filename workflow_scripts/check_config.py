"""`make report CONFIG=…`: refuse a file that Snakemake itself would meet with a traceback, or would run.

Snakemake reads --configfile before any code of this project, and executes expressions in a file that asks for
it (`__use_yte__`).
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from lib.config.load import read_yaml
from lib.errors import StudyError


def main() -> None:
    for path in map(Path, sys.argv[1:]):
        try:
            content = read_yaml(path)
        except StudyError as error:
            sys.exit(str(error))
        if "__use_yte__" in content:
            sys.exit(f"{path}: `__use_yte__` lets a file run code; write the values out instead.")


if __name__ == "__main__":
    main()
