#!/usr/bin/env bash
# Can the locked packages run on this Mac? Where they cannot, it says so and what to do. Called by setup.sh on macOS,
# with the path of uv; changes nothing.
set -euo pipefail

refuse() {
    echo "envs/setup.sh: $1" >&2
    exit 1
}

sysctl_of() {
    sysctl -n "$1" 2>/dev/null || echo 0
}

if [ "$(sysctl_of hw.optional.arm64)" != 1 ]; then
    refuse "this Mac has an Intel processor, and PyTorch is no longer made for it. Use a Mac with Apple Silicon, or Linux."
fi
if [ "$(sysctl_of sysctl.proc_translated)" = 1 ]; then
    refuse "this shell runs under Rosetta, where every program poses as one for Intel, and PyTorch is no longer made for that. Start a native shell (arch -arm64 /bin/zsh) and run the command again."
fi
version=$(sw_vers -productVersion)
if [ "${version%%.*}" -lt 14 ]; then
    refuse "macOS $version is too old for the locked packages. They need macOS 14 or later; the project is meant for 15."
fi
case $(file -bL "$1") in
    *arm64*) ;;
    *x86_64*) refuse "$1 is a program for Intel, and would bring packages for Intel. Remove it from the PATH (make brings its own uv), or install one for Apple Silicon." ;;
esac
for tool in install_name_tool codesign; do
    if ! command -v "$tool" >/dev/null 2>&1; then
        refuse "$tool was not found. It comes with Apple's command line tools: xcode-select --install"
    fi
done
