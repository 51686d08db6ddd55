#!/usr/bin/env bash
# Checks the Python code without building it: format, lint and types.
set -euo pipefail
cd "$(dirname "$0")"

./install.sh tools
tools=$PWD/../target/python/tools/bin
"$tools/ruff" format --check --quiet . || { echo "Format it: target/python/tools/bin/ruff format bindings-python" >&2; exit 1; }
"$tools/ruff" check --quiet .
