"""Write the table of docs/reliability.md from what the fault tests recorded.

    python tests/faults/write_table.py RECORDS PAGE

Everything between the page's two marks is replaced; the text around them is written by people. A test that
was to leave a record (RECORDS.expected) and did not stands in the table as not run, and the exit code is 1.
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

BEGIN, END = "<!-- faults: made by `make faults` -->", "<!-- faults: end -->"


def rows_of(records: list[dict[str, Any]]) -> list[tuple[str, int, str, str]]:
    """One row per fault: its name, times tried, what happened, what the user does."""
    by_fault: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for record in records:
        by_fault[record["fault"]].append(record)
    return [
        (
            fault,
            sum(r["times"] for r in tried if r["outcome"] != "skipped"),
            _happened(tried),
            tried[0]["user"],
        )
        for fault, tried in by_fault.items()
    ]


def missing(records: list[dict[str, Any]], expected: dict[str, str]) -> list[dict[str, Any]]:
    """Records in place of those that tests (name to fault) left out."""
    seen = {record["test"] for record in records}
    user = {record["fault"]: record["user"] for record in records}
    return [
        {"fault": fault, "times": 0, "user": user.get(fault, ""), "outcome": "missing", "test": test}
        for test, fault in expected.items()
        if test not in seen
    ]


def _happened(tried: list[dict[str, Any]]) -> str:
    absent = [record for record in tried if record["outcome"] == "missing"]
    if absent:
        return f"**NOT RUN** ({len(absent)} of {len(tried)}): {', '.join(r['test'] for r in absent)}"
    failed = [record for record in tried if record["outcome"] == "failed"]
    if failed:
        return f"**FAILED** ({len(failed)} of {len(tried)}): {', '.join(r['test'] for r in failed)}"
    if all(record["outcome"] == "skipped" for record in tried):
        return f"not tried here: {tried[0]['reason'].removeprefix('Skipped: ')}"
    return "; ".join(dict.fromkeys(r["happened"] for r in tried if r["outcome"] == "passed"))


def table(records: list[dict[str, Any]]) -> str:
    """The Markdown table."""
    lines = ["| fault | times | what happened | what you do |", "|---|---:|---|---|"]
    for fault, times, happened, user in sorted(rows_of(records)):
        cells = [fault, f"{times:,}", happened, user]
        lines.append("| " + " | ".join(" ".join(cell.split()).replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines)


def main() -> None:
    records_path, page = Path(sys.argv[1]), Path(sys.argv[2])
    records = [json.loads(line) for line in records_path.read_text(encoding="utf-8").splitlines()]
    expected = json.loads(records_path.with_name(f"{records_path.name}.expected").read_text(encoding="utf-8"))
    absent = missing(records, expected)
    records += absent
    before, _, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    page.write_text(f"{before}{BEGIN}\n{table(records)}\n{END}{after}", encoding="utf-8")
    print(f"{page}: {len(rows_of(records))} faults, {len(records)} tests, {len(absent)} of them not run.")
    sys.exit(1 if absent else 0)


if __name__ == "__main__":
    main()
