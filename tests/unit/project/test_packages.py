"""The locked packages, as make and as Snakemake's conda environments take them."""

import re
import shutil

import yaml
from packaging.requirements import Requirement

from tests.conftest import ROOT

LOCK = (ROOT / "envs" / "requirements.lock").read_text(encoding="utf-8")


def test_the_conda_environment_holds_the_packages_of_the_lock_wherever_it_is_copied(tmp_path):
    """Snakemake copies the file to a folder of its own: what it points to is not there."""
    content = yaml.safe_load(shutil.copy(ROOT / "envs" / "workflow.yaml", tmp_path / "copy.yaml").read_text())
    [python, pip, packages] = content["dependencies"]
    assert (python, pip) == ("python=3.12", "pip")
    lines = [Requirement(line) for line in packages["pip"]]  # refuses -r, -e and paths
    assert {str(line) for line in lines} == {
        str(Requirement(line)) for line in re.findall(r"^([^\s#].*?) \\$", LOCK, re.MULTILINE)
    }
    assert len(lines) > 200
    assert all(re.fullmatch(r"==[^*]+", str(line.specifier)) for line in lines)


def test_no_index_of_packages_is_named():
    for path in (ROOT / "envs").iterdir():
        if path.is_file():
            assert not re.search(r"https?://(?!docs\.)", path.read_text(encoding="utf-8")), path.name
