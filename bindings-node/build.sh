#!/usr/bin/env bash
# Makes the package ready to be used: installs what builds it, builds the native part, compiles the rest.
set -euo pipefail
cd "$(dirname "$0")"

installed=node_modules/.installed-from-lock.json
if ! cmp -s package-lock.json "$installed"; then
    echo "Installing what builds and tests the Node package (npm ci) ..."
    npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
    cp package-lock.json "$installed"
fi
npm run --silent build:native
npm run --silent build
