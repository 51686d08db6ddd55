#!/usr/bin/env bash
# Installs what builds, checks and tests the Node package, unless it is there as the lock file says.
set -euo pipefail
cd "$(dirname "$0")"

installed=node_modules/.installed-from-lock.json
cmp -s package-lock.json "$installed" && exit
echo "Installing what builds and tests the Node package (npm ci) ..."
npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
cp package-lock.json "$installed"
