"""Record that changed stages give the same results (`make confirm-versions`); else raise a version first."""

import sys
from pathlib import Path

import yaml

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from lib.config.versions import STAGES, VERSIONS_FILE, fingerprint, read_versions
from workflow_scripts.command import Parser, command


def main() -> None:
    with command(Parser(__doc__, study=False).parse_args()):
        versions = read_versions()
        for stage in STAGES:
            versions.setdefault(stage, {"fingerprint": "", "version": 1})
            if versions[stage]["fingerprint"] != fingerprint(stage):
                print(f"{stage}: confirmed at version {versions[stage]['version']}")
                versions[stage]["fingerprint"] = fingerprint(stage)
        versions = {stage: versions[stage] for stage in sorted(STAGES)}
        VERSIONS_FILE.write_text(yaml.safe_dump(versions, default_flow_style=None), encoding="utf-8")


if __name__ == "__main__":
    main()
