#!/usr/bin/env bash
# Resolve pyproject.toml again into envs/requirements.lock (universal, with hashes, without index addresses), and write
# the packages found into envs/workflow.yaml.
set -euo pipefail
cd "$(dirname "$0")/.."
uv=$(command -v uv || echo .bootstrap/bin/uv)
"$uv" pip compile --quiet pyproject.toml --group dev --python-version 3.12 --universal --generate-hashes \
    --no-emit-index-url --prerelease=if-necessary-or-explicit --custom-compile-command "make lock" "$@" \
    --output-file envs/requirements.lock
# Snakemake copies this file elsewhere before it uses it, so it cannot point to the lock.
{
    cat <<'EOF'
# The locked packages as a conda environment (`snakemake --sdm conda`); written by `make lock`.
channels:
  - conda-forge
dependencies:
  - python=3.12
  - pip
  - pip:
EOF
    sed -n 's/^\([A-Za-z0-9].*==.*[^ ]\) \\$/      - "\1"/p' envs/requirements.lock
} >envs/workflow.yaml
