"""Does the shipped study say what is so? `make known-worlds`.

config/study.yaml as it is, on synthetic markets and with models whose loss obeys a known law (see
tests/known_worlds). Results go to results/benchmarks/known_worlds.json: for each world and question the
planted verdict and the one that was found, the controls that failed, and how often the first question is
answered rightly in ten markets.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lib.data.io import write_json_atomic
from tests.known_worlds.direct import known_plan, summary_of
from tests.known_worlds.study import KnownStudy
from tests.known_worlds.worlds import CONTROLS, SIZES, STUDY, World

ROOT = Path(__file__).resolve().parents[2]

FIRST = "p1_parameters"
SEEDS = range(1, 11)
Row = dict[str, Any]


def rows_of(world: str, summary: Row, **more: Any) -> Iterator[Row]:
    """What was said about each question, interaction and control."""
    failed = sorted({entry["role"] for entry in summary["controls"] if not entry["passed"]})
    for found in summary["questions"]:
        words = {"question": found["experiment"], "axis": found["axis"]}
        yield {"world": world, **words, **_said(found), "failed_controls": failed, **more}
    for found in summary["interactions"]:
        words = {"question": found["experiment"], "axis": " x ".join(found["axes"])}
        yield {"world": world, **words, **_said(found), "failed_controls": failed, **more}


def _said(found: Row) -> Row:
    return {name: found[name] for name in ("verdict", "gate", "reason")}


def judged(world: World, phase: str | None, seed: int = 7) -> Row:
    """Scaling.json of a world without jobs."""
    with tempfile.TemporaryDirectory() as folder:
        return summary_of(known_plan(Path(folder), world.law, seed=seed, **world.models), phase)


def sizes() -> Iterator[Row]:
    """Phase 1 in every world, and with every fault of the machinery."""
    for name, world in {**SIZES, **CONTROLS}.items():
        for row in rows_of(name, judged(world, "phase1")):
            right = row["verdict"] == world.verdict and row["failed_controls"] == list(world.failed)
            yield row | {"planted": world.verdict, "planted_gate": world.gate, "right": right}


def seeds(names: list[str]) -> Iterator[Row]:
    """The first question in ten markets."""
    for name in names:
        for seed in SEEDS:
            for row in rows_of(name, judged(SIZES[name], "phase1", seed), seed=seed):
                if row["question"] == FIRST:
                    yield row | {
                        "planted": SIZES[name].verdict,
                        "right": row["verdict"] == SIZES[name].verdict,
                    }


def studies() -> Iterator[Row]:
    """All phases."""
    for name, (law, expected) in STUDY.items():
        for row in rows_of(name, judged(World(law, "scales", "gain"), None)):
            planted = expected(row["question"], row["axis"])
            yield row | {"planted": planted, "right": None if planted is None else row["verdict"] == planted}


def whole_way() -> Iterator[Row]:
    """The first law through Snakemake: data of all rows and columns, every run, every rule, the reports."""
    with tempfile.TemporaryDirectory() as folder:
        study = KnownStudy(Path(folder), next(iter(STUDY.values()))[0])
        study.make_data()
        study.train()
        yield from rows_of(next(iter(STUDY)), study.summary(), whole_way=True)


PARTS = {
    "sizes": sizes,
    "seeds": lambda: seeds(["larger is better", "size does not matter"]),
    "studies": studies,
    "whole_way": whole_way,
}


def main() -> None:
    """Write the results, and print every row."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", default=list(PARTS), help=f"of {', '.join(PARTS)}; default: all")
    parser.add_argument("--to", type=Path, default=ROOT / "results/benchmarks/known_worlds.json")
    given = parser.parse_args()
    results: Row = {}
    for part in given.parts:
        begin, results[part] = time.monotonic(), {"rows": []}
        for row in PARTS[part]():
            results[part]["rows"].append(row)
            told = [
                str(row.get(name, "")) for name in ("seed", "world", "question", "axis", "planted", "verdict")
            ]
            print(part, *told, row["gate"], *row["failed_controls"], sep=" | ", flush=True)
        right = [row["right"] for row in results[part]["rows"] if row.get("right") is not None]
        results[part] |= {"right": sum(right), "of": len(right), "seconds": round(time.monotonic() - begin)}
        write_json_atomic(given.to, results)


if __name__ == "__main__":
    main()
