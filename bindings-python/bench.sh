#!/usr/bin/env bash
# Measures the Python package, on an idle machine. Build it first. With --trial, runs each benchmark once to check that it
# works.
set -euo pipefail
cd "$(dirname "$0")"

cargo build --locked -p mcp-reauth-cli
../target/python/mcp2/bin/python -m bench "$@"
