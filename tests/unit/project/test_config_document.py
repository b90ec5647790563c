"""config/README.md is made from the configuration models."""

from pathlib import Path

from lib.config.document import config_markdown


def test_the_page_is_current():
    page = Path(__file__).parents[3] / "config" / "README.md"
    assert page.read_text(encoding="utf-8") == config_markdown(), "run `make docs`"
