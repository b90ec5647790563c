"""`make golden`: record what the stages compute now, and raise the version of those whose results differ.

After a change of the tiny inputs themselves, `python -m tests.golden --same-versions`.
"""

import sys
import time

import yaml

from lib.config.versions import STAGES, VERSIONS_FILE, stage_versions
from tests.golden.record import differences, read_record, write_record
from tests.golden.stages import results_of

versions, record = stage_versions(), read_record()
for stage in STAGES:
    began = time.process_time()
    known, now = record.get(stage), results_of(stage)
    print(f"{stage}: {len(now)} results in {time.process_time() - began:.1f} s")
    if known is not None and (found := differences(known["results"], now)):
        if versions.setdefault(stage, 1) == known["version"] and "--same-versions" not in sys.argv[1:]:
            versions[stage] += 1
        print(f"{stage}: version {versions[stage]}: {found[0]}", file=sys.stderr)
    record[stage] = {"version": versions.setdefault(stage, 1), "results": dict(now)}
write_record(record)
VERSIONS_FILE.write_text(yaml.safe_dump(dict(sorted(versions.items()))), encoding="utf-8")
