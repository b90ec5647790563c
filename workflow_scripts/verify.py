"""`make verify`: re-hash data, models and checkpoints against their records; exit 1 on any mismatch."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from lib.data.manifest import verify

if __name__ == "__main__":
    checked, mismatches = verify(Path.cwd())
    for mismatch in mismatches:
        print(f"{mismatch.path}: {mismatch.problem}")
    print(f"{checked} files checked, {len(mismatches)} differ from their records.")
    sys.exit(1 if mismatches else 0)
