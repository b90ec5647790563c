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
        registry.add_plugin(write(folder, text))
        hashes.append(registry.plugin_hash("own:second" if number < 2 else "own:third"))
    assert hashes[0] == hashes[1] != hashes[2]


def test_a_changed_file_and_one_that_failed_before_are_imported_anew(tmp_path):
    path = write(tmp_path, GOOD.format(name="fourth"))
    registry.add_plugin(path)
    first = registry.get("own:fourth")
    path.write_text(GOOD.format(name="fourth") + "    extra = 1\n")
    registry.add_plugin(path)
    assert registry.get("own:fourth").extra == 1
    path.write_text(GOOD.format(name="fourth") + "\nraise RuntimeError('half way')\n")
    for _ in range(2):
        with pytest.raises(ModelError, match="half way"):
            registry.add_plugin(path)
        assert "own:fourth" not in registry.names(), "half a plugin is none"
    path.write_text(GOOD.format(name="fourth"))
    registry.add_plugin(path)
    assert registry.get("own:fourth") is not first


def test_a_copy_of_a_plugin_is_the_same_plugin_and_another_file_takes_no_name_twice(tmp_path):
    registry.add_plugin(write(tmp_path, GOOD.format(name="fifth")))
    own = registry.get("own:fifth")
    registry.add_plugin(write(tmp_path, "# a copy\n" + GOOD.format(name="fifth"), "copy"))
    assert registry.get("own:fifth") is own
    with pytest.raises(ModelError, match="already taken"):
        registry.add_plugin(write(tmp_path, GOOD.format(name="fifth") + "    x = 1\n", "other"))


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
