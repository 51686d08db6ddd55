#!/usr/bin/env bash
# Measures the Node package, on a machine that rests; with --trial once, to see that the benchmarks work.
set -euo pipefail
cd "$(dirname "$0")"

./build.sh
cargo build --locked -p mcp-reauth-cli
node_modules/.bin/tsc -p tsconfig.test.json
node --expose-gc build/test/bench/main.mjs "$@"
