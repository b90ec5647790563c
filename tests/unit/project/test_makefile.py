"""The Makefile under the make of a Mac: GNU make 3.81, as Apple builds it.

It hands a recipe line to the shell, unless SHELL is one that it knows by its path and the line is simple: it
starts that program itself, and looks for it on the PATH that make was started with, not on the one that the
Makefile exports (gnumake-136, job.c: _is_posix_shell, construct_command_argv_internal, posix_spawnp).
"""

import re
import shlex
import shutil
import subprocess

import pytest

from tests.conftest import ROOT

MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
TARGETS = sorted(re.findall(r"^([a-z-]+):.*## ", MAKEFILE, re.MULTILINE))
KNOWN_SHELLS = {"/bin/sh", "/bin/bash", "/bin/dash", "/bin/zsh"}
SHELL_CHARACTERS = set('#;"*?[]&|<>(){}$`^~!')
BUILTINS = set(
    re.findall(
        r"\S+",
        """. : break case cd continue eval exec exit export for if login logout read readonly set shift switch
        test times trap umask wait while""",
    )
)
OWN_PATH = "/usr/bin:/bin"
"""The PATH of somebody who has not activated .venv."""
PROGRAMS = ("python", "snakemake", "ruff", "mypy", "snakefmt", "deptry")


@pytest.fixture
def checkout(tmp_path):
    """The Makefile with a .venv whose programs do nothing, and nothing else that could be made or removed."""
    folder = tmp_path / "a checkout"
    for name in (*(f".venv/bin/{program}" for program in PROGRAMS), "envs/setup.sh", "envs/lock.sh"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("#!/bin/sh\nexit 0\n")
        (folder / name).chmod(0o755)
    (folder / "envs" / "requirements.lock").touch()
    return folder


def recipe(makefile: str, target: str, folder) -> list[str]:
    """The lines that make would start for a target."""
    (folder / "Makefile").write_text(makefile)
    done = subprocess.run(
        ["make", "-n", "--no-print-directory", target],
        cwd=folder,
        env={"PATH": OWN_PATH},
        capture_output=True,
        text=True,
        check=True,
    )
    return [line.strip() for line in done.stdout.replace("\\\n", "").splitlines() if line.strip()]


def is_simple(line: str) -> bool:
    """Whether 3.81 takes a line for one that needs no shell."""
    bare = re.sub(r"'[^']*'", "", line)
    first = line.split(maxsplit=1)[0]
    return not (SHELL_CHARACTERS & set(bare) or first in BUILTINS or "=" in first)


def start(makefile: str, target: str, folder) -> list[str]:
    """Start the lines of a target as Apple's make does; returns those whose program was not found."""
    shell = re.search(r"^SHELL *:?= *(\S+)", makefile, re.MULTILINE).group(1)
    exported = f"{folder}/.venv/bin:{OWN_PATH}"
    lost = []
    for line in recipe(makefile, target, folder):
        if shell in KNOWN_SHELLS and is_simple(line):
            if not shutil.which(shlex.split(line)[0], path=OWN_PATH):
                lost.append(line)
            continue
        done = subprocess.run(
            [shutil.which(shell, path=OWN_PATH), "-c", line],
            cwd=folder,
            env={"PATH": exported},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode == 127 or "not found" in done.stderr:
            lost.append(line)
    return lost


@pytest.mark.parametrize("target", TARGETS)
def test_each_line_of_each_target_finds_its_program(checkout, target):
    assert start(MAKEFILE, target, checkout) == []


def test_a_shell_that_make_knows_by_its_path_would_be_noticed(checkout):
    old = re.sub(r"^SHELL := .*", "SHELL := /bin/bash", MAKEFILE, flags=re.MULTILINE)
    assert start(old, "report", checkout) == ["snakemake --cores 1 --rerun-incomplete results/report.html"]
    assert start(old, "lint", checkout)[0] == "ruff check ."
    assert start(old, "clean-results", checkout) == []


def test_the_makefile_uses_nothing_that_came_after_3_81():
    later = r"\$\(file |\.ONESHELL|\.SHELLFLAGS|!=|::=|^define \w+ *:?=|\bundefine\b|\$\(intcmp|\$\(let "
    assert not re.search(later, MAKEFILE, re.MULTILINE)


def test_recipes_ask_nothing_of_gnu_that_bsd_lacks():
    gnu = r"sed -i|sed -r|date -d|date --|stat -c|find [^\n]*-printf|xargs -r|cp -t|grep -P|\bnproc\b"
    scripts = [path.read_text(encoding="utf-8") for path in (ROOT / "envs").glob("*.sh")]
    for text in (MAKEFILE, *scripts, (ROOT / ".ci" / "run").read_text(encoding="utf-8")):
        assert not re.search(gnu, text)


@pytest.mark.parametrize("name", ["One Drive - Größe [neu] (2)", "study {new}", "12:30"])
def test_a_path_in_which_the_project_cannot_work_is_refused_before_anything_is_installed(checkout, name):
    folder = checkout.rename(checkout.parent / name)
    (folder / "Makefile").write_text(MAKEFILE)
    done = subprocess.run(
        ["make", "setup"], cwd=folder, env={"PATH": OWN_PATH}, capture_output=True, text=True, check=False
    )
    installed = (folder / ".venv" / ".ready").exists()
    if name.startswith("One"):
        assert (done.returncode, installed) == (0, True), done.stderr
    else:
        assert (done.returncode, installed) == (2, False)
        assert "cannot work in a folder whose path holds" in done.stderr
