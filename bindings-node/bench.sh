#!/usr/bin/env bash
# Measures the Node package, on an idle machine. With --trial, runs each benchmark once to check that it works.
set -euo pipefail
cd "$(dirname "$0")"

./build.sh
cargo build --locked -p mcp-reauth-cli
node_modules/.bin/tsc -p tsconfig.test.json
node --expose-gc build/test/bench/main.mjs "$@"
