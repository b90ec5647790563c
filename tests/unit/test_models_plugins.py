"""Models from a user's own file: found, hashed by what they say, and refused in words."""

import pytest

from lib.errors import ModelError
from lib.models import registry

GOOD = '''
from lib.models.naive.base_rate import BaseRate
from lib.models.registry import register


@register("own:{name}")
class Own(BaseRate):
    """A base rate by another name."""
'''


@pytest.fixture(autouse=True)
def forgotten(monkeypatch):
    """What a test registers is gone after it."""
    registry.names()
    monkeypatch.setattr(registry, "_models", dict(registry._models))
    monkeypatch.setattr(registry, "_plugins", dict(registry._plugins))


def write(folder, text, name="mine"):
    path = folder / f"{name}.py"
    path.write_text(text)
    return path


def test_a_file_of_ones_own_registers_a_model_and_is_imported_once(tmp_path):
    path = write(tmp_path, GOOD.format(name="first"))
    registry.add_plugin(path)
    registry.add_plugin(path)
    assert registry.full_name("first") == "own:first"
    assert registry.plugin_hash("own:first") is not None
    assert registry.plugin_hash("naive:base_rate") is None


def test_the_hash_follows_the_code_and_not_the_comments(tmp_path):
    hashes = []
    for number, text in enumerate(
        [GOOD.format(name="second"), "# said\n" + GOOD.format(name="second"), GOOD.format(name="third")]
    ):
        folder = tmp_path / str(number)
        folder.mkdir()
        registry._models.pop("own:second", None)
        registry.add_plugin(write(folder, text))
        hashes.append(registry.plugin_hash("own:second" if number < 2 else "own:third"))
    assert hashes[0] == hashes[1] != hashes[2]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("import nothing_like_this", "cannot be imported .ModuleNotFoundError"),
        ("def (", "cannot be imported .SyntaxError"),
        ("x = 1", "registers no model"),
        (GOOD.format(name="base_rate").replace("own:", "naive:"), "already taken by .*base_rate"),
        (GOOD.format(name="Upper"), "in lower case"),
    ],
)
def test_a_file_that_does_not_keep_the_contract_is_refused_by_name(tmp_path, text, message):
    with pytest.raises(ModelError, match=message):
        registry.add_plugin(write(tmp_path, text))


def test_a_missing_file_is_named_with_the_folder_it_was_looked_for_in(tmp_path):
    with pytest.raises(ModelError, match=r"no such file .looked in"):
        registry.add_plugin(tmp_path / "nowhere.py")
