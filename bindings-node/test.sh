#!/usr/bin/env bash
# Runs the tests of the Node package: all, or those whose file name has one of the given words. The package must be built.
set -euo pipefail
cd "$(dirname "$0")"

# The servers, and a native part that has what tests need besides.
cargo build --locked -p mcp-reauth-cli
cargo build --locked -p mcp-reauth-node --features testing
mkdir -p build
case $(uname) in
    Darwin) cp ../target/debug/libmcp_reauth_node.dylib build/testing.node ;;
    *) cp ../target/debug/libmcp_reauth_node.so build/testing.node ;;
esac

rm -rf build/test
node_modules/.bin/tsc -p tsconfig.test.json

files=()
for file in build/test/*.test.mjs; do
    [ $# -eq 0 ] && files+=("$file")
    for word in "$@"; do
        [[ $(basename "$file") == *"$word"* ]] && files+=("$file")
    done
done
[ ${#files[@]} -gt 0 ] || { echo "No test file has any of these words in its name: $*" >&2; exit 2; }
node --test --test-reporter=spec "${files[@]}"
