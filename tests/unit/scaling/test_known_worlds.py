"""What ships, in worlds whose answers are known: each verdict comes out where it was planted.

The networks are the oracle, whose law each world sets, and prices are synthetic; all else is what ships:
phases, folds, seeds, controls, margins. A fault that keeps the study from an answer, or lets it give a wrong
one, is seen here, not after months of computing.
"""

import pytest

from tests.known_worlds.direct import known_plan, summary_of
from tests.known_worlds.worlds import CONTROLS, SIZES, STUDY

ROLES = {"null_control", "leak_control", "positive_control", "law_control"}
SIZE_QUESTIONS = {
    "study": ({"p1_parameters", "p1_parameters_touch"}, list(range(1, 10)), 5),
    "finding": ({"p1_parameters_touch"}, [1, 2, 3, 4], 3),
}
"""For each configuration the questions of its first phase, with their folds and seeds."""


def worlds():
    for study in SIZE_QUESTIONS:
        for name, world in {**SIZES, **CONTROLS}.items():
            quick = study == "finding" or name == "larger is better"  # the others take a minute each
            yield pytest.param(study, world, id=f"{study}: {name}", marks=() if quick else pytest.mark.slow)


@pytest.mark.parametrize(("study", "world"), worlds())
def test_the_question_of_size_is_answered_as_it_was_planted(study, world, tmp_path):
    questions, folds, seeds = SIZE_QUESTIONS[study]
    summary = summary_of(known_plan(tmp_path, world.law, study, **world.models), "phase1")
    failed = {entry["role"] for entry in summary["controls"] if not entry["passed"]}
    assert {entry["role"] for entry in summary["controls"]} == ROLES
    assert failed == set(world.failed)
    found = {one["experiment"]: one for one in summary["questions"]}
    assert set(found) == questions
    for name, question in found.items():
        assert question["verdict"] == world.verdict, (name, question["reason"])
        assert question["gate"] == world.gate, (name, question["reason"])
        assert [curve["folds"] for curve in question["curves"]] == [folds]
        assert all(point["seeds"] == seeds for point in question["curves"][0]["points"])


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
