#!/usr/bin/env bash
# Installs the tools that build, check and test the Node package, unless they match the lock file already.
set -euo pipefail
cd "$(dirname "$0")"

installed=node_modules/.installed-from-lock.json
cmp -s package-lock.json "$installed" && exit
echo "Installing what builds and tests the Node package (npm ci) ..."
npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
cp package-lock.json "$installed"
