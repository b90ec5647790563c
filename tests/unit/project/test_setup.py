"""envs/setup.sh as a Mac would run it, with Apple's programs played by small scripts."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from envs.share_openmp import HOMEBREW, LINKED, POINTED, RUNTIME, TORCH
from tests.conftest import ROOT

SCRIPTS = [*sorted((ROOT / "envs").glob("*.sh")), ROOT / ".ci" / "run"]
NEWER_THAN_BASH_3_2 = re.compile(
    r"\b(?:mapfile|readarray|coproc|globstar|lastpipe|BASHPID|EPOCH\w+)\b"
    r"|\b(?:declare|local|typeset) -\w*[Agnlu]|\$\{\w+(?:\[[^]]*\])?(?:,|\^|@[A-Za-z])|&>>|\|&|;;?&(?!&)"
    r"|wait -n|-v [A-Za-z_]\w* *\]\]|%\([^)]*\)T|\{\d+\.\.\d+\.\.\d+\}|\[-\d+\]\}"
)


def program(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_scripts_need_no_newer_bash_than_a_mac_has(path):
    code = re.sub(r"^\s*#.*", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert not NEWER_THAN_BASH_3_2.search(code)


@pytest.mark.parametrize(
    "line", ["mapfile -t a", "declare -A a", "${x,,}", "make |& tee", "a &>> b", "${a[-1]}"]
)
def test_what_only_a_newer_bash_knows_would_be_noticed(line):
    assert NEWER_THAN_BASH_3_2.search(line)


# One OpenMP runtime


def installed(packages: Path) -> Path:
    """Files that look as the installed libraries do, for what is tested here."""
    for name in (*POINTED, LINKED, RUNTIME):
        (packages / name).parent.mkdir(parents=True)
        rpath = f"{HOMEBREW}\0" if name in POINTED else ""
        (packages / name).write_bytes(f"{name} {rpath}end".encode())
    return packages


def run_sharing(packages: Path, folder: Path, code: int = 0) -> list[str]:
    """Share OpenMP with Apple's tools played; returns what was changed.

    The two rpaths have the same length, so that replacing bytes is what install_name_tool does.
    """
    tool = f"#!{sys.executable}\nimport sys\nfrom pathlib import Path\n_, _, old, new, name = sys.argv\n"
    tool += "path, old, new = Path(name), old.encode(), new.encode()\nassert len(old) == len(new)\n"
    tool += (
        "assert path.read_bytes().count(old) == 1\npath.write_bytes(path.read_bytes().replace(old, new))\n"
    )
    program(folder / "bin" / "install_name_tool", tool)
    program(folder / "bin" / "codesign", f"#!/bin/sh\necho signed $* >> '{folder}/signed'\nexit {code}\n")
    done = subprocess.run(
        [sys.executable, "-c", "import sys; from pathlib import Path; from share_openmp import share_openmp\n"
         "print(*share_openmp(Path(sys.argv[1])), sep='\\n')", packages],
        env={**os.environ, "PATH": f"{folder}/bin:{os.environ['PATH']}", "PYTHONPATH": str(ROOT / "envs")},
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip
    assert not done.returncode, done.stderr
    return done.stdout.split()


def test_all_libraries_come_to_use_the_openmp_of_pytorch(tmp_path):
    packages = installed(tmp_path / "packages")
    assert run_sharing(packages, tmp_path) == [*POINTED, LINKED]
    for name in POINTED:
        assert TORCH.encode() in (packages / name).read_bytes()
        assert (packages / name).parent.joinpath("../../torch/lib/libomp.dylib").samefile(packages / RUNTIME)
    assert (packages / LINKED).samefile(packages / RUNTIME)
    signed = (tmp_path / "signed").read_text().splitlines()
    assert all(line.startswith("signed --force --sign - ") for line in signed)
    assert len(signed) == 2
    assert not list(packages.rglob("*.new"))


def test_a_second_run_changes_nothing_and_a_new_install_is_done_again(tmp_path):
    packages = installed(tmp_path / "packages")
    run_sharing(packages, tmp_path)
    assert run_sharing(packages, tmp_path) == []
    (packages / LINKED).unlink()
    (packages / LINKED).write_bytes(b"installed again")
    assert run_sharing(packages, tmp_path) == [LINKED]


def test_the_file_that_uv_shares_with_its_cache_stays_as_it_was(tmp_path):
    packages = installed(tmp_path / "packages")
    os.link(packages / POINTED[0], tmp_path / "cached")
    run_sharing(packages, tmp_path)
    assert HOMEBREW.encode() in (tmp_path / "cached").read_bytes()


def test_a_library_that_could_not_be_signed_is_not_put_in_place(tmp_path):
    packages = installed(tmp_path / "packages")
    with pytest.raises(AssertionError, match=r"codesign refused .*libxgboost"):
        run_sharing(packages, tmp_path, code=1)
    assert HOMEBREW.encode() in (packages / POINTED[0]).read_bytes()


def test_a_wheel_that_is_built_otherwise_is_refused_in_words(tmp_path):
    packages = installed(tmp_path / "packages")
    (packages / POINTED[1]).write_bytes(b"@rpath somewhere else")
    with pytest.raises(AssertionError, match=r"lib_lightgbm.*does not look for OpenMP in.*fix"):
        run_sharing(packages, tmp_path)


# The whole set-up on a Mac that is played

APPLE = {
    "uname": "echo Darwin",
    "sysctl": "case $2 in hw.optional.arm64) echo ${M_ARM:-1};; *) echo ${M_ROSETTA:-0};; esac",
    "sw_vers": "echo ${M_MACOS:-15.6.1}",
    "file": 'echo "Mach-O 64-bit executable ${M_UV:-arm64}"',
    "install_name_tool": "exit 0",
    "codesign": "exit 0",
}


@pytest.fixture
def mac(tmp_path):
    """A folder with the set-up, and a function that runs it there, with variables that change the Mac."""
    shutil.copytree(ROOT / "envs", tmp_path / "envs", ignore=shutil.ignore_patterns("__pycache__"))
    script = tmp_path / "envs" / "setup.sh"  # must not find a Python that this machine really has
    script.write_text(re.sub(r"/opt/homebrew/bin|/usr/local/bin", f"{tmp_path}/absent", script.read_text()))
    for name, text in APPLE.items():
        program(tmp_path / "bin" / name, f"#!/bin/sh\n{text}\n")
    for name, machine in (("python3.12", "${M_PYTHON:-arm64}"), ("native", "arm64")):
        played = f"import platform, sys; sys.platform = 'darwin'; platform.machine = lambda: '{machine}'"
        program(
            tmp_path / "bin" / name,
            f'#!/bin/sh\n[ "$1" = -c ] || {{ echo "python $1" >> "{tmp_path}/calls"; exit 0; }}\n'
            f'exec {sys.executable} -c "{played}\n$2"\n',
        )
    program(
        tmp_path / "bin" / "uv",
        f'#!/bin/sh\necho "uv $1 $2" >> "{tmp_path}/calls"\ncase "$1 $2" in\n'
        '"venv --quiet") mkdir -p .venv/bin; cp "$5" .venv/bin/python;;\n'
        '"pip sync") printf "Downloading torch (300MiB)\\n + torch==2\\n" >&2; exit ${M_SYNC:-0};;\n'
        f'"python find") echo "{tmp_path}/bin/native";;\nesac\n',
    )

    def run(**variables: str) -> subprocess.CompletedProcess[str]:
        environment = {
            "PATH": f"{tmp_path}/bin:/usr/bin:/bin",
            "HOME": str(tmp_path),
            "PYENV_ROOT": str(tmp_path / "pyenv"),
            **variables,
        }
        bash = shutil.which("bash") or "bash"
        return subprocess.run(
            [bash, "envs/setup.sh"],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )

    return tmp_path, run


def test_on_a_mac_openmp_is_shared_and_tried_after_each_install(mac):
    folder, run = mac
    for _ in range(2):
        done = run()
        assert done.returncode == 0, done.stderr
    calls = (folder / "calls").read_text().splitlines()
    each = ["uv pip sync", "python envs/share_openmp.py", "python envs/check_openmp.py"]
    assert [call for call in calls if call != "uv venv --quiet"] == [*(each), *(each)]
    assert calls.count("uv venv --quiet") == 1


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"M_ARM": "0"}, "Intel processor.*Apple Silicon"),
        ({"M_ROSETTA": "1"}, "Rosetta.*arch -arm64"),
        ({"M_MACOS": "13.7.1"}, r"macOS 13\.7\.1 is too old.*macOS 14"),
        ({"M_UV": "x86_64"}, "bin/uv is a program for Intel"),
    ],
)
def test_a_mac_that_cannot_run_it_is_refused_in_words_before_anything_is_installed(mac, variables, words):
    folder, run = mac
    done = run(**variables)
    assert done.returncode == 1
    assert re.search(words, done.stderr)
    assert not (folder / "calls").exists()


def test_an_absent_tool_of_apple_is_named_with_its_cure(mac):
    folder, run = mac
    (folder / "bin" / "codesign").unlink()
    if shutil.which("codesign", path="/usr/bin:/bin"):
        pytest.skip("this machine has codesign itself")
    assert "xcode-select --install" in run().stderr


def test_a_python_for_intel_is_passed_over_for_a_native_one(mac):
    folder, run = mac
    done = run(M_PYTHON="x86_64")
    assert done.returncode == 0, done.stderr
    assert re.search(r"Passing over .*python3\.12: it is a Python for Intel", done.stderr)
    assert (folder / ".venv/bin/python").read_text() == (folder / "bin/native").read_text()


def test_another_system_is_not_asked_what_a_mac_is(mac):
    folder, run = mac
    program(folder / "bin" / "uname", "#!/bin/sh\necho Linux\n")
    done = run(M_ARM="0")
    assert done.returncode == 0, done.stderr
    assert "check_openmp" not in (folder / "calls").read_text()


def test_the_set_up_tells_what_is_downloaded_and_fails_when_that_fails(mac):
    done = mac[1]()
    assert "Downloading torch (300MiB)\n" in done.stderr
    assert " + torch" not in done.stderr
    assert mac[1](M_SYNC="2").returncode == 2
