"""What dyld would find: the libraries that the Mach-O files in a folder need, and where they are.

Reads files only; knows the rules of dyld that installed packages need (install names, rpaths of the file
itself, the fallback to /usr/lib for what was built before 2022), not those of its environment variables.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from macholib.mach_o import LC_BUILD_VERSION, LC_RPATH, LC_VERSION_MIN_MACOSX
from macholib.MachO import MachO
from macholib.SymbolTable import SymbolTable

MAGICS = (b"\xcf\xfa\xed\xfe", b"\xca\xfe\xba\xbe")
ARM64 = 0x0100000C
OPENMP = (b"_omp_", b"___kmp", b"_GOMP_")
IN_USR_LIB = {"libc++.1.dylib", "libz.1.dylib"}
"""Libraries of macOS that wheels look for by an rpath; extended only by what Apple's systems have."""
SDK_WITHOUT_FALLBACK = 13
"""dyld looks into /usr/lib for what was built with an older SDK (dyld-1378: Loader, pre2022Binary)."""


def mach_files(folder: Path) -> Iterator[tuple[Path, Any]]:
    """Each Mach-O file below a folder, with its arm64 header (None where it has no such part)."""
    for path in sorted(folder.rglob("*")):
        if path.is_symlink() or not path.is_file():
            continue
        with path.open("rb") as file:
            magic = file.read(4)
        if magic in MAGICS:
            headers = {header.header.cputype: header for header in MachO(str(path)).headers}
            yield path, headers.get(ARM64)


def unfound(path: Path, header: Any) -> set[str]:
    """Libraries a Mach-O file needs that are neither in the system nor where the file says."""
    rpaths = [data.rstrip(b"\0").decode() for kind, _, data in header.commands if kind.cmd == LC_RPATH]
    return {
        name
        for _, kind, name in header.walkRelocatables()
        if "weak" not in kind
        and not name.startswith(("/usr/lib/", "/System/Library/"))
        and not any(_exists(place, path) for place in _places(name, rpaths))
        and not (name.rpartition("/")[2] in IN_USR_LIB and _sdk(header) < SDK_WITHOUT_FALLBACK)
    }


def symbols(path: Path, defined: bool) -> set[bytes]:
    """Names of OpenMP's interface that a file defines for others, or needs from others."""
    table = SymbolTable(MachO(str(path)))
    found = table.extdefsyms if defined else table.undefsyms
    return {name for _, name in found if name.startswith(OPENMP)}


def _places(name: str, rpaths: list[str]) -> list[str]:
    if not name.startswith("@rpath/"):
        return [name]
    return [f"{rpath.rstrip('/')}/{name.removeprefix('@rpath/')}" for rpath in rpaths]


def _exists(place: str, path: Path) -> bool:
    """Only what lies beside the file counts: an absolute folder is one of the machine that built it."""
    return (
        place.startswith("@loader_path/")
        and (path.parent / place.removeprefix("@loader_path/")).resolve().exists()
    )


def _sdk(header: Any) -> int:
    """Major version of the macOS SDK a file was built with."""
    for kind, command, _ in header.commands:
        if kind.cmd in (LC_BUILD_VERSION, LC_VERSION_MIN_MACOSX):
            return int(command.sdk) >> 16
    return 0
