"""Results-versions: a changed stage is noticed, a changed comment is not."""

import ast

import pytest

from lib.config.versions import STAGES, _without_docstrings, fingerprint, read_versions


@pytest.mark.parametrize("stage", STAGES)
def test_a_changed_stage_is_confirmed_or_has_a_new_version(stage):
    assert read_versions().get(stage, {}).get("fingerprint") == fingerprint(stage), (
        f"The code of stage '{stage}' changed. If its results change, raise its version in "
        "lib/versions.yaml; then run `make confirm-versions`."
    )


def test_comments_and_docstrings_do_not_count():
    one = ast.dump(_without_docstrings(ast.parse('def f(x):\n    """Doc."""\n    return x + 1  # why\n')))
    two = ast.dump(_without_docstrings(ast.parse("def f(x):\n    return x + 1\n")))
    other = ast.dump(_without_docstrings(ast.parse("def f(x):\n    return x + 2\n")))
    assert one == two != other
