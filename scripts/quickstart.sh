#!/usr/bin/env bash
# Sets up .venv (once) and runs the main job on the embedded data: build, align, tune, evaluate, report.
# Usage: bash scripts/quickstart.sh [options of `mmtune quickstart`]
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"
set_up run
cd "$ROOT"
exec "$VENV/bin/mmtune" quickstart "$@"
