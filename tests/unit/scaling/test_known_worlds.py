"""config/study.yaml itself, in worlds whose answers are known: each verdict comes out where it was planted.

The networks are the oracle, whose law each world sets, and prices are synthetic; all else is what ships:
phases, folds, seeds, controls, margins. A fault that keeps the study from an answer, or lets it give a wrong
one, is seen here, not after months of computing.
"""

import pytest

from tests.known_worlds.direct import known_plan, summary_of
from tests.known_worlds.worlds import CONTROLS, SIZES, STUDY

ROLES = {"null_control", "leak_control", "positive_control", "law_control"}
SIZE_QUESTIONS = ("p1_parameters", "p1_parameters_touch")
QUICK = {"larger is better", *CONTROLS}
"""One world, and the same with a fault that a control must see; the others take a minute each."""


def worlds():
    for name, world in {**SIZES, **CONTROLS}.items():
        yield pytest.param(world, id=name, marks=() if name in QUICK else pytest.mark.slow)


@pytest.mark.parametrize("world", worlds())
def test_the_question_of_size_is_answered_as_it_was_planted(world, tmp_path):
    summary = summary_of(known_plan(tmp_path, world.law, **world.models), "phase1")
    failed = {entry["role"] for entry in summary["controls"] if not entry["passed"]}
    assert {entry["role"] for entry in summary["controls"]} == ROLES
    assert failed == set(world.failed)
    found = {one["experiment"]: one for one in summary["questions"]}
    assert set(found) == set(SIZE_QUESTIONS)
    for name, question in found.items():
        assert question["verdict"] == world.verdict, (name, question["reason"])
        assert question["gate"] == world.gate, (name, question["reason"])
        assert [curve["folds"] for curve in question["curves"]] == [list(range(1, 10))]
        assert all(point["seeds"] == 5 for point in question["curves"][0]["points"])


@pytest.mark.slow
@pytest.mark.parametrize("name", STUDY)
def test_every_question_of_the_study_is_answered_as_it_was_planted(name, tmp_path):
    law, expected = STUDY[name]
    summary = summary_of(known_plan(tmp_path, law))
    assert all(entry["passed"] for entry in summary["controls"])
    found = [(one["experiment"], one["axis"], one) for one in summary["questions"]]
    found += [(one["experiment"], " x ".join(one["axes"]), one) for one in summary["interactions"]]
    wrong = [
        (question, axis, one["verdict"], one["reason"])
        for question, axis, one in found
        if (planted := expected(question, axis)) is not None and one["verdict"] != planted
    ]
    assert not wrong
    assert len(found) > 20
