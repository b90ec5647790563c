"""README.md leads nowhere that is not there."""

import re

import pytest

from tests.conftest import ROOT

PAGE = (ROOT / "README.md").read_text(encoding="utf-8")
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))


@pytest.mark.parametrize("link", sorted(set(re.findall(r"\]\(([^)#]+)\)", PAGE))))
def test_every_link_within_the_project_leads_somewhere(link):
    assert link.startswith("https://") or (ROOT / link).exists()


@pytest.mark.parametrize("target", sorted(set(re.findall(r"(?:^|`|FOLDER )make ([a-z-]+)", PAGE, re.M))))
def test_every_target_exists(target):
    assert target in TARGETS


@pytest.mark.parametrize("path", sorted(set(re.findall(r"\b((?:config|lib|docs)/[\w./-]+\w)", PAGE))))
def test_every_file_exists(path):
    assert (ROOT / path).exists()


def test_every_page_of_documentation_is_listed():
    assert {page.name for page in (ROOT / "docs").glob("*.md")} <= set(re.findall(r"docs/([\w-]+\.md)", PAGE))
