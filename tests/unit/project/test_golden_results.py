"""No stage computes anything else than before without a raised version; a refactoring needs nothing."""

import pytest

from lib.config.versions import STAGES, stage_versions
from tests.golden.record import differences, read_record
from tests.golden.stages import results_of


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_computes_what_it_did_at_this_version(stage):
    known = read_record()[stage]
    assert known["version"] == stage_versions()[stage], (
        "run `make golden`: it records results at the new version"
    )
    found = differences(known["results"], results_of(stage))
    assert not found, (
        f"Results of stage '{stage}' differ in {len(found)} places ({found[0]}). If that is meant, run "
        "`make golden`: it raises the version, so that what was made before is made again."
    )


def test_a_difference_is_seen_and_the_noise_of_processors_is_not():
    known = {"loss": 0.6931, "verdict": "flat", "gone": 1.0}
    assert not differences(known, known | {"loss": 0.6931 * (1 + 1e-5)})
    assert differences(known, known | {"loss": 0.6951}) == ["loss: 0.6931 was, 0.6951 is"]
    assert differences(known, known | {"verdict": "scales"}) == ["verdict: flat was, scales is"]
    assert differences(known, {"loss": 0.6931, "verdict": "flat", "new": 2.0}) == [
        "new is new",
        "gone is gone",
    ]
