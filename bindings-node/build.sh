#!/usr/bin/env bash
# Builds the package: installs the build tools, builds the native part, and compiles the TypeScript part.
set -euo pipefail
cd "$(dirname "$0")"

./install.sh
npm run --silent build:native
npm run --silent build
