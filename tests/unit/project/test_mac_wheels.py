"""The locked packages as a Mac gets them: their wheels, what these load, and that they share one OpenMP."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from test_setup import LINKED, POINTED, RUNTIME, run_sharing

from tests.conftest import ROOT
from tests.unit.mac_libraries import mach_files, symbols, unfound

LOCK = ROOT / "envs" / "requirements.lock"
OLDEST = "14.0"
"""The oldest macOS that envs/check_mac.sh lets pass."""
NO_WHEEL = "connection-pool"
"""Plain Python, published as source only."""


pytestmark = pytest.mark.timeout(3600)  # 700 MB are downloaded, and 2 GB removed


def on_a_mac(line: str) -> bool:
    """Whether a requirement of the lock is one on Apple Silicon."""
    marker = Requirement(line).marker
    mac = {
        "sys_platform": "darwin",
        "platform_machine": "arm64",
        "platform_system": "Darwin",
        "os_name": "posix",
        "python_version": "3.12",
        "python_full_version": "3.12.9",
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
    }
    return marker is None or marker.evaluate(mac)


def locked() -> list[str]:
    """Requirements of the lock without their hashes."""
    lines = LOCK.read_text(encoding="utf-8").splitlines()
    return [line.removesuffix("\\").strip() for line in lines if line[:1].isalnum()]


def test_what_is_for_nvidia_cards_stays_off_a_mac():
    """But nvidia-ml-py: plain Python of 50 kB that asks for a driver, and is told that there is none."""
    for_cards = [line for line in locked() if line.startswith(("nvidia-", "cuda-", "triton"))]
    assert len(for_cards) > 10
    assert [line.partition("==")[0] for line in for_cards if on_a_mac(line)] == ["nvidia-ml-py"]


@pytest.mark.slow
def test_four_libraries_compute_in_parallel_in_one_process():
    done = subprocess.run(
        [sys.executable, ROOT / "envs" / "check_openmp.py"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "four libraries computed" in done.stderr


def wanting(packages: Path) -> dict[str, set[str]]:
    """Libraries that are nowhere, by the file that needs them."""
    found = {}
    for path, header in mach_files(packages):
        name = path.relative_to(packages).as_posix()
        assert header or path.suffix not in (".so", ".dylib"), f"{name} is not for Apple Silicon"
        if header and (names := unfound(path, header)):
            found[name] = names
    return found


def install(folder: Path, uv: str, macos: str, *extra: str) -> subprocess.CompletedProcess[str]:
    """The locked packages of a Mac, in a folder: with hashes, from wheels."""
    return subprocess.run(
        [
            *(uv, "pip", "install", "--quiet", "--require-hashes", "--requirement", LOCK, *extra),
            *("--only-binary", ":all:", "--no-binary", NO_WHEEL, "--python", sys.executable),
            *("--python-platform", "aarch64-apple-darwin", "--target", folder / "packages"),
        ],
        env={**os.environ, "MACOSX_DEPLOYMENT_TARGET": macos, "UV_CACHE_DIR": str(folder / "cache")},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def uv() -> str:
    """The uv of the set-up."""
    found = shutil.which("uv") or shutil.which(ROOT / ".bootstrap" / "bin" / "uv")
    assert found, "make setup brings uv when the PATH has none"
    return found


@pytest.fixture(scope="module")
def packages(uv):
    """All packages of the lock as on a Mac (2 GB, removed afterwards), with PyTorch's OpenMP shared."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        done = install(folder, uv, OLDEST)
        if "error sending request" in done.stderr or "dns error" in done.stderr:
            pytest.skip(f"the package index cannot be reached: {done.stderr.strip()[-300:]}")
        assert done.returncode == 0, done.stderr
        yield folder / "packages"


@pytest.mark.slow
def test_every_library_that_a_mac_loads_is_there(packages, tmp_path):
    """In its wheel, in macOS, or where the set-up points it; before the set-up, two have no OpenMP."""
    assert wanting(packages) == {name: {"@rpath/libomp.dylib"} for name in POINTED}
    assert set(run_sharing(packages, tmp_path)) == {*POINTED, LINKED}
    assert wanting(packages) == {}
    assert run_sharing(packages, tmp_path) == []
    for name in POINTED:  # as dyld would follow it
        points_at = (packages / name).parent / "../../torch/lib/libomp.dylib"
        assert points_at.samefile(packages / RUNTIME)
    assert (packages / LINKED).samefile(packages / RUNTIME)


@pytest.mark.slow
def test_pytorch_has_every_symbol_of_openmp_that_the_others_need(packages):
    has = symbols(packages / RUNTIME, defined=True)
    users = [packages / name for name in POINTED] + sorted((packages / "sklearn").rglob("*.so"))
    needed = {path: symbols(path, defined=False) for path in users}
    assert min(len(needed[path]) for path in users[:2]) > 10
    assert sum(bool(names) for names in needed.values()) > 10
    assert {path.name: names - has for path, names in needed.items() if names - has} == {}


@pytest.mark.slow
def test_an_older_macos_has_no_wheels(uv, packages):
    """So envs/check_mac.sh refuses it in words, and not one that would do."""
    folder = packages.parent / "older"
    done = install(folder, uv, "13.0", "--dry-run")
    assert done.returncode != 0
    assert "no usable wheels" in done.stderr
